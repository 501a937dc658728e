"""The targets of pairs as labels of whole texts, or as tags of single characters."""

from typing import NamedTuple

import numpy as np

from charrnn.dataset.conll import FIRST_LETTER
from charrnn.dataset.id_counts import count_ids
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.pairs import Pairs
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.types import Ids, Indices


class Labelled(NamedTuple):
    """Pairs whose targets are labels."""

    pairs: Pairs
    labels: LabelSet
    ids: Indices
    """[R]: the index of each line's label."""


class Tagged(NamedTuple):
    """Pairs whose targets are tags, one for each character of the source."""

    pairs: Pairs
    labels: LabelSet
    """The tags; the counts are those of characters."""
    tag_of: Ids
    """[V]: the index of the tag that a character stands for in a target."""


def labelled(pairs: Pairs, vocabulary: Vocabulary, name: str) -> Labelled:
    """The targets, without surrounding blanks, as labels.

    Raises `CorpusError` if they are too many, or all the same.
    """
    lines = pairs.lines
    assert lines.firsts is not None
    _, example, ids, counts = np.unique(
        pairs.target_digests, return_index=True, return_inverse=True, return_counts=True
    )
    if len(example) > LabelSet.MAX_LABELS:
        raise CorpusError(
            f"{name} has {len(example):,} different labels, and {LabelSet.MAX_LABELS:,} are the most: what follows the "
            'tab of a line is its label; are the columns swapped, or was `layout="pairs"` meant?'
        )
    begins, ends = lines.starts + lines.firsts, lines.starts + lines.lengths
    names = [vocabulary.decode(lines.ids[begins[n] : ends[n]]).strip() for n in example]
    distinct = sorted({*names})
    if len(distinct) < 2:
        raise CorpusError(f"{name} has only one label: give lines with at least two")
    rank = np.array([distinct.index(label) for label in names], np.uint16)
    totals = np.bincount(rank, counts).astype(np.int64)
    return Labelled(pairs, LabelSet(tuple(distinct), tuple(totals.tolist())), rank[ids])


def tagged(pairs: Pairs, vocabulary: Vocabulary, name: str, tag_names: tuple[str, ...] = ()) -> Tagged:
    """The targets as tags; `tag_names` are those of the letters of `conll`, if they stand for any.

    Raises `CorpusError` if all are the same, and for bytes, which have no tags of their own."""
    if vocabulary.is_bytes:
        raise CorpusError("a tag belongs to a character: leave out `as_bytes`")
    lines = pairs.lines
    assert lines.firsts is not None
    counts = count_ids(lines.ids, lines.starts + lines.firsts, lines.lengths - lines.firsts, len(vocabulary))
    tags = np.flatnonzero(counts)
    if len(tags) < 2:
        raise CorpusError(f"{name} has only one tag: give lines with at least two")
    characters = [vocabulary.characters[v] for v in tags]
    names = [tag_names[ord(c) - FIRST_LETTER] for c in characters] if tag_names else characters
    order = sorted(range(len(tags)), key=names.__getitem__)
    tag_of = np.zeros(len(vocabulary), np.uint16)
    tag_of[tags[order]] = np.arange(len(tags))
    labels = LabelSet(tuple(names[n] for n in order), tuple(counts[tags[order]].tolist()), bool(tag_names))
    return Tagged(pairs, labels, tag_of)
