"""The corpus check: rare characters, characters that are never learned, and a tail of another kind."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from charrnn.cli.train import announcement
from charrnn.dataset.corpus import Corpus, from_text
from charrnn.training import corpus_check
from charrnn.training.trainer import Trainer
from support.processes import TEXT
from support.trainings import TEXTS, start_on
from support.trainings import start_in as start_in_layout

UNUSUAL = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
"""400 characters, each of them once."""
LONG = TEXT * 20


def start_in(layout: str, text: str | bytes | Corpus, **options: Any) -> Trainer:
    return start_in_layout(layout, text, steps=1, **options)


def test_a_large_vocabulary_of_rare_characters_is_noticed() -> None:
    found = corpus_check.rare_characters(start_in("stream", UNUSUAL + LONG))
    assert found is not None
    min_count, rare = found
    assert min_count == 2
    assert (rare.distinct, rare.occurrences) == (400, 400)
    assert rare.share == pytest.approx(400 / (400 + len(LONG)))


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        UNUSUAL[:100] + LONG,  # cheap
        UNUSUAL + TEXT,  # a large share of the text
        UNUSUAL * 10 + LONG,  # not rare
        (UNUSUAL[:200] + UNUSUAL[200:] * 40) + LONG,  # as many are frequent
        UNUSUAL.encode() + LONG.encode(),
    ],
    ids=["none", "few", "share", "frequent", "half", "bytes"],
)
def test_other_vocabularies_are_not(text: str | bytes) -> None:
    assert corpus_check.rare_characters(start_in("stream", text)) is None


def test_the_lowest_number_that_leaves_out_most_characters_is_named() -> None:
    found = corpus_check.rare_characters(start_in("stream", UNUSUAL[:100] + UNUSUAL[100:] * 3 + LONG * 3))
    assert found is not None
    assert (found[0], found[1].distinct, found[1].occurrences) == (4, 400, 1000)


def test_only_layouts_with_a_min_count_are_told_about_it() -> None:
    lines = UNUSUAL + "\n" + LONG
    assert corpus_check.rare_characters(start_in("lines", lines)) is not None
    pairs = "".join(f"{line}\tx\n" for line in lines.splitlines() * 2)
    assert corpus_check.rare_characters(start_in("translations", pairs)) is None


# Characters that only the held-out part has


@pytest.mark.parametrize(("end", "distinct", "occurrences"), [("", 0, 0), ("é", 1, 1), ("éèé", 2, 3), ("éI", 1, 1)])
def test_characters_that_only_the_tail_has_are_counted(end: str, distinct: int, occurrences: int) -> None:
    trainer = start_in("stream", TEXT + end)
    found = corpus_check.only_held_out(trainer)
    assert (found.distinct, found.occurrences) == (distinct, occurrences)
    assert found.share == occurrences / trainer.validation_data.size


@pytest.mark.parametrize("layout", [*TEXTS])
def test_characters_that_only_a_text_of_its_own_has_are_counted(layout: str) -> None:
    new = {"labels": "éè\tlong\né\tlong\n", "tags": "éè\tvv\né\tv\n"}.get(layout, "éèé\té\n")
    text = TEXTS[layout]
    for more, distinct, occurrences in (("", 0, 0), (new, 2, sum(new.count(c) for c in "éè"))):
        found = corpus_check.only_held_out(start_in(layout, from_text(text, val_text=text + more)))
        has_tab = layout in ("stream", "lines") and bool(more)  # there a tab is a character like others
        assert (found.distinct, found.occurrences) == (distinct + has_tab, occurrences + has_tab)


def test_a_block_or_a_line_that_is_held_out_counts_too() -> None:
    text = "".join(chain.from_iterable((TEXT, chr(0x4E00 + n)) for n in range(40)))
    trainer = start_in("stream", text, val_spread=True)
    held_out = set(trainer.state.vocabulary.decode(trainer.validation_data.excerpt(10**6)))
    assert corpus_check.only_held_out(trainer).distinct == sum(c >= "\u4e00" for c in held_out) > 0
    lines = "".join(f"name {chr(0x4E00 + n)}\n" for n in range(300))
    trainer = start_in("lines", lines)
    assert corpus_check.only_held_out(trainer).distinct == trainer.validation_data.n_lines == 30


@pytest.mark.parametrize(
    ("layout", "more", "expected"),
    [
        ("labels", "", []),
        ("labels", "a word\tnew\nand\tother\nmore\tnew\n", ["new", "other"]),
        ("tags", "", []),
        ("tags", "aba\tvXv\nbab\tYvX\n", ["X", "Y"]),
        ("pairs", "new\tword\nnew\tword\n", []),
        ("translations", "new\tword\nnew\tword\n", []),
        ("stream", "a word\tnew\n", []),
    ],
)
def test_labels_that_only_a_text_of_its_own_has_are_named(layout: str, more: str, expected: list[str]) -> None:
    text = "here\tword\nthere\tword\n" * 50 if layout in ("pairs", "translations") else TEXTS[layout]
    assert corpus_check.labels_only_held_out(start_in(layout, from_text(text, val_text=text + more))) == expected
    assert not corpus_check.labels_only_held_out(start_in(layout, from_text(text + more, val_text=text)))


# The tail


def test_only_a_tail_can_be_of_another_kind() -> None:
    text = LONG + LONG.upper()[:3000]
    assert corpus_check.tail_differs(start_in("stream", text))
    assert not corpus_check.tail_differs(start_in("stream", LONG))
    assert not corpus_check.tail_differs(start_in("stream", text, val_spread=True))
    assert not corpus_check.tail_differs(start_in("stream", text, val_fraction=0))
    assert not corpus_check.tail_differs(start_in("stream", from_text(LONG, val_text=LONG.upper())))
    assert not corpus_check.tail_differs(start_in("lines", text))


# What a run does about rare characters


def test_a_run_with_a_deadline_leaves_out_what_would_cost_too_much() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 3000))) + LONG * 9
    options = {"time": 1, "hidden_size": 32, "layers": 1, "engine": "numpy", "threads": 1, "seed": 1}
    trainer = start_on(text, **options)
    assert trainer.state.training_config.min_count == 2
    assert set(trainer.state.vocabulary.characters) == set(LONG)
    assert trainer.rare is not None
    assert trainer.rare.distinct == 3000
    assert len(start_on(text, **options, min_count=0).state.vocabulary) == 3000 + len(set(LONG))
    del options["time"]
    assert len(start_on(text, **options, steps=1).state.vocabulary) == 3000 + len(set(LONG))


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("a\tx\nb\ty\na\tx\n" * 20, 0),
        ("a\tx\nb\ty\na\ty\n" * 20, 1),
        ("a\tx\nb\ty\na\tz\nb\tx\na\ty\nc\tx\n" * 20, 2),
    ],
)
def test_texts_under_more_than_one_label_are_counted(text: str, n: int) -> None:
    trainer = start_in("labels", text)
    assert corpus_check.with_several_labels(trainer) == n
    line = f"texts that occur under more than one label: {n}"
    assert (line in announcement.lines(trainer, Path("m"), False, False)) == (n > 0)


@pytest.mark.parametrize(
    ("text", "layout", "has"),
    [
        ("".join(f"t{n}\tl{n}\n" for n in range(30)), "labels", True),
        ("".join(f"t{n % 3}\tl{n}\n" for n in range(30)), "labels", True),
        ("".join(f"t{n}\tl{n if n > 5 else 0}\n" for n in range(30)), "labels", True),
        ("".join(f"t{n}\tl{n if n > 6 else 0}\n" for n in range(30)), "labels", False),
        ("".join(f"t{n}\tl{n // 2}\n" for n in range(30)), "labels", False),
        ("".join(f"t{n}\tl{n}\n" for n in range(30)), "pairs", False),
    ],
)
def test_labels_that_nearly_every_text_has_of_its_own_are_told(text: str, layout: str, has: bool) -> None:
    trainer = start_in(layout, text)
    assert corpus_check.have_own_labels(trainer) == has
    told = [*announcement.lines(trainer, Path("m"), False, False)]
    assert any(line.startswith("nearly every text has a label of its own: are the columns sw") for line in told) == has
