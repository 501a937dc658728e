"""The baselines: the bits that a compressor and a table of contexts need for a text, to compare a loss with."""

import lzma
from dataclasses import dataclass

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model import ngrams
from charrnn.types import Ids

MAX_ORDER = 6
"""The most characters of context in the table; longer contexts gain nothing on a few megabytes."""
MAX_CHARS = 2_000_000
"""The most characters of a text to measure, which takes some seconds."""


MIN_DICTIONARY = 4096
"""The smallest dictionary that LZMA takes, in bytes."""


@dataclass(frozen=True)
class Baselines:
    """Bits per character that other methods need for the validation text, once they have seen the training text."""

    xz: float
    """By `xz -9`: LZMA, which finds repetitions."""
    table: float
    """By counting how often each character follows each context of up to `MAX_ORDER` characters, as in PPM."""


def measure(training: Ids, validation: Ids, vocabulary: Vocabulary) -> Baselines:
    """The baselines of a validation text [M] after a training text [N]; give at most `MAX_CHARS` of each."""
    errors = "surrogateescape" if vocabulary.is_bytes else "surrogatepass"
    text, continuation = (vocabulary.decode(ids).encode("utf-8", errors) for ids in (training, validation))
    bits = 8 * (_compressed(text + continuation) - _compressed(text))
    return Baselines(bits / len(validation), context_bits(training, validation))


def _compressed(text: bytes) -> int:
    """The size in bytes of a text that `xz -9` has compressed.

    Its dictionary of 64 MB would take 80 MB of RAM; one as large as the text finds the same repetitions.
    """
    size = min(max(len(text), MIN_DICTIONARY), 64 << 20)
    return len(lzma.compress(text, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}]))


def context_bits(training: Ids, validation: Ids, order: int = MAX_ORDER) -> float:
    """Bits per character of M ids by contexts of up to `order` ids, counted in the N training ids before them."""
    V = int(max(training.max(initial=0), validation.max(initial=0))) + 1
    table = ngrams.count(training, V, order, 0, np.arange(len(training)) == 0, keeps_all=True)
    inputs = np.concatenate((training[-1:], validation[:-1]))[:, None]
    history = np.concatenate((np.full(order + 1, V), training))[-order - 1 : -1, None]
    p = table.probabilities(ngrams.contexts_of(inputs, history)[:, 0], validation)
    return float(np.log2(1 / p).mean())
