"""Sentences of words and tags: how they become characters with tags, and which lines are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset import corpus as corpora
from charrnn.dataset.bad_lines import BadLines, told
from charrnn.dataset.conll import (
    COLUMNS,
    BadLine,
    Sentence,
    SentenceReader,
    as_iob2,
    as_pairs,
    begins,
    looks_tagged,
    read_tagged,
)
from charrnn.dataset.files import Source
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.split import output_labels
from charrnn.errors import CorpusError

FILE = """-DOCSTART- -X- O O

John NNP B-PER
Smith\tNNP  I-PER
in IN O

 \t
Anna I-PER
Bob B-PER
x NN
"""


def read(folder, text, **fields):
    """The corpus of a file with sentences."""
    (folder / "s.conll").write_text(text, encoding="utf-8")
    return corpora.read(Source((str(folder / "s.conll"),), table="conll", **fields))


def letters(names, tags):
    """The tags of characters as the letters that stand for them in a corpus."""
    return "".join(chr(0xE000 + names.index(tag)) for tag in tags)


def lines_of(text):
    """The lines that a file becomes, and the names of its tags."""
    names = []
    return [*as_pairs(iter([text[:7], text[7:]]), names, "s.conll", BadLines())], names


def test_a_sentence_becomes_its_words_with_a_tag_for_each_character():
    (first, second), names = lines_of(FILE)
    assert names == ["I-PER", "O", "NN"]
    per, out = "I-PER", "O"
    assert first == "John Smith in\t" + letters(names, [per] * 10 + [out] * 3) + "\n"
    expected = [per] * 4 + [out] + [per] * 3 + [out] + ["NN"]  # the blank keeps the neighbours apart
    assert second == "Anna Bob x\t" + letters(names, expected) + "\n"


def test_the_tags_of_a_corpus_have_their_names_in_order(tmp_path):
    corpus = read(tmp_path, FILE).read_as("tags", False)
    assert corpus.tagged.labels == LabelSet(("I-PER", "NN", "O"), (17, 1, 5), of_words=True)
    tags = corpus.tagged.tag_of[corpus.alphabet.encode(letters(corpus.tag_names, ["O", "I-PER", "NN"]))]
    assert [corpus.tagged.labels.names[k] for k in tags] == ["O", "I-PER", "NN"]
    assert "".join(corpus.vocabulary.characters) == "\t\n ABJSabhimnotx"


def test_a_file_ends_its_last_sentence(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"{name} O\n{name} X")
    corpus = corpora.read(Source((str(tmp_path / "a"), str(tmp_path / "b")), table="conll"))
    assert corpus.alphabet.decode(corpus.ids).count("\n") == 2


@pytest.mark.parametrize(
    ("tags", "iob2"),
    [
        ("I-A I-A O I-A", "B-A I-A O B-A"),  # IOB1
        ("I-A B-A I-B I-B", "B-A B-A B-B I-B"),
        ("B-A I-A B-A O", "B-A I-A B-A O"),  # IOB2
        ("S-A B-A E-A I-A", "B-A B-A I-A B-A"),  # IOBES
        ("NN NN O VB", "NN NN O VB"),
        ("A-B X", "A-B X"),
        ("I-A-B I-A-B", "B-A-B I-A-B"),
        ("", ""),
    ],
)
def test_all_forms_of_tags_say_where_an_entity_begins(tags, iob2):
    assert as_iob2(tags.split()) == iob2.split()


def test_plain_tags_are_those_of_single_words():
    assert begins("NN", "NN")
    assert not begins("NN", "O")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a O\nb\n\nc O\n", BadLine(2, "has the word 'b' without a tag", "tag")),
        ("\n\na\t\n", BadLine(3, "has the word 'a' without a tag", "tag")),
        ("a B-\n", BadLine(1, "has the tag 'B-', which names no type", "type")),
    ],
)
def test_a_line_that_is_not_a_word_and_its_tag_is_named(text, problem, tmp_path):
    found = [*read_tagged(text.splitlines(keepends=True))]
    assert found[0] == problem
    assert [sentence for sentence in found[1:] if isinstance(sentence, BadLine)] == []
    with pytest.raises(CorpusError, match=f"line {problem.number} of .*s.conll has .*`skip_bad=True`"):
        read(tmp_path, text)


def test_the_sentences_with_bad_lines_are_counted_by_what_is_wrong(tmp_path):
    text = "a O\nb\n\nc B-\nd\n\ne\n\nf O\n\ng I-\n"
    path = tmp_path / "s.conll"
    wanted = (
        f"line 2 of {path} has the word 'b' without a tag (2 lines are like that); line 4 of {path} has the tag 'B-', "
        "which names no type (2 lines are like that)"
    )
    with pytest.raises(CorpusError) as caught:
        read(tmp_path, text)
    advice = "write a word and its tag on each line, or leave such sentences out with `skip_bad=True`"
    assert str(caught.value) == f"{wanted}: {advice}"
    assert told(read(tmp_path, text, skip_bad=True).aligned_pairs.faults) == wanted


def test_the_sentence_of_a_bad_line_is_skipped(tmp_path):
    corpus = read(tmp_path, "Q O\nb\nc B-\n\na X\n\nd O\n", skip_bad=True).read_as("tags", True)
    assert corpus.aligned_pairs.n_bad == 1
    assert corpus.tagged.labels.names == ("O", "X")
    assert "Q" not in corpus.vocabulary.characters


def test_too_many_tags_are_refused():
    with pytest.raises(CorpusError, match="more than 1,000 different tags"):
        lines_of("".join(f"w{k} T{k}\n" for k in range(1200)))


WORDS = st.text("aé.\u00a0", min_size=1, max_size=4)
TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "NN", "S-A", "E-B"])


@given(st.lists(st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_is_written_is_read(sentences):
    text = "\n".join("".join(f"{word} x\t{tag}\n" for word, tag in sentence) for sentence in sentences)
    found = [*read_tagged(text.splitlines(keepends=True) if "\u0085" not in text else text.split("\n"))]
    before = [sum(len(s) + 1 for s in sentences[:n]) for n in range(len(sentences))]
    assert found == [Sentence(*map(list, zip(*s, strict=True)), 1 + n) for s, n in zip(sentences, before, strict=True)]


def sentences(text, tags=()):
    """The sentences of lines without tags, and after which line each was complete."""
    reader, found = SentenceReader(tags), []
    for n, line in enumerate(text.split("\n")):
        found += [(n, sentence.text) for sentence in reader.add(line)]
    return found + [("end", sentence.text) for sentence in reader.end()]


def test_sentences_come_with_a_word_a_line_or_as_a_whole():
    assert sentences("John\nSmith\t\n\nx\tNN\ty\n") == [(2, "John Smith"), (4, "x")]
    assert sentences("a b\nc  d \ne") == [(0, "a b"), (1, "c d"), ("end", "e")]
    assert sentences("a\nb c\n-DOCSTART- -X- O\n\n\nd") == [(1, "a"), (1, "b c"), ("end", "d")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("John N B-PER\nleft V O\n\nAnn N S-PER", [(2, "John left"), ("end", "Ann")]),
        ("John B-PER\nleft\tO\n\n", [(2, "John left")]),
        ("-DOCSTART- -X- O\n\n. . O\nx . O\n\n", [(4, ". x")]),
        ("John N B-PER\nleft V X\nus\n\n", [(3, "John left us")]),  # an entity's tag makes it a table
        ("John N O\nleft V X\n\n", [(1, "John N O"), (1, "left V X")]),  # X is no tag
        ("John N O\nleft O\n\n", [(1, "John N O"), (1, "left O")]),  # other columns
        ("John N B-PER\n\nhe left\n\n", [(1, "John"), (2, "he left")]),
        ("he left\nit got O\n\n", [(0, "he left"), (1, "it got O")]),
        ("x\nit got O\n\n", [(1, "x"), (1, "it got O")]),
        ("John\tO\nit left us\na B-PER\n\n", [(1, "John"), (1, "it left us"), (2, "a B-PER")]),
        ("O\nO\n\n", [(2, "O O")]),
        ("it left .\n\nit got .\n", [(0, "it left ."), (2, "it got .")]),  # that sentences end with a tag is common
        ("`` .\nUS$ .\n\n", [(2, "`` US$")]),
    ],
)
def test_columns_are_words_if_the_last_is_a_known_tag_in_all_lines(text, found):
    assert sentences(text, {"I-PER", "O", "."}) == found


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("Ann B-PER\nleft\nYork B-PER\n", (2, "is not a row like the line before it: it is read as the word 'left'")),
        ("x\n\nAnn N B-PER\nleft O\n", (4, "is not a row like the line before it: it is read as the word 'left'")),
        ("left O\nYork\nAnn B-PER\n", (1, "ends with the tag 'O', but is read as a sentence, not as a word")),
        ("he left\nAnn B-PER\n", (2, "ends with the tag 'B-PER', but is read as a sentence, not as a word")),
        ("EU NNP B-ORG\nhe V O\n", (1, "ends with the tag 'B-ORG', but is read as a sentence, not as a word")),
        ("Ann B-PER\nleft O\n\nhe left\nand it left .\nJohn\n\nan E-mail\nvitamin B-12\n\nx\tB-ORG\n", None),
    ],
)
def test_a_line_that_may_be_meant_otherwise_is_known(text, doubt):
    reader = SentenceReader({"I-PER", "O", "."})
    for line in text.splitlines():
        list(reader.add(line))
    assert reader.doubt == doubt


@given(st.lists(st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=6), min_size=1, max_size=5))
def test_a_file_for_training_has_its_words_even_with_blanks(rows):
    text = "\n".join("".join(f"{word} x {tag}\n" for word, tag in sentence) for sentence in rows)
    found = [sentence for _, sentence in sentences(text, {"O", "I-A", "I-B", "NN"})]
    assert found == [" ".join(word for word, _ in sentence) for sentence in rows]


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("EU B-ORG\nrejects O\n", True),
        ("EU NNP B-ORG\nrejects VBZ O\n\n. . O", True),
        ("a\tO\nis\tO\nI\tI-X\n", True),
        ("-DOCSTART- -X- O\n\nis VB O\nx\n\nit PRP O\nAnn N B-PER\n" + "no DT O\n" * 7, True),
        ("The DT\ndog NN\n\nA DT\n", True),
        ("The\tDT\ndog\tNN\n\nA\tDT\n", True),
        ("The\tDT\ndog\tNN\nA\tDT\n\n", False),  # no sentence ends, and these may be labels
        ("Katoria was\tLLLLLLL....\nquiet\t.....\n", False),
        ("Bath\tllll\nis\t..\n\nnot\tl\n", False),
        ("text 1\tA\n\ntext 2\tB\n", False),
        ("a b c\nd e\n\nf\n", False),
        ("one\ntwo\n\nthree\n", False),
        ("\n\n", False),
        ("", False),
    ],
)
def test_words_and_tags_are_told_from_texts(text, looks):
    assert looks_tagged(text.splitlines(keepends=True)) is looks


@given(st.lists(st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=6), min_size=1, max_size=5), st.booleans())
def test_a_sentence_says_where_it_begins(sentences, are_rows):
    text = "\n\n".join("".join(f"{word} x {tag}\n" for word, tag in sentence) for sentence in sentences)
    lines = text.split("\n")
    reader = SentenceReader({"O", "I-A", "I-B", "NN"} if are_rows else ())
    found = [sentence for line in lines for sentence in reader.add(line)] + [*reader.end()]
    assert len(found) == (len(sentences) if are_rows else len([*filter(None, lines)]))
    for sentence in found:
        row = COLUMNS.split(lines[sentence.number - 1].strip(" \t\n"))
        assert row[: 1 if are_rows else None] == sentence.words[: 1 if are_rows else None]


def test_words_without_tags_begin_where_the_first_is():
    reader, lines = SentenceReader(()), ["", "a", "b", "", "", "-DOCSTART- x", "c", "d e", "f"]
    found = [sentence for line in lines for sentence in reader.add(line)] + [*reader.end()]
    assert [(s.text, s.number) for s in found] == [("a b", 2), ("c", 7), ("d e", 8), ("f", 9)]


@pytest.mark.parametrize("text", ["one\tO\ntwo\tB-X\n", "a B-X\nb O", "\n\nEU NNP B-ORG\nx X O\n\n"])
def test_a_single_sentence_is_named_as_such(text, tmp_path):
    with pytest.raises(CorpusError, match="has only one sentence, and at least two are needed: in CoNLL's form a line"):
        output_labels(read(tmp_path, text), "tags", False)
