"""Messages: what they count is in the singular or in the plural."""

import pytest

from charrnn.errors import counted


@pytest.mark.parametrize(
    ("n", "units", "text"),
    [
        (0, "steps", "0 steps"),
        (1, "steps", "1 step"),
        (2, "steps", "2 steps"),
        (1, "different records", "1 different record"),
        (12345, "characters", "12,345 characters"),
    ],
)
def test_one_thing_is_in_the_singular(n: int, units: str, text: str) -> None:
    assert counted(n, units) == text
