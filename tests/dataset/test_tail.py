"""The tail of a text: noticed if it is of another kind than the rest, and left alone if it is as any other part."""

import random
from pathlib import Path

import pytest

from charrnn.dataset import tail
from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import bundled_corpus

DATA = Path(bundled_corpus()).parent
TALES = (DATA / "saltmarrow.txt").read_text(encoding="utf-8")
NAMES = (DATA / "names.txt").read_text(encoding="utf-8")
DATES = (DATA / "dates.tsv").read_text(encoding="utf-8")
TAGGED = (DATA / "tagged.tsv").read_text(encoding="utf-8")
RUSSIAN = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопярстувчшыз")


def differs(text: str, fraction: float = 0.1) -> bool:
    corpus = from_text(text)
    rest, end = corpus.split(fraction)
    return tail.differs(rest, end, len(corpus.vocabulary))


@pytest.mark.parametrize(
    "text",
    [
        TALES + TALES[:30_000].upper(),
        TALES + TALES[:10_000].upper(),  # a third of the tail
        TALES + TALES[:60_000].upper(),  # two tails
        TALES[:200_000] + DATES[:20_000],
        TALES[:100_000] + TALES[100_000:110_000].translate(RUSSIAN),
        TAGGED[:100_000] + TALES[:15_000],
        "\n".join(sorted(NAMES.splitlines())),
        NAMES[:30_000] + TALES[:30_000].translate(RUSSIAN) + DATES[:30_000] + TALES[:30_000],
    ],
    ids=["capitals", "few capitals", "many capitals", "dates", "letters", "prose", "sorted", "unlike texts"],
)
def test_a_tail_of_another_kind_is_noticed(text: str) -> None:
    assert differs(text)


@pytest.mark.parametrize(
    "text",
    [
        TALES,
        TALES[:100_000],
        TALES[150_000:],
        TALES[30_000:40_000],
        DATES,
        TAGGED,
        "".join(random.Random(1).choices("abcdefgh \n", k=50_000)),
        "".join(random.Random(1).sample(NAMES.splitlines(keepends=True), 8000)),
        "abc" * 20_000,
        TALES[:60_000].upper() + TALES,  # the beginning, which is learned
    ],
    ids=["all", "half", "end", "few", "dates", "tagged", "noise", "shuffled", "repeated", "beginning"],
)
def test_an_ordinary_tail_is_not(text: str) -> None:
    assert not differs(text)


@pytest.mark.parametrize("fraction", [0.02, 0.2])
def test_tails_of_other_lengths_are_compared_with_parts_of_their_length(fraction: float) -> None:
    assert not differs(TALES, fraction)
    assert differs(TALES + TALES[:30_000].upper(), fraction)


def test_a_short_tail_or_a_short_rest_says_nothing() -> None:
    assert not differs(TALES[:9000] + "X" * 999)
    assert differs(TALES[:9000] + "X" * 1000)
    assert not differs(TALES[:2000] + "X" * 4000, 0.6)
    assert not differs("ab", 0)


def test_of_long_parts_only_pieces_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_PART", 4000)
    assert not differs(TALES)
    assert differs(TALES + TALES[:30_000].upper())
