"""The places of lines: which line of which file, in a text of several files as in the files themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import TrainingConfig
from charrnn.dataset import corpus as corpora
from charrnn.dataset.files import Source
from charrnn.dataset.line_place import FileStart, place_in, place_of
from charrnn.dataset.line_reader import Line
from charrnn.dataset.split import split_corpus
from charrnn.errors import CorpusError

GOOD = "ab\tx\ncd\ty\n"


def test_a_place_names_the_file_only_if_there_are_several():
    line = Line("", "", "d/b.txt", 1234)
    assert place_of(line, has_several=False) == "line 1,234"
    assert place_of(line, has_several=True) == "line 1,234 of d/b.txt"
    assert place_of(line, True, "record") == "record 1,234 of d/b.txt"
    assert [place_of(line, several, "document") for several in (True, False)] == ["d/b.txt"] * 2


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any))
def test_a_line_is_found_in_the_file_that_has_it(lengths):
    files = [FileStart(str(n), sum(lengths[:n])) for n in range(len(lengths))]
    wanted = [f"line {k + 1} of {n}" for n, length in enumerate(lengths) for k in range(length)]
    assert [place_in(files, number) for number in range(1, len(wanted) + 1)] == wanted
    assert place_in((), 1000) == "line 1,000"


def error_of(tmp_path, texts, layout="pairs", val_texts=(), encoding="utf-8", **fields):
    """The error for a corpus of files of these texts, named by their numbers, without what to do."""

    def written(prefix, texts):
        paths = [tmp_path / f"{prefix}{n}" for n in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text.encode(encoding))
        return tuple(map(str, paths))

    source = Source(written("", texts), val_paths=written("v", val_texts), encoding=encoding, **fields)
    with pytest.raises(CorpusError) as caught:
        split_corpus(corpora.read(source, layout=layout), TrainingConfig(1, layout=layout))
    return str(caught.value).replace(f"{tmp_path}/", "").partition(": ")[0]


@pytest.mark.parametrize(
    ("texts", "layout", "wanted"),
    [
        ([GOOD, "ab\tx\nbad\n"], "pairs", "line 2 of 1 has no tab"),
        ([GOOD, "bad"], "pairs", "line 1 of 1 has no tab"),
        (["a\tx", "b\ty", "bad"], "pairs", "line 1 of 2 has no tab"),  # a newline ends each file
        (["bad\n", GOOD], "labels", "line 1 of 0 has no tab"),
        ([GOOD, "", "\n\n", "\n\n\ta\n", ""], "labels", "line 3 of 3 has no text"),
        (["a\tx\r\nb\ty\r\n", "a\tx\rb\ty\rc\t \r"], "labels", "line 3 of 1 has no label"),
        (
            ["a\tx\n", "b\nc\n", GOOD + "\td\n", "e\n"],
            "pairs",
            "line 1 of 1 has no tab (3 lines are like that); line 3 of 2 has no source",
        ),
        (["ab\txy\n", "ab\txy\n\ncde\txy\n"], "tags", "line 3 of 1 has 2 tags for 3 characters"),
        ([GOOD + "bad\n"], "pairs", "line 3 has no tab in 0"),
    ],
)
def test_a_bad_line_of_several_files_is_one_of_its_file(texts, layout, wanted, tmp_path):
    assert error_of(tmp_path, texts, layout) == wanted


@pytest.mark.parametrize("fields", [{"encoding": "utf-16-le"}, {"normalization": "nfd"}, {"as_bytes": True}])
def test_lines_are_counted_in_every_form_of_text(fields, tmp_path):
    texts = ["é\té\n" * 700, "é\té\n" * 5 + "e", "é\té\né"]
    assert error_of(tmp_path, texts, **fields) == "line 6 of 1 has no tab (2 lines are like that)"


def test_lines_are_counted_across_the_blocks_in_which_a_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("charrnn.dataset.files.READ_BLOCK", 3)
    texts = ["é\té\r\n" * 7, "é\té\r\n" * 4 + "\r\n\n\re\n", GOOD]
    assert error_of(tmp_path, texts) == "line 8 of 1 has no tab"


def test_the_files_to_validate_on_have_their_own_lines(tmp_path):
    long = "a long text to hold out\tx\n" * 6
    assert error_of(tmp_path, [GOOD, GOOD], val_texts=[long, "a\tb\n\nbad\n"]) == "line 3 of v1 has no tab"
    assert error_of(tmp_path, [GOOD], val_texts=[long, "bad\n"]) == "line 1 of v1 has no tab"
    assert error_of(tmp_path, [GOOD, "bad\n"], val_texts=[long + "\tb\n"]) == (
        "line 1 of 1 has no tab; line 7 has no source in v0"
    )


@pytest.mark.parametrize("n_files", [1, 2])
def test_where_files_begin_is_kept_only_for_several(n_files, tmp_path):
    paths = [str(tmp_path / str(n)) for n in range(n_files)]
    for path in paths:
        (tmp_path / path).write_text("one\ntwo\n")
    found = corpora.read(Source(tuple(paths))).files
    assert found == (() if n_files == 1 else (FileStart(paths[0], 0), FileStart(paths[1], 2)))
