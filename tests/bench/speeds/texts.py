"""Random texts of words that repeat, common ones often; the same seed gives the same text."""

import string
from pathlib import Path

import numpy as np

from speeds.shape import V

LATIN = string.ascii_lowercase + string.ascii_uppercase + string.digits + ".\n "
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя.\n "
BLOCK = 1 << 20
"""The characters to draw; a longer text repeats them."""

assert len(LATIN) == V


def words(size: int, alphabet: str = LATIN, seed: int = 0) -> str:
    """A text of `size` characters with the whole alphabet, whose last character separates the words."""
    rng = np.random.default_rng(seed)
    letters, space = alphabet[:-1], alphabet[-1]
    shares = 1 / np.arange(1, len(letters) + 1)
    lexicon = ["".join(rng.choice(list(letters), rng.integers(1, 10), p=shares / shares.sum())) for _ in range(2000)]
    shares = 1 / np.arange(1, len(lexicon) + 1)
    count = min(size, BLOCK) // 3 + len(alphabet)  # a word and its space have at least two characters, mostly six
    chosen = rng.choice(len(lexicon), count, p=shares / shares.sum())
    text = (alphabet + space.join(lexicon[n] for n in chosen))[: min(size, BLOCK)]
    return text * (size // len(text)) + text[: size % len(text)]


def training_text(batch_size: int, seq_length: int, size: float = 1e6) -> str:
    """A training text of about this size whose batches all have exactly T steps: B k T characters, and T orders."""
    k = max(2, round(size / (batch_size * seq_length)))
    return words(batch_size * k * seq_length + seq_length)


def write(path: Path, megabytes: float, alphabet: str = LATIN) -> None:
    """Writes a UTF-8 file of this many million bytes, or a few fewer, so that no character is cut."""
    left = int(megabytes * 1e6)
    block = words(min(BLOCK, left), alphabet).encode()
    with path.open("wb") as file:
        while left >= len(block):
            left -= file.write(block)
        file.write(block[:left].decode(errors="ignore").encode())
