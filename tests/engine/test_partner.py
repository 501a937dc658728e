"""The partner: a text that two threads draw is that of one thread, and nobody waits for a partner that is away."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.config import WEIGHT_PRECISIONS, ModelConfig, SamplingConfig
from charrnn.model.forms import network_for
from charrnn.sampling import filters
from support.boards import PATIENCE, recorded_boards

pytest.importorskip("numba")

from charrnn.engine.kernels import partner
from charrnn.engine.threads import Threads

V = 70


def decoder(cell: str, layers: int, H: int, precision: str, threads: int) -> Any:
    engine = engines.load("numba")
    network = network_for(ModelConfig(V, cell, H, layers), engine)
    rng = np.random.default_rng(0)
    params = {name: rng.normal(0, H**-0.5, shape).astype(np.float32) for name, shape in network.param_shapes.items()}
    state = np.zeros((layers, 2 if cell == "lstm" else 1, 1, H), np.float32)
    assert engine.Decoder is not None
    return engine.Decoder(cell, params, state, threads, precision)


def drawn(decoder: Any, runs: int, N: int) -> list[Any]:
    rng, last, found = np.random.default_rng(1), np.array([3]), []
    for _ in range(runs):
        ids, logps = decoder.run(last, rng.random((N, 1)), [0.9] * N, filters.settings(SamplingConfig()))
        last = ids[-1]
        found += [ids, logps, decoder.state]
    return found


def together(work: Callable[[Any, bool], Any]) -> Callable[[Any, bool], Any]:
    """Work whose leader waits until its partner has come."""
    has_come = threading.Event()

    def waiting(board: Any, is_partner: bool) -> Any:
        if is_partner:
            has_come.set()
        else:
            has_come.wait(1)
        return work(board, is_partner)

    return waiting


@pytest.mark.parametrize("precision", WEIGHT_PRECISIONS)
@pytest.mark.parametrize(
    ("cell", "layers", "H"), [("lstm", 1, 257), ("lstm", 2, 260), ("gru", 1, 300), ("rnn", 2, 513)]
)
def test_with_a_partner_a_text_is_the_same_to_the_bit(
    cell: str, layers: int, H: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = recorded_boards(monkeypatch)
    run = partner.with_partner
    monkeypatch.setattr(partner.Partnership, "run", lambda self, work, N: run(together(work), self.threads))
    alone, both = (decoder(cell, layers, H, precision, threads) for threads in (1, 2))
    assert both.can_share
    end = time.monotonic() + PATIENCE
    while sum(board[partner.HELPED] for board in boards) <= 10:
        for one, other in zip(drawn(alone, runs=2, N=9), drawn(both, runs=2, N=9), strict=True):
            np.testing.assert_array_equal(one, other)
        assert time.monotonic() < end, "the partner did nothing"
    assert all(board[partner.POSTED] == partner.CLOSED for board in boards)
    assert all(board[partner.DONE] == board[partner.TAKEN] > 0 for board in boards)
    assert all(board[partner.DONE] % partner.PARTS == 0 for board in boards)


def test_small_networks_have_no_partner() -> None:
    assert not decoder("lstm", 1, 128, "float32", threads=2).can_share
    assert decoder("lstm", 1, 256, "float32", threads=2).can_share
    assert not decoder("lstm", 1, 256, "float32", threads=1).can_share


def test_each_part_is_taken_once() -> None:
    board = partner.new_board()
    assert partner.take(board) == partner.NONE  # nothing is posted yet
    for job, first in ((7, 0), (8, 2)):
        partner.post(board, 2, job)
        assert board[partner.JOB] == job
        assert [partner.take(board) for _ in range(3)] == [first, first + 1, partner.NONE]
        for _ in range(2):
            partner.finish(board)
        partner.wait(board)
    assert partner.is_shared(board)
    partner.close(board)
    assert partner.take(board) == partner.next_part(board) == partner.CLOSED
    assert not partner.is_shared(partner.NO_BOARD)
    partner.close(partner.NO_BOARD)


def test_parts_wait_until_somebody_takes_them() -> None:
    board = partner.new_board()
    for job in range(3):
        partner.post(board, 1, job)
    assert [partner.take(board) for _ in range(4)] == [0, 1, 2, partner.NONE]


def test_two_threads_share_all_parts() -> None:
    board, taken, helped = partner.new_board(), list[tuple[int, int]](), list[tuple[int, int]]()

    def work(part: int, of_thread: list[tuple[int, int]]) -> None:
        of_thread.append((int(board[partner.JOB]), part))
        partner.finish(board)

    def help_out() -> None:
        while (part := partner.next_part(board)) != partner.CLOSED:
            work(part, helped)

    jobs, end = 0, time.monotonic() + PATIENCE
    while not helped and time.monotonic() < end:
        helper = threading.Thread(target=help_out)
        helper.start()
        for job in range(jobs, jobs + 300):
            partner.post(board, partner.PARTS, job)
            while (part := partner.take(board)) != partner.NONE:
                work(part, taken)
            partner.wait(board)
        posted = board[partner.POSTED]
        partner.close(board)
        helper.join()
        board[partner.POSTED] = posted
        jobs += 300
    assert helped
    assert sorted(taken + helped) == [(n // partner.PARTS, n) for n in range(jobs * partner.PARTS)]


def test_a_partner_whose_leader_stays_away_leaves() -> None:
    assert partner.next_part(partner.new_board()) == partner.CLOSED


class Clock:
    """The seconds that work takes, in the place of those of the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now, self.seconds = 0.0, {True: 1.0, False: 1.0}
        self.was_shared: list[bool] = []
        monkeypatch.setattr(partner.time, "perf_counter", lambda: self.now)

    def work(self, board: Any, is_partner: bool) -> str:
        if not is_partner:
            self.was_shared.append(len(board) > 0)
            self.now += self.seconds[len(board) > 0]
        return "done"

    def runs(self, partnership: partner.Partnership, n: int) -> list[bool]:
        """Which of some runs were shared."""
        self.was_shared.clear()
        assert {partnership.run(self.work, 10) for _ in range(n)} == {"done"}
        return self.was_shared

    def settled(self, partnership: partner.Partnership) -> list[bool]:
        """The same, of the runs of ten intervals, after some others."""
        self.runs(partnership, 10 * partner.MAX_INTERVAL)
        while partnership.runs_to_trial < partner.MAX_INTERVAL:
            self.runs(partnership, 1)
        return self.runs(partnership, 10 * (partner.MAX_INTERVAL + 1))


