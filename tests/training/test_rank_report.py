"""The rank report: shares of the time in which ranks compute, exchange and wait."""

import pytest

from charrnn.training.rank_report import RankReport


def test_the_rank_that_comes_last_waits_for_nobody() -> None:
    report = RankReport(computing=(6.0, 8.5), exchanging=(4.0, 1.5))
    assert report.seconds == 10
    assert report.waiting == pytest.approx([0.25, 0])
    assert report.exchange_share == pytest.approx(0.15)
    assert report.efficiency == pytest.approx(0.725)
    assert report.efficiency + report.exchange_share + sum(report.waiting) / 2 == pytest.approx(1)
    assert report.slow_rank == 1
    assert report.to_json() == {"ranks": 2, "exchange_share": 0.15, "efficiency": 0.725}


def test_ranks_that_hardly_wait_are_not_slow() -> None:
    assert RankReport((9.0, 9.2), (1.0, 0.8)).slow_rank is None


def test_a_run_without_a_step_has_a_report() -> None:
    assert RankReport((0.0, 0.0), (0.0, 0.0)).to_json() == {"ranks": 2, "exchange_share": 0.0, "efficiency": 0.0}
