"""Made-up texts: words that come again, the common ones often, always the same from the same seed."""

import string
from pathlib import Path

import numpy as np

from speeds.shape import V

LATIN = string.ascii_lowercase + string.ascii_uppercase + string.digits + ".\n "
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя.\n "
BLOCK = 1 << 20
"""Characters that are made up; a longer text repeats them."""

assert len(LATIN) == V


def words(size: int, alphabet: str = LATIN, seed: int = 0) -> str:
    """A text of so many characters in which each of the alphabet's stands; its last is what stands between words."""
    rng = np.random.default_rng(seed)
    letters, space = alphabet[:-1], alphabet[-1]
    shares = 1 / np.arange(1, len(letters) + 1)
    lexicon = ["".join(rng.choice(list(letters), rng.integers(1, 10), p=shares / shares.sum())) for _ in range(2000)]
    shares = 1 / np.arange(1, len(lexicon) + 1)
    count = min(size, BLOCK) // 3 + len(alphabet)  # a word and its space are two characters at least, mostly six
    chosen = rng.choice(len(lexicon), count, p=shares / shares.sum())
    text = (alphabet + space.join(lexicon[n] for n in chosen))[: min(size, BLOCK)]
    return text * (size // len(text)) + text[: size % len(text)]


def lesson(batch_size: int, seq_length: int, size: float = 1e6) -> str:
    """A text of about that size to learn from, whose every chunk has exactly T characters: B k T, and T to begin in."""
    k = max(2, round(size / (batch_size * seq_length)))
    return words(batch_size * k * seq_length + seq_length)


def write(path: Path, megabytes: float, alphabet: str = LATIN) -> None:
    """Writes a file of so many million bytes in UTF-8, or a few less, so that no character is cut."""
    left = int(megabytes * 1e6)
    block = words(min(BLOCK, left), alphabet).encode()
    with path.open("wb") as file:
        while left >= len(block):
            left -= file.write(block)
        file.write(block[:left].decode(errors="ignore").encode())
