"""The schedules: the learning rate of each step."""

from collections.abc import Iterable
from typing import Any

import pytest

from charrnn.config import SCHEDULES, TrainingConfig
from charrnn.training.schedules import learning_rate


def rates(points: Iterable[tuple[int, int]], **options: Any) -> list[float]:
    """The rate at some (step, epoch), where it is 1 before any schedule."""
    config = TrainingConfig(lr=1, **({"steps": 100} | options))
    return [learning_rate(step, epoch, config) for step, epoch in points]


def test_the_constant_rate() -> None:
    assert rates([(0, 0), (50, 30), (99, 90), (1000, 0)], schedule="constant") == [1, 1, 1, 1]


def test_the_step_schedule_falls_by_the_epoch() -> None:
    points = [(0, 0), (50, 10), (51, 11), (99, 13), (1000, 13)]
    assert rates(points, schedule="step") == pytest.approx([1, 1, 0.97, 0.97**3, 0.97**3])
    points = [(0, 0), (1, 1), (2, 2)]
    assert rates(points, schedule="step", lr_decay=0.5, lr_decay_after=0) == [1, 0.5, 0.25]


def test_the_linear_schedule_falls_to_zero() -> None:
    points = [(0, 0), (25, 9), (50, 0), (99, 0), (100, 0), (200, 0)]
    assert rates(points, schedule="linear") == pytest.approx([1, 0.75, 0.5, 0.01, 0, 0])


def test_the_cosine_schedule_falls_to_zero() -> None:
    points = [(0, 0), (25, 9), (50, 0), (75, 0), (100, 0), (200, 0)]
    r = 0.5**0.5 / 2
    assert rates(points, schedule="cosine") == pytest.approx([1, 0.5 + r, 0.5, 0.5 - r, 0, 0])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_rises_over_the_warmup_and_no_further(schedule: str) -> None:
    points = [(0, 0), (4, 0), (8, 0), (9, 0)]
    assert rates(points, schedule=schedule, warmup=9) == pytest.approx([0.1, 0.5, 0.9, 1])
    assert max(rates(((step, 0) for step in range(100)), schedule=schedule, warmup=9)) == 1


def test_linear_and_cosine_fall_over_the_steps_after_the_warmup() -> None:
    for schedule in ("linear", "cosine"):
        assert rates([(20, 0), (60, 0), (100, 0)], schedule=schedule, warmup=20) == pytest.approx([1, 0.5, 0])


def test_linear_and_cosine_can_hold_the_rate_and_fall_faster() -> None:
    points = [(0, 0), (30, 0), (50, 0), (70, 0), (100, 0)]
    for schedule in ("linear", "cosine"):
        found = rates(points, schedule=schedule, warmup=10, hold=20, cooldown=40)
        assert found[1:] == pytest.approx([1, 0.5, 0, 0])
        found = rates(points, schedule=schedule, hold=40)
        assert found == pytest.approx([1, 1, 1 - (10 / 60 if schedule == "linear" else 0.0669873), 0.5, 0], abs=1e-6)
