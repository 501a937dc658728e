"""The replacement: a corpus without the characters that a vocabulary lacks."""

from dataclasses import replace

import numpy as np

from charrnn.config import LINE_LAYOUTS, PAIR_LAYOUTS
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import READ_BLOCK
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import CorpusError
from charrnn.types import Ids


def structural(layout: str) -> frozenset[str]:
    """The characters that say where the texts of a layout end: they are never left out."""
    if layout in PAIR_LAYOUTS:
        return frozenset(("\n", TAB))
    return frozenset("\n") if layout in LINE_LAYOUTS else frozenset()


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
    ids = _substitute(corpus.ids, [left.encode(text) for text in texts], left)
    if len(ids) < 2:
        raise CorpusError(f"{corpus.name} has fewer than two characters that the model knows: leave out --unknown")
    blocks = (corpus.ids[first : first + READ_BLOCK] for first in range(0, len(corpus.ids), READ_BLOCK))
    n_unknown = sum(int(unknown[block].sum()) for block in blocks)
    return replace(corpus, ids=ids, vocabulary=left), n_unknown


def _substitute(ids: Ids, texts: list[Ids], vocabulary: Vocabulary) -> Ids:
    """The ids with texts[v] in place of each v, block by block."""
    lengths = np.array([len(text) for text in texts])
    starts, joined = np.cumsum(lengths) - lengths, np.concatenate(texts)
    parts = [np.zeros(0, vocabulary.dtype)]
    for first in range(0, len(ids), READ_BLOCK):
        block = ids[first : first + READ_BLOCK]
        n = lengths[block]
        begins = np.cumsum(n) - n  # where the text of each id begins in the result
        parts.append(joined[np.arange(n.sum()) + np.repeat(starts[block] - begins, n)])
    return np.concatenate(parts)
