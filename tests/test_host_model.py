"""The model of an exchange that the benchmark of several hosts fits to its measurements."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "bench"))

from hosts.model import Fit, Measured, error, fit, hidden

TRUE = Fit(2e-4, 1e-9, 1.1)
POINTS = [
    Measured(ranks, size, rate, TRUE.exchange(ranks, size, rate))
    for ranks in (2, 4)
    for size in (1 << 18, 1 << 22)
    for rate in (None, 1e9, 1e8)
]


def test_the_fit_finds_the_numbers_of_exact_measurements() -> None:
    found = fit(POINTS)
    assert found[:3] == pytest.approx(TRUE[:3], rel=1e-6)
    assert error(found, POINTS) < 1e-6
    # two ranks send all bytes once, each way
    assert TRUE.exchange(2, 1_000_000, 1e9) == pytest.approx(2 * 2e-4 + 1e-3 + 1.1 * 8e-3)


def test_no_number_is_below_zero_and_no_byte_faster_than_its_cable() -> None:
    for factor in (0.5, 0.9, 1.0):
        found = fit([point._replace(seconds=factor * point.seconds - 1e-5) for point in POINTS if point.rate])
        assert min(found) >= 0
        assert found.cable >= 1


def test_what_computing_hides_is_not_waited_for_except_the_last_bytes() -> None:
    found = TRUE._replace(hidden=0.5)
    whole = found.exchange(4, 1 << 22, 1e8)
    assert found.visible(4, 1 << 22, 1e8, 0.2, 0.1) == pytest.approx(whole - 0.1)
    assert found.visible(4, 1 << 22, 1e8, 1e3, 0.1) == pytest.approx(whole / 10)
    assert hidden(whole, whole - 0.1, 0.2) == pytest.approx(0.5)
    assert hidden(whole, 2 * whole, 0.2) == 0
