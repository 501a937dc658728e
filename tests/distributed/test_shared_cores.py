"""The shared cores: what each rank may use of a host."""

import pytest

from charrnn.distributed.shared_cores import share
from charrnn.resources import cores

FOUR = [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("of_ranks", "hosts", "wanted"),
    [
        ([(FOUR, 4)], "a", [4]),
        ([(FOUR, 4), (FOUR, 4)], "aa", [2, 2]),
        ([(FOUR, 4), (FOUR, 4)], "ab", [4, 4]),
        ([([0], 1), ([1], 1)], "aa", [1, 1]),
        ([([0, 1], 2), ([2, 3], 2), ([0], 1)], "aab", [2, 2, 1]),
        ([(FOUR, 4)] * 3, "aaa", [1, 1, 1]),
        ([(FOUR, 4)] * 8, "a" * 8, [1] * 8),
        ([(FOUR, 2), (FOUR, 2)], "aa", [1, 1]),
    ],
    ids=["alone", "shared", "two hosts", "bound", "bound to two", "a core is left", "too many", "a control group"],
)
def test_ranks_share_the_cores_that_they_are_bound_to(
    of_ranks: list[tuple[list[int], int]], hosts: str, wanted: list[int]
) -> None:
    assert [share(of_ranks, [*hosts], rank) for rank in range(len(hosts))] == wanted


def test_a_limit_holds_for_all_that_asks_for_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_most", 1)
    assert cores.available_cores() == 1
