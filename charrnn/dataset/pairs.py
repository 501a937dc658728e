"""The `pairs` layout: each line is a source, a tab and a target; only the target counts in the loss."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.groups import in_groups
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import Digests, line_digests
from charrnn.dataset.lines import Lines, find, find_lines, id_of, texts_of_lines
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import CorpusError, counted
from charrnn.types import Ids, Indices

DIGEST_BLOCK = 1 << 16
"""Lines whose texts are in memory at once."""


@dataclass(frozen=True)
class BadLines:
    """The lines that are no pairs: they have no tab, two of them, or nothing before it."""

    count: int
    first: str
    """What is wrong with the first of them, and where it is."""
    begin: int = 0
    """Where the first of them begins in the ids."""


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
    def longest_source(self) -> int:
        """The length of the longest source."""
        assert self.lines.firsts is not None
        return int(self.lines.firsts.max(initial=1)) - 1

    @property
    def n_bad(self) -> int:
        """The number of lines that are no pairs."""
        return self.bad.count if self.bad else 0

    @classmethod
    def from_ids(
        cls,
        ids: Ids,
        vocabulary: Vocabulary,
        aligned: bool = False,
        border: int | None = None,
        labelled: bool = False,
    ) -> "Pairs":
        """The pairs among the lines of a text; if they are `aligned`, a target is as long as its source.

        If they are `labelled`, a target is a label, which is more than blanks.

        From the newline at the `border` on, the lines are those of another file, which are numbered anew.
        """
        newline, starts, lengths = find_lines(ids, vocabulary)
        places, tabs = _tabs(find(ids, id_of(TAB, vocabulary)), starts, lengths)
        wrong = (tabs != 1) | (places == starts)
        if aligned:
            wrong |= lengths != 2 * (places - starts) + 1
        if labelled:
            blank = np.zeros(len(wrong), bool)
            blank[~wrong] = _are_blank(ids, vocabulary, places[~wrong] + 1, (starts + lengths)[~wrong])
            wrong |= blank
        texts = compress(texts_of_lines(ids, starts, lengths, vocabulary), ~wrong)
        bad = None
        if wrong.any():
            first = int(np.argmax(wrong))
            begin = 0 if border is None or starts[first] <= border else border + 1
            number = 1 + int(np.count_nonzero(ids[begin : starts[first]] == newline))
            problem = _problem(int(tabs[first]), int(places[first] - starts[first]), int(lengths[first]))
            if labelled and blank[first]:
                problem = "has no label"
            bad = BadLines(int(np.count_nonzero(wrong)), f"line {number:,} {problem}", int(starts[first]))
        sources, targets, labels = _columns(texts)
        by_source = len(np.unique(sources)) > len(np.unique(targets))
        starts, lengths, places = starts[~wrong], lengths[~wrong], places[~wrong]
        firsts = (places - starts).astype(lengths.dtype) + 1
        lines = Lines(ids, newline, starts, lengths, sources if by_source else targets, firsts)
        return cls(lines, sources, targets, int((lengths - firsts).max(initial=0)), labels, bad)


def _tabs(places: Indices, starts: Indices, lengths: Indices) -> tuple[Indices, Indices]:
    """Of the tabs in a text the place of the first one of each line [R], and how many each line has [R]."""
    before = np.searchsorted(places, starts)
    counts = np.searchsorted(places, starts + lengths) - before
    return np.append(places, 0)[before], counts


def _are_blank(ids: Ids, vocabulary: Vocabulary, begins: Indices, ends: Indices) -> NDArray[np.bool_]:
    """Which of the parts of a text from `begins` [R] up to `ends` [R] are empty or nothing but white space. [R]"""
    spaces = np.flatnonzero([c.isspace() for c in vocabulary.characters])
    found, rows, at = np.zeros(len(begins), bool), np.arange(len(begins)), begins.astype(np.int64)
    while len(rows):
        ended = at[rows] >= ends[rows]
        found[rows[ended]] = True
        rows = rows[~ended]
        rows = rows[np.isin(ids[at[rows]], spaces)]
        at[rows] += 1
    return found


def _problem(tabs: int, source: int, length: int) -> str:
    """What is wrong with a line that is no pair, by the number of its tabs and the lengths of its source and of all."""
    if tabs != 1:
        return f"has {tabs} tabs" if tabs else "has no tab"
    return (
        f"has {counted(length - source - 1, 'tags')} for {counted(source, 'characters')}" if source else "has no source"
    )


def _columns(texts: Iterator[str]) -> tuple[Digests, Digests, LabelSet | None]:
    """The digests of the sources [R] and of the targets [R] of pairs, and the sources as labels if they are."""
    counts: Counter[str] | None = Counter()
    digests: tuple[list[Digests], list[Digests]] = ([], [])
    for block in in_groups(texts, DIGEST_BLOCK):
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


def check(pairs: Pairs, name: str, skip_bad: bool, of_words: bool = False) -> None:
    """Raises `CorpusError` for bad lines that are not to be skipped, and for fewer than two pairs.

    `of_words` says that each is a sentence, whose words have tags: see `conll`.
    """
    if pairs.bad is not None and not skip_bad:
        more = f"; {pairs.bad.count:,} lines are like that" if pairs.bad.count > 1 else ""
        raise CorpusError(
            f"{pairs.bad.first} in {name}{more}: write source, tab, target, or leave such lines out with --skip-bad"
        )
    if len(pairs.lines) < 2:
        if pairs.bad is not None and not len(pairs.lines):
            n = pairs.bad.count
            which = f"all {n:,} lines of {name} are" if n > 1 else f"the only line of {name} is"
            raise CorpusError(f"{which} bad, and so --skip-bad leaves none: {pairs.bad.first}")
        if of_words and len(pairs.lines):
            raise CorpusError(
                f"{name} has only one sentence, and at least two are needed: in CoNLL's form a line is a word and its "
                "tag, and an empty line ends a sentence"
            )
        found = "only one pair" if len(pairs.lines) else "no pairs"
        raise CorpusError(f"{name} has {found} of source, tab and target: at least two are needed")
