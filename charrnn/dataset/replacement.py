"""The replacement: a corpus without the characters that a vocabulary lacks."""

from dataclasses import replace

import numpy as np

from charrnn.config import LINE_LAYOUTS, PAIR_LAYOUTS
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.id_counts import blocks_of
from charrnn.dataset.vocabulary import TAB, Vocabulary
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
    left = Vocabulary(sorted({*"".join(texts)}) or " ")
    new_ids = [left.encode(text) for text in texts]
    ids, held_out = substitute(corpus.ids, new_ids), corpus.held_out
    if len(ids) < 2:
        raise CorpusError(f"{corpus.name} has fewer than two characters that the model knows: leave out --unknown")
    if held_out is not None:
        held_out = replace(held_out, ids=substitute(held_out.ids, new_ids))
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
