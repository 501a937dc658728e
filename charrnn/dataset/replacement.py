"""The replacement: a corpus without the characters that a vocabulary lacks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from charrnn.config import LINE_LAYOUTS, PAIR_LAYOUTS
from charrnn.dataset import marks
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.id_counts import blocks_of
from charrnn.dataset.vocabulary import TAB, Vocabulary, smallest_type
from charrnn.errors import CorpusError
from charrnn.types import Ids


def structural(layout: str, end: str) -> frozenset[str]:
    """The characters that say where the texts of a layout end: they are never left out.

    `end` is that of a line or of another record: see `RecordForm.end`.
    """
    if layout in PAIR_LAYOUTS:
        return frozenset((end, TAB))
    return frozenset(end) if layout in LINE_LAYOUTS else frozenset()


def replace_unknown(corpus: Corpus, vocabulary: Vocabulary, policy: str) -> tuple[Corpus, int]:
    """The text with its unknown characters replaced as `Vocabulary.replace_unknown` does, and their number.

    Raises `CorpusError` if fewer than two characters are left.
    """
    own, known = corpus.vocabulary.characters, {*vocabulary.characters}
    unknown = np.array([character not in known for character in own])
    if vocabulary.is_bytes or not unknown.any():
        return corpus, 0
    texts = [vocabulary.replace_unknown(character, policy)[0] for character in own]
    places = MarkPlaces(own, vocabulary) if policy == "nearest" else None
    texts += places.texts if places else ()
    left = Vocabulary(sorted({*"".join(texts)}) or " ")
    new_ids = [left.encode(text) for text in texts]
    ids, held_out = substitute(places.split(corpus.ids) if places else corpus.ids, new_ids), corpus.held_out
    if len(ids) < 2:
        raise CorpusError(f"{corpus.name} has fewer than two characters that the model knows: leave out `unknown`")
    if held_out is not None:
        held_out = replace(held_out, ids=substitute(places.split(held_out.ids) if places else held_out.ids, new_ids))
    n_unknown = sum(int(unknown[block].sum()) for block in blocks_of(corpus.ids))
    return replace(corpus, ids=ids, vocabulary=left, held_out=held_out), n_unknown


def substitute(ids: Ids, new_ids: list[Ids]) -> Ids:
    """The text in which some ids, mostly none or one, stand for each id."""
    lengths = np.array([len(new) for new in new_ids])
    firsts = np.array([new[0] if len(new) else 0 for new in new_ids], new_ids[0].dtype)
    several = lengths > 1
    found = []
    for block in blocks_of(ids):
        n = lengths[block]
        text = np.repeat(firsts[block], n)
        stops = np.cumsum(n)
        for place in np.flatnonzero(several[block]):
            text[stops[place] - n[place] : stops[place]] = new_ids[block[place]]
        found.append(text)
    return np.concatenate([*found, firsts[:0]])


class MarkPlaces:
    """The unknown marks of a corpus that become others in other places: quotation marks that close, and three dots.

    `split` gives those ids of their own, from the number of characters on, for which `texts` stand. The text of the id
    that a quotation mark keeps is what stands for it where it opens, that of a full stop for one that is alone.
    """

    def __init__(self, characters: Sequence[str], vocabulary: Vocabulary):
        known = frozenset(vocabulary.characters)
        self.V = len(characters)
        self.quotes = [v for v, c in enumerate(characters) if c not in known and marks.depends_on_place(c, known)]
        self.texts = [vocabulary.nearest(characters[v], "x") for v in self.quotes]
        self.dot = characters.index(".") if "." in characters and marks.joins_dots(known) else None
        self.texts += ["…", ""] if self.dot is not None else []
        self.is_quote = np.array([c in marks.QUOTES for c in characters])
        self.opens_after = np.array([marks.opens_after(c) for c in characters])

    def split(self, ids: Ids) -> Ids:
        """The ids [N] with those of the places; the same ones if there are none."""
        if not self.texts:
            return ids
        found = ids.astype(smallest_type(self.V + len(self.texts)))
        for n, v in enumerate(self.quotes):
            places = np.flatnonzero(ids == v)
            found[places[~self._opens(ids, places)]] = self.V + n
        if self.dot is not None:
            places, nth = _triples(np.flatnonzero(ids == self.dot))
            found[places] = self.V + len(self.quotes) + (nth > 0)
        return found

    def _opens(self, ids: Ids, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a quotation mark at each of the places opens: see `marks.opens_after`."""
        before = places - 1
        for _ in range(marks.MAX_NESTED):
            inside = (before >= 0) & self.is_quote[ids[before]]
            if not inside.any():
                break
            before[inside] -= 1
        stands: NDArray[np.bool_] = (before < 0) | self.opens_after[ids[before]]
        return stands


def _triples(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of places in ascending order, those that are in three side by side, from the left on; and 0, 1 or 2 for each."""
    starts = np.flatnonzero(np.diff(places, prepend=-2) > 1)
    lengths = np.diff(starts, append=len(places))
    nth = np.arange(len(places)) - np.repeat(starts, lengths)
    whole = nth < np.repeat(lengths // 3 * 3, lengths)
    return places[whole], nth[whole] % 3
