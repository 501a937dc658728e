"""A text of its own to validate on: in every layout all of the corpus is learned, and all of that text validated on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config import LAYOUTS, TrainingConfig
from charrnn.dataset.corpus import Corpus, from_text, read
from charrnn.dataset.files import Source
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.split import split_corpus
from charrnn.errors import ConfigError, CorpusError, counted
from support.trainings import TEXTS, place_names, spelled_backwards, with_length, with_vowels

NAMES = place_names(5000, 5100)
OTHERS = {
    "stream": NAMES,
    "lines": NAMES,
    "pairs": spelled_backwards(NAMES),
    "translations": spelled_backwards(NAMES),
    "labels": with_length(NAMES),
    "tags": with_vowels(NAMES),
}
"""A text to validate on for each layout."""


def config(layout: str, **options: Any) -> TrainingConfig:
    return TrainingConfig(1, batch_size=8, seq_length=16, layout=layout, **options)


def texts_of(data: LineBatches, corpus: Corpus) -> list[str]:
    """The lines of some data."""
    lines = data.lines
    spans = zip(lines.starts.tolist(), lines.lengths.tolist(), strict=True)
    return [corpus.alphabet.decode(lines.ids[start : start + length]) for start, length in spans]


@pytest.mark.parametrize("newline", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_of_the_corpus_is_learned_and_all_of_the_other_text_validated_on(layout: str, newline: bool) -> None:
    text = TEXTS[layout] if newline else TEXTS[layout].rstrip("\n")
    corpus = from_text(text, val_text=OTHERS[layout]).read_as(layout, False)
    training, validation, *_ = split_corpus(corpus, config(layout, val_fraction=0.3))
    if layout == "stream":
        assert corpus.vocabulary.decode(training.excerpt(10**6)) == text
        assert corpus.vocabulary.decode(validation.excerpt(10**6)) == NAMES
        return
    assert isinstance(training, LineBatches)
    assert isinstance(validation, LineBatches)
    of_source = layout in ("labels", "tags")
    wanted = [
        [line.partition("\t")[0] if of_source else line for line in part.splitlines()]
        for part in (TEXTS[layout], OTHERS[layout])
    ]
    assert set(texts_of(training, corpus)) == set(wanted[0])
    assert texts_of(validation, corpus) == wanted[1]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_it_is_read_from_files_as_the_corpus_is(as_bytes: bool, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, content in (
        ("a", b"abc\r\nabc"),
        ("folder/b", b"\xef\xbb\xbf" + b"cab\r\n" * 30),
        ("folder/c", b"bbb" * 9),
    ):
        (tmp_path / name).write_bytes(content)
    corpus = read(Source((str(tmp_path / "a"),), as_bytes, val_paths=(str(tmp_path / "folder"),)))
    assert corpus.held_out is not None
    raw = b"\xef\xbb\xbf" + b"cab\r\n" * 30 + b"bbb" * 9
    text = raw.decode() if as_bytes else "cab\n" * 30 + "bbb" * 9
    assert corpus.vocabulary.decode(corpus.ids) == ("abc\r\nabc" if as_bytes else "abc\nabc")
    assert corpus.vocabulary.decode(corpus.held_out.ids) == text
    assert (corpus.held_out.name, corpus.held_out.size, corpus.size) == ("folder", len(raw), 8)
    assert corpus.digest == read(Source((str(tmp_path / "a"),))).digest
    assert corpus.held_out.digest != corpus.digest


def test_a_file_is_never_both_learned_and_validated_on(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a").write_text("abc" * 99)
    (tmp_path / "link").symlink_to("texts/a")
    for paths, val_paths in ((["texts"], ["texts/a"]), (["texts/a"], ["link"]), (["link"], ["texts"])):
        learned, held_out = (tuple(str(tmp_path / path) for path in some) for some in (paths, val_paths))
        with pytest.raises(ConfigError, match="is part of the corpus"):
            read(Source(learned, val_paths=held_out))
    with pytest.raises(ConfigError, match="can't be stdin"):
        read(Source((str(tmp_path / "link"),), val_paths=("-",)))


@pytest.mark.parametrize("size", [0, 1, 99])
def test_a_text_of_less_than_100_characters_is_too_short_to_validate_on(size: int) -> None:
    with pytest.raises(CorpusError, match=f"it has {counted(size, 'characters')}, and 100 are needed"):
        from_text("abc" * 99, val_text="x" * size)
    assert from_text("abc" * 99, val_text="x" * 100)


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_a_text_without_lines_is_refused(layout: str) -> None:
    corpus = from_text(TEXTS[layout], val_text="\n" * 200)
    with pytest.raises(CorpusError, match="has nothing to validate on"):
        split_corpus(corpus, config(layout))


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_a_single_line_to_learn_from_is_refused(layout: str) -> None:
    corpus = from_text(TEXTS[layout].splitlines()[0], val_text=OTHERS[layout])
    with pytest.raises(CorpusError, match=r"one line|less than two lines"):
        split_corpus(corpus, config(layout))


def test_a_corpus_with_a_single_label_is_refused() -> None:
    corpus = from_text("ab\tx\ncd\tx\n" * 30, val_text="ef\ty\ngh\tx\n" * 30)
    with pytest.raises(CorpusError, match="has only one label"):
        split_corpus(corpus, config("labels"))


@pytest.mark.parametrize(
    ("text", "val_text", "message"),
    [
        ("ab\tx\nbad\ncd\ty\n", "ab\tx\n", "line 2 has no tab in text"),
        ("ab\tx\ncd\ty", "ef\tx\n\nbad\n", "line 3 has no tab in"),
    ],
)
def test_the_line_of_a_bad_pair_is_counted_in_its_own_text(text: str, val_text: str, message: str) -> None:
    corpus = from_text(text, val_text=val_text + "ab\ty\n" * 50)
    for layout in ("pairs", "labels"):
        with pytest.raises(CorpusError, match=message):
            split_corpus(corpus, config(layout))
    split = split_corpus(corpus, config("pairs", skip_bad=True))
    assert split.n_skipped == 1
    assert split.validation.n_lines >= 50


def test_both_texts_must_be_of_the_same_kind() -> None:
    with pytest.raises(CorpusError, match="both be texts, or both bytes"):
        from_text("abc" * 50, val_text=b"abc" * 50)
    corpus = from_text(b"abc" * 50, val_text=b"\xff" * 100)
    assert corpus.held_out is not None
    np.testing.assert_array_equal(corpus.held_out.ids, np.full(100, 255))