def test_a_partner_comes_where_that_is_faster_and_not_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with Threads(2) as threads:
        partnership = partner.Partnership(threads)
        clock.seconds = {True: 9.0, False: 9.0}  # the first run may compile
        assert clock.runs(partnership, 1) == [False]
        clock.seconds = {True: 0.6, False: 1.0}
        assert clock.runs(partnership, 6) == [False, True, True, False, True, True]
        found = clock.settled(partnership)
        assert found.count(False) == 10  # trials
        clock.seconds = {True: 0.9, False: 1.0}  # that is too little
        found = clock.settled(partnership)
        assert found.count(True) == 10
        clock.seconds = {True: 0.6, False: 1.0}
        clock.runs(partnership, partner.MAX_INTERVAL + 1)
        assert clock.runs(partnership, 3).count(True) >= 2


def test_the_end_of_a_text_is_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with Threads(2) as threads:
        partnership = partner.Partnership(threads)
        clock.seconds = {True: 0.6, False: 1.0}
        clock.runs(partnership, 2)
        clock.was_shared.clear()
        for N in (9, 9, 10):
            partnership.run(clock.work, N)
        assert clock.was_shared == [False, False, True]


def test_without_more_threads_and_after_an_error_the_leader_is_alone() -> None:
    threads, boards = Threads(2), list[Any]()

    def interrupted(board: Any, is_partner: bool) -> None:
        boards.append(board)
        if not is_partner:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        partner.with_partner(interrupted, threads)
    assert boards[0][partner.POSTED] == partner.CLOSED
    with threads:  # its end
        pass
    assert partner.with_partner(lambda board, is_partner: len(board), threads) == 0


def test_a_leader_that_waits_long_goes_on_alone() -> None:
    board = partner.new_board()
    partner.post(board, 2, 0)
    assert [partner.take(board), partner.take(board)] == [0, 1]
    partner.finish(board)

    def finish_late() -> None:
        time.sleep(0.5)
        partner.finish(board)

    slow = threading.Thread(target=finish_late)
    slow.start()
    partner.wait(board)
    slow.join()
    assert not partner.is_shared(board)


def test_a_partner_that_has_not_begun_is_not_waited_for() -> None:
    """Its thread may have other work for long."""
    block, calls = threading.Event(), list[bool]()
    with Threads(2) as threads:
        for _ in range(2):
            threads.beside(block.wait)
        partner.Partnership(threads).run(lambda board, is_partner: calls.append(is_partner), 1)
        assert calls == [False]
        block.set()
    assert calls == [False]
