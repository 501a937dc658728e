"""The `pairs` layout: each line is a source, a tab and a target; only the target counts in the loss."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset import conll
from charrnn.dataset.bad_lines import NO_TAB, Fault, line_advice, nouns, told, unequal
from charrnn.dataset.groups import in_groups
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_place import FileStart, place_in
from charrnn.dataset.line_set import Digests, line_digests
from charrnn.dataset.lines import Lines, find, find_lines, id_of, texts_of_lines
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import CorpusError
from charrnn.types import Ids, Indices, Mask

DIGEST_BLOCK = 1 << 16
"""Lines whose texts are in memory at once."""
GOOD, WHOLE, TABS, NO_SOURCE, UNEQUAL, NO_LABEL = range(6)
"""What can be wrong with a line: that it has no tab, several of them, or nothing before it; or not as many tags as
characters, or no label."""


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
    faults: tuple[Fault, ...]
    """What is wrong with the other lines, in the order of the first line of each fault."""

    @property
    def longest_source(self) -> int:
        """The length of the longest source."""
        assert self.lines.firsts is not None
        return int(self.lines.firsts.max(initial=1)) - 1

    @property
    def n_bad(self) -> int:
        """The number of lines that are no pairs."""
        return sum(fault.n_lines for fault in self.faults)

    @classmethod
    def from_ids(
        cls,
        ids: Ids,
        vocabulary: Vocabulary,
        layout: str = "pairs",
        border: int | None = None,
        names: Sequence[str] = ("the text", "the text to validate on"),
        files: Sequence[Sequence[FileStart]] = ((), ()),
    ) -> "Pairs":
        """The pairs among the lines of a text.

        In the layout `tags` a target is as long as its source, in `labels` it is more than blanks. From the newline at
        the `border` on, the lines are those of another text, which are numbered anew. `names` are those of
        the two texts; if one was read from several `files`, its lines are numbered anew in each.
        """
        newline, starts, lengths = find_lines(ids, vocabulary)
        places, tabs = _tabs(find(ids, id_of(TAB, vocabulary)), starts, lengths)
        kinds = np.full(len(starts), GOOD, np.uint8)
        kinds[places == starts] = NO_SOURCE
        kinds[tabs > 1] = TABS
        kinds[tabs == 0] = WHOLE
        if layout == "tags":
            kinds[(kinds == GOOD) & (lengths != 2 * (places - starts) + 1)] = UNEQUAL
        if layout == "labels":
            good = np.flatnonzero(kinds == GOOD)
            kinds[good[_are_blank(ids, vocabulary, places[good] + 1, (starts + lengths)[good])]] = NO_LABEL

        def fault(alike: Indices) -> Fault:
            """That of some lines of a file, which have the same one."""
            n, is_later = int(alike[0]), border is not None and bool(starts[alike[0]] > border)
            begin = border + 1 if border is not None and is_later else 0
            number = 1 + int(np.count_nonzero(ids[begin : starts[n]] == newline))
            problem = _problem(int(kinds[n]), int(tabs[n]), int(places[n] - starts[n]), int(lengths[n]), layout)
            place = place_in(files[is_later], number)
            return Fault(place, problem, len(alike), "" if files[is_later] else names[is_later])

        faults = tuple(map(fault, _alike(kinds, starts > (len(ids) if border is None else border))))
        wrong = kinds != GOOD
        texts = compress(texts_of_lines(ids, starts, lengths, vocabulary), ~wrong)
        sources, targets, labels = _columns(texts)
        by_source = len(np.unique(sources)) > len(np.unique(targets))
        starts, lengths, places = starts[~wrong], lengths[~wrong], places[~wrong]
        firsts = (places - starts).astype(lengths.dtype) + 1
        lines = Lines(ids, newline, starts, lengths, sources if by_source else targets, firsts)
        return cls(lines, sources, targets, int((lengths - firsts).max(initial=0)), labels, faults)


def _alike(kinds: NDArray[np.uint8], is_later: Mask) -> list[Indices]:
    """The bad lines that have the same kind [R] and are in the same file, in the order of the first of each."""
    if not kinds.any():
        return []
    found = (
        np.flatnonzero((kinds == kind) & side) for kind in range(1, NO_LABEL + 1) for side in (~is_later, is_later)
    )
    return sorted(filter(len, found), key=lambda lines: int(lines[0]))


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


def _problem(kind: int, tabs: int, source: int, length: int, layout: str) -> str:
    """What is wrong with a line of a kind, by the number of its tabs and the lengths of its source and of all."""
    if kind == UNEQUAL:
        return unequal(source, length - source - 1)
    return {
        WHOLE: NO_TAB,
        TABS: f"has {tabs} tabs",
        NO_SOURCE: f"has no {nouns(layout)[0]}",
        NO_LABEL: "has no label",
    }[kind]


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


def check(
    pairs: Pairs,
    name: str,
    layout: str,
    skip_bad: bool,
    of_words: bool = False,
    looks_tagged: bool = False,
    recounted: str = "",
) -> None:
    """Raises `CorpusError` for bad lines that are not to be skipped, and for fewer than two pairs.

    `of_words` says that each is a sentence, whose words have tags, `looks_tagged` that the lines look like words and
    tags, although they were not read as such: then most of them are bad, and are not to be skipped. See `conll`.
    `recounted` is that of `bad_lines.recounting`.
    """
    if pairs.faults and (looks_tagged or not skip_bad):
        advice = conll.ADVICE if looks_tagged else recounted or line_advice(layout)
        raise CorpusError(f"{told(pairs.faults)}: {advice}")
    skipped = f"; `skip_bad` left out {pairs.n_bad:,}: {told(pairs.faults)}" if pairs.faults else ""
    if len(pairs.lines) < 2:
        if pairs.faults and not len(pairs.lines):
            n = pairs.n_bad
            which = f"all {n:,} lines of {name} are" if n > 1 else f"the only line of {name} is"
            why = f": {recounted}" * bool(recounted)
            raise CorpusError(f"{which} bad, and so `skip_bad` leaves none: {told(pairs.faults)}{why}")
        if of_words and len(pairs.lines):
            raise CorpusError(
                f"{name} has only one sentence, and at least two are needed: in CoNLL's form a line is a word and its "
                f"tag, and an empty line ends a sentence{skipped}"
            )
        unit = "pairs" if layout in REWRITING_LAYOUTS else "lines"
        found = f"only one {unit[:-1]}" if len(pairs.lines) else f"no {unit}"
        raise CorpusError(f"{name} has {found} of {' and '.join(nouns(layout))}: at least two are needed{skipped}")
