"""The matrix product in bfloat16 of the reference engine: its rounding, against exact arithmetic, and its sums."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.layers.matmul import bfloat16, bfloat16_matmul, matmul_in


def float32(bits: int) -> float:
    """The float32 with these bits."""
    (value,) = struct.unpack("<f", struct.pack("<I", bits))
    return float(value)


def exact(bits: int) -> Fraction:
    """The value of the first 16 bits of a float32; that of infinity is the power of two after the largest number."""
    exponent, fraction = bits >> 7 & 0xFF, bits & 0x7F
    magnitude = Fraction(fraction + 128 * (exponent > 0), 128) * Fraction(2) ** (max(exponent, 1) - 127)
    return -magnitude if bits >> 15 else magnitude


def nearest(value: float, bits: int) -> int:
    """The first 16 bits of the nearest bfloat16, which is the one before or after a float32 with these bits."""
    below = bits >> 16
    distances = {n: abs(exact(n) - Fraction(value)) for n in (below, below + 1)}
    return min(distances, key=lambda n: (distances[n], n % 2))


@given(st.integers(0, 2**32 - 1))
@example(0x00000001)  # the smallest subnormal number
@example(0x00008000)  # half of the smallest subnormal bfloat16: 0 is even
@example(0x00018000)  # halfway between two subnormal ones
@example(0x007FFFFF)  # becomes a normal number
@example(0x80000000)
@example(0x3F808000)  # halfway, above an even one
@example(0x3F818000)  # halfway, above an odd one
@example(0x3F818001)
@example(0x3FFFFFFF)  # carries into the exponent
@example(0x7F7F7FFF)  # the last that stays finite
@example(0x7F7F8000)
@example(0xFF7FFFFF)
@example(0x7F800000)
@example(0xFF800000)
@example(0x7F800001)  # a NaN that would become infinite if its last bits were only cut off
@example(0x7FFFFFFF)  # a NaN that would become -0 if it was rounded
@example(0xFFFF8000)
def test_a_float32_becomes_the_nearest_bfloat16(bits: int) -> None:
    value = float32(bits)
    (rounded,) = bfloat16(np.array([bits], np.uint32).view(np.float32)).view(np.uint32)
    assert rounded & 0xFFFF == 0
    if math.isnan(value):
        assert math.isnan(float32(int(rounded)))
    elif math.isinf(value):
        assert rounded == bits
    else:
        assert rounded >> 16 == nearest(value, bits)


def test_pytorch_rounds_alike() -> None:
    torch = pytest.importorskip("torch")
    bits = np.random.default_rng(0).integers(2**32, size=100_000, dtype=np.uint32)
    x = bits.view(np.float32)
    wanted = torch.from_numpy(x).to(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(bfloat16(x), wanted)


def test_any_layout_is_rounded_and_none_is_changed() -> None:
    x = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    kept, rounded = x.copy(), bfloat16(x)
    for view, wanted in ((x.T, rounded.T), (x[::2, 1:], rounded[::2, 1:]), (x[:0], rounded[:0])):
        np.testing.assert_array_equal(bfloat16(view), wanted)
    np.testing.assert_array_equal(x, kept)
    assert not np.array_equal(rounded, x)


def test_other_types_are_an_error() -> None:
    with pytest.raises(TypeError, match="bfloat16 is rounded from float32, not from float64"):
        bfloat16(np.zeros(3))


def test_the_product_is_that_of_the_rounded_operands() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-600, 600, (5, 7)).astype(np.float32), rng.integers(-600, 600, (7, 3)).astype(np.float32)
    wanted = [[sum(float(x) * float(y) for x, y in zip(r, c, strict=True)) for c in bfloat16(b).T] for r in bfloat16(a)]
    assert not np.array_equal(wanted, a @ b)
    out = np.empty((5, 3), np.float32)
    assert bfloat16_matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(matmul_in("bfloat16")(a, b), wanted)
    np.testing.assert_array_equal(matmul_in("float32")(a, b), a @ b)
