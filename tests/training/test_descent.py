"""The descent: only a loss that the second half of the steps lowers by a fifth is steep."""

import pytest

from charrnn.training.descent import is_steep
from charrnn.training.state import Evaluation


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], False),
        ([2.0], False),
        ([2.0, 1.5], True),
        ([2.0, 1.61], False),
        ([3.05, 2.12, 1.70, 1.38, 1.15], True),  # titles
        ([2.78, 2.60, 2.50, 2.47, 2.42], False),  # names
        ([4.0, 2.0, 1.9, 1.7], False),  # the fall is in the first half
        ([2.0, 2.0, 1.0, 1.7], False),  # and the loss rises again
        ([0.5, 0.4, 0.3, 0.2], True),
        ([None, None, None], False),
    ],
)
def test_the_second_half_of_the_steps_decides(losses: list[float | None], expected: bool) -> None:
    assert is_steep([Evaluation(12 * n, n, 0.01, 1.0, loss) for n, loss in enumerate(losses, 1)]) == expected


def test_the_half_is_one_of_steps_and_not_of_evaluations() -> None:
    rows = [Evaluation(step, 0, 0.01, None, loss) for step, loss in ((0, 9.0), (50, 2.0), (80, 1.8), (90, 1.7))]
    assert not is_steep([*rows, Evaluation(100, 0, 0.01, None, 1.65)])
    assert is_steep([*rows, Evaluation(100, 0, 0.01, None, 1.55)])
