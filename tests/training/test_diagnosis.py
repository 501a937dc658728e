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
        ([(2.15, 4.19), (1.63, 4.40), (1.54, 4.55), (1.48, 4.43)], 1.9, "of another kind"),
        ([(3.67, 5.49), (2.98, 5.05), (2.74, 4.99)], None, "of another kind"),
        ([(2.1, 2.9)], None, "of another kind"),
    ],
)
def test_it_says_what_would_help(losses: list[tuple[float, float]], without_dropout: float | None, says: str) -> None:
    assert says in (diagnose(history(losses), without_dropout) or "")


def test_a_network_that_overfits_is_not_taken_for_a_text_of_another_kind() -> None:
    late = [Evaluation(1000 * n, 50 * n, 0.01, 0.5 / n, 3.0 + n) for n in (1, 2, 3)]
    assert "overfitting" in (diagnose(late, 0.1) or "")


def test_a_text_that_is_known_to_be_of_another_kind_needs_no_losses() -> None:
    for losses in ([], [(2.0, 2.0)], [(2.0, 2.0)] * 5):
        assert "--val-spread or --val-file" in (diagnose(history(losses), 1.0, is_of_another_kind=True) or "")


def test_xz_is_compared_unless_the_loss_rose() -> None:
    rising = history([(3.5, 3.6), (3.3, 3.5), (3.1, 3.55), (2.9, 3.7)])
    assert "rose after that" in (diagnose(rising, 3.1, is_worse_than_xz=True) or "")
    for rows in (history([(3.5, 3.6)]), history([(3.5, 3.6), (3.3, 3.5), (3.1, 3.2)])):
        assert "not better than xz yet" in (diagnose(rows, 3.1, is_worse_than_xz=True) or "")


@pytest.mark.parametrize("losses", [[], [(2.0, 2.0)], [(2.0, 2.0), (1.9, 1.9)], [(2.0, None)] * 5])
def test_it_says_nothing_after_too_few_evaluations(losses: list[tuple[float, float | None]]) -> None:
    assert diagnose(history(losses), 1.0) is None
