"""The `pairs` layout: each line is a source, a tab and a target; only the target counts in the loss."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import compress, islice

import numpy as np

from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import Digests, line_digests
from charrnn.dataset.lines import Lines, texts_of_lines
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import CorpusError
from charrnn.types import Indices

DIGEST_BLOCK = 1 << 16
"""Lines whose texts are in memory at once."""


@dataclass(frozen=True)
class BadLines:
    """The lines that are no pairs: they have no tab, two of them, or nothing before it."""

    count: int
    first: str
    """What is wrong with the first of them, and where it is."""


@dataclass(frozen=True)
class Pairs:
    """The R lines that are pairs, and what their two columns hold."""

    lines: Lines
    """A line counts from the character after its tab on. Its digest is that of its source or of its target, whichever
    has more distinct texts in the corpus: by these the lines are held out, so that none of them is both learned and
    validated on.
    """
    source_digests: Digests
    """[R]"""
    target_digests: Digests
    """[R]"""
    longest_target: int
    labels: LabelSet | None
    """The sources, if they are labels: few, and each for several targets."""
    bad: BadLines | None

    @property
    def n_bad(self) -> int:
        """The number of lines that are no pairs."""
        return self.bad.count if self.bad else 0

    @classmethod
    def from_lines(cls, lines: Lines, vocabulary: Vocabulary, aligned: bool = False) -> "Pairs":
        """The pairs among the lines of a text; if they are `aligned`, a target is as long as its source."""
        tab = vocabulary.characters.index(TAB) if TAB in vocabulary.characters else len(vocabulary)
        places, tabs = _tabs(lines, tab)
        wrong = (tabs != 1) | (places == lines.starts)
        if aligned:
            wrong |= lines.lengths != 2 * (places - lines.starts) + 1
        bad = _describe(lines, wrong, places, tabs) if wrong.any() else None
        good = lines.select(~wrong)
        firsts = (places[~wrong] - good.starts).astype(good.lengths.dtype) + 1
        texts = texts_of_lines(lines.ids, lines.starts, lines.lengths, vocabulary)
        sources, targets, labels = _columns(compress(texts, ~wrong))
        by_source = len(np.unique(sources)) > len(np.unique(targets))
        good = replace(good, firsts=firsts, digests=sources if by_source else targets)
        longest = int((good.lengths - firsts).max(initial=0))
        return cls(good, sources, targets, longest, labels, bad)


def _tabs(lines: Lines, tab: int) -> tuple[Indices, Indices]:
    """The place in the ids of the first tab of each line [R], and how many tabs it has [R]."""
    places = lines.find(tab)
    before = np.searchsorted(places, lines.starts)
    counts = np.searchsorted(places, lines.starts + lines.lengths) - before
    padded = np.append(places, 0)
    return padded[before], counts


def _describe(lines: Lines, wrong: Indices, places: Indices, tabs: Indices) -> BadLines:
    """The lines that are no pairs, told by the first of them."""
    first = int(np.argmax(wrong))
    number = 1 + int(np.count_nonzero(lines.ids[: lines.starts[first]] == lines.newline))
    n_source = int(places[first]) - int(lines.starts[first])
    if tabs[first] != 1:
        problem = f"has {tabs[first]} tabs" if tabs[first] else "has no tab"
    elif not n_source:
        problem = "has no source"
    else:
        problem = f"has {int(lines.lengths[first]) - n_source - 1} tags for {n_source} characters"
    return BadLines(int(np.count_nonzero(wrong)), f"line {number:,} {problem}")


def _columns(texts: Iterator[str]) -> tuple[Digests, Digests, LabelSet | None]:
    """The digests of the sources [R] and of the targets [R] of pairs, and the sources as labels if they are."""
    counts: Counter[str] | None = Counter()
    digests: tuple[list[Digests], list[Digests]] = ([], [])
    for block in iter(lambda: [*islice(texts, DIGEST_BLOCK)], []):  # up to the first empty one
        pairs = [text.split(TAB) for text in block]
        for column, found in enumerate(digests):
            found.append(line_digests(pair[column] for pair in pairs))
        if counts is not None:
            counts.update(source for source, _ in pairs)
            if len(counts) > LabelSet.MAX_LABELS:
                counts = None
    sources, targets = (np.concatenate([*found, line_digests(())]) for found in digests)
    labels = None if counts is None or len(sources) < 2 * len(counts) else LabelSet.from_counts(counts)
    return sources, targets, labels


def check(pairs: Pairs, name: str, skip_bad: bool) -> None:
    """Raises `CorpusError` for bad lines that are not to be skipped, and for fewer than two pairs."""
    if pairs.bad is not None and not skip_bad:
        more = f"; {pairs.bad.count:,} lines are like that" if pairs.bad.count > 1 else ""
        raise CorpusError(
            f"{pairs.bad.first} in {name}{more}: write source, tab, target, or leave such lines out with --skip-bad"
        )
    if len(pairs.lines) < 2:
        found = "only one pair" if len(pairs.lines) else "no pairs"
        raise CorpusError(f"{name} has {found} of source, tab and target: at least two are needed")
