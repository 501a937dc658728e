"""The baselines: the table is that of its papers, and xz is the xz of the shell."""

import lzma
import math
import shutil
import subprocess
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.training import baselines


def naive_bits(training: list[int], validation: list[int], order: int) -> float:
    """Interpolated Kneser-Ney smoothing as the papers write it, one context at a time."""
    counts: list[dict[tuple[int, ...], dict[int, float]]] = [
        defaultdict(lambda: defaultdict(float)) for _ in range(order + 1)
    ]
    for i in range(order, len(training)):
        counts[order][tuple(training[i - order : i])][training[i]] += 1
    for k in range(order):
        for longer in {tuple(training[i - k - 1 : i + 1]) for i in range(k + 1, len(training))}:
            counts[k][longer[1:-1]][longer[-1]] += 1
    discounts = []
    for table in counts:
        found = [n for row in table.values() for n in row.values()]
        once, twice = found.count(1), found.count(2)
        discounts.append(once / (once + 2 * twice) if once else 0.5)
    V = max(training + validation) + 1
    text, bits = training + validation, 0.0
    for i in range(len(training), len(text)):
        p = 1 / V
        for k in range(order + 1):
            row = counts[k].get(tuple(text[i - k : i]))
            if row:
                seen = max(row.get(text[i], 0.0) - discounts[k], 0.0)
                p = (seen + discounts[k] * len(row) * p) / sum(row.values())
        bits -= math.log2(p)
    return bits / len(validation)


@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=60),
    st.lists(st.integers(0, 4), min_size=1, max_size=20),
    st.integers(0, 4),
)
def test_the_table_is_that_of_the_papers(training: list[int], validation: list[int], order: int) -> None:
    found = baselines.context_bits(np.array(training, np.uint8), np.array(validation, np.uint8), order)
    expected = naive_bits(training, validation, order)
    assert found == pytest.approx(expected)


def test_longer_contexts_predict_better() -> None:
    text = np.frombuffer(b"the cat sat on the mat and the rat sat on the hat. " * 40, np.uint8)
    bits = [baselines.context_bits(text[:1500], text[1500:], order) for order in (0, 1, 2, 4)]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.5 < 3 < bits[0]


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
