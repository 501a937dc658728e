"""The baselines: the table is one of n-grams, and xz is the xz of the shell."""

import lzma
import math
import shutil
import subprocess

import numpy as np
import pytest

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model import ngrams
from charrnn.training import baselines


def test_longer_contexts_predict_better() -> None:
    text = np.frombuffer(b"the cat sat on the mat and the rat sat on the hat. " * 40, np.uint8)
    bits = [baselines.context_bits(text[:1500], text[1500:], order) for order in (0, 1, 2, 4)]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.5 < 3 < bits[0]


def test_the_table_counts_all_of_the_training_text_and_goes_on_from_its_end() -> None:
    text = np.random.default_rng(0).integers(4, size=400).astype(np.uint8) % np.tile([4, 1, 2, 3], 100).astype(np.uint8)
    training, validation = text[:300], text[300:]
    table = ngrams.count(training, 4, 3, 0, np.arange(300) == 0, keeps_all=True)
    p = [table.distribution(text[n - 3 : n][::-1])[text[n]] for n in range(300, 400)]
    assert baselines.context_bits(training, validation, 3) == pytest.approx(-np.log2(p).mean())


def test_xz_is_xz() -> None:
    text = "Ein Häuschen mit Gärtchen. " * 30
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    found = baselines.measure(ids[:600], ids[600:], vocabulary)
    sizes = [len(lzma.compress(part.encode(), preset=9)) for part in (text, text[:600])]
    assert found.xz == 8 * (sizes[0] - sizes[1]) / len(ids[600:])
    if xz := shutil.which("xz"):
        packed = subprocess.run([xz, "-9"], input=text.encode(), capture_output=True, check=True).stdout
        assert len(packed) == pytest.approx(sizes[0], abs=16)


def test_bytes_that_are_not_text_are_measured_too() -> None:
    found = baselines.measure(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), Vocabulary(None))
    assert found.xz < 8
    assert math.isfinite(found.table)
