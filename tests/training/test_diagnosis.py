"""The diagnosis: the course of the losses says what would help."""

from collections.abc import Iterable

import pytest

from charrnn.training.diagnosis import diagnose
from charrnn.training.state import Evaluation


def history(losses: Iterable[tuple[float | None, float | None]]) -> list[Evaluation]:
    return [Evaluation(10 * n, n, 0.01, train, val) for n, (train, val) in enumerate(losses, 1)]


@pytest.mark.parametrize(
    ("losses", "without_dropout", "says"),
    [
        ([(2.5, 2.4), (2.1, 2.1), (1.9, 1.95), (1.8, 1.85)], None, "More time"),
        ([(2.5, 2.4), (2.1, 2.1), (1.9, 1.95), (1.8, 1.85)], 1.6, "More text"),
        ([(1.5, 1.6), (1.4, 1.52), (1.35, 1.51), (1.3, 1.50)], None, "More text"),
        ([(1.5, 1.6), (1.5, 1.52), (1.5, 1.51), (1.5, 1.50)], 1.3, "More text"),
        ([(1.7, 1.72), (1.65, 1.67), (1.64, 1.66), (1.63, 1.65)], 1.6, "larger model"),
        ([(1.5, 1.6), (1.3, 1.5), (1.1, 1.55), (0.9, 1.7)], 1.1, "rose after that"),
    ],
)
def test_it_says_what_would_help(losses: list[tuple[float, float]], without_dropout: float | None, says: str) -> None:
    assert says in (diagnose(history(losses), without_dropout) or "")


@pytest.mark.parametrize("losses", [[], [(2.0, 2.0)], [(2.0, 2.0), (1.9, 1.9)], [(2.0, None)] * 5])
def test_it_says_nothing_after_too_few_evaluations(losses: list[tuple[float, float | None]]) -> None:
    assert diagnose(history(losses), 1.0) is None
