"""The mixed forms: letters that a text has both as one character and as a letter and a combining mark."""

import unicodedata

import numpy as np

from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import READ_BLOCK

MAX_NAMED = 3
"""The most letters that are named."""


def mixed_forms(corpus: Corpus) -> str:
    """What to say about the letters that a text has in both forms, of which a model would learn each one twice.

    It is empty if there are none. The text is only searched if its vocabulary has combining marks, and letters that are
    composed with them.
    """
    if corpus.vocabulary.is_bytes:
        return ""
    letters = [*map(_name, _letters(corpus))]
    if not letters:
        return ""
    named = ", ".join(letters[:MAX_NAMED]) + f" and {len(letters) - MAX_NAMED} more" * (len(letters) > MAX_NAMED)
    return (
        f"the text has letters in two forms, which the model learns apart: {named}; --normalize nfc makes them one form"
    )


def _letters(corpus: Corpus) -> list[str]:
    """The composed letters of a text that it has as two characters too."""
    characters = corpus.alphabet.characters
    composed = {c for c in characters if len(unicodedata.normalize("NFD", c)) > 1}
    is_mark = np.array([unicodedata.combining(c) > 0 for c in characters])
    if not composed or not is_mark.any():
        return []
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(corpus.ids) - 1, READ_BLOCK):
        block = corpus.ids[start : start + READ_BLOCK + 1]
        at = np.flatnonzero(is_mark[block[1:]])
        pairs |= {*zip(block[at].tolist(), block[at + 1].tolist(), strict=True)}
    found = {unicodedata.normalize("NFC", characters[a] + characters[b]) for a, b in pairs}
    return sorted(found & composed)


def _name(letter: str) -> str:
    """A letter in both forms."""
    apart = unicodedata.normalize("NFD", letter)
    return f"{letter} and {' + '.join([apart[0], *(f'U+{ord(mark):04X}' for mark in apart[1:])])}"
