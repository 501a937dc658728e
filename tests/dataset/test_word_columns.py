"""The columns of words and tags: files whose first column is not the word are told, and how to get there."""

import subprocess

import pytest

from charrnn.dataset.conll import Sentence, SentenceReader, read_tagged
from charrnn.dataset.word_columns import WordColumns
from charrnn.errors import CorpusError
from support.processes import posix

CONLL_U = (
    "# sent_id = 1\n# text = So it's.\n1\tSo\tso\tADV\tRB\t_\t2\tx\t_\t_\n2-3\tit's\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "2\tit\tit\tPRON\tPRP\t_\t0\troot\t_\t_\n3\t's\tbe\tAUX\tVBZ\t_\t2\tx\t_\t_\n\n"
    "# newpar\n1\tNo\tno\tINTJ\tUH\t_\t0\troot\t_\tSpaceAfter=No\n1.1\tx\tx\tX\t_\t_\t_\t_\t_\t_\n\n"
)
CONLL_X = "1 Tja tja NN NN _ 0 root _ _\n2 Nu nu AB AB _ 1 x _ _\n3 . . IP IP _ 1 x _ _\n\n"
NUMBERED = "0 So O\n1 it O\n\n0 Ann B-PER\n1 left O\n"
TEXTS = "call Kamachi\t.....NNNNNNN\nKono\tNNNN\nab c\t....\n"


def watched(text: str, name: str = "f.txt") -> list[str]:
    return [*WordColumns(name).watched(text.splitlines(keepends=True))]


@posix
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONLL_U, "So\tADV\nit\tPRON\n's\tAUX\n\nNo\tINTJ\n\n"),
        (CONLL_X, "Tja\tNN\nNu\tAB\n.\tIP\n\n"),
        (NUMBERED, "So\tO\nit\tO\n\nAnn\tB-PER\nleft\tO\n"),
        (NUMBERED.replace(" ", "\t") * 9, "So\tO\nit\tO\n\nAnn\tB-PER\nleft\tO\n" * 9),
    ],
)
def test_a_first_column_of_numbers_is_told_with_the_command_that_takes_the_words(text, words, tmp_path):
    if text.count("0 So") > 1 or text.count("0\tSo") > 1:
        text, words = text.replace("left\tO\n", "left\tO\n\n"), words.replace("left\tO\n", "left\tO\n\n")
    path = tmp_path / "f.txt"
    path.write_text(text)
    with pytest.raises(CorpusError, match=f"^the first column of {path} counts the words") as error:
        watched(text, str(path))
    assert (" and lines with # are comments, but" in str(error.value)) == ("#" in text)
    command = str(error.value).split("`")[1]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "words.conll").read_text() == words


@pytest.mark.parametrize(
    "text",
    [
        "1 CD\n2 CD\n\n",
        "1\n2\n3\n4\n",
        "1 CD\n2 CD\n3 CD\n\nis VB\n",
        "1 CD\n3 CD\n5 CD\n7 CD\n",
        "# O\n1 O\n2 O\nx O\n",
        "So O\nit O\n" * 20,
        "",
        "the\tDET\ncat\tNOUN\n" * 20,
        "a\tX\nb\tY\n",
    ],
)
def test_words_that_are_numbers_are_words(text):
    assert "".join(watched(text)) == text


@pytest.mark.parametrize("text", [TEXTS, TEXTS * 20, TEXTS.replace("\n", "\r\n")])
def test_texts_with_a_tag_for_each_character_are_told(text):
    with pytest.raises(
        CorpusError, match=r'^f.txt looks like texts with a tag for each .*: leave out `table="conll"`$'
    ):
        watched(text)


@pytest.mark.parametrize(
    ("comment", "is_one"),
    [("# text = So it is.", True), ("# sent_id =", True), ("#\tO", False), ("# NN B-X", False), ("#a = O", False)],
)
def test_comments_where_a_sentence_begins_are_left_out(comment, is_one):
    lines = [comment, "So RB O", "it PR O", comment + " O", "", comment, "is VB O"]
    first, second = read_tagged(lines)
    assert isinstance(first, Sentence)
    assert isinstance(second, Sentence)
    word = comment.split()[0]
    assert first.words == [word] * (not is_one) + ["So", "it", word]
    assert second.words == [word] * (not is_one) + ["is"]
    reader = SentenceReader({"O"})
    found = [s for line in ["# text = So it is.", "So\tO", "it\tO", ""] for s in reader.add(line)]
    assert [s.words for s in found] == [["So", "it"]]
