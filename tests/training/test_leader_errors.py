"""Errors on the leader in what all ranks do: the followers do not listen, and can only be aborted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.dataset import corpus, shared_file
from charrnn.dataset.files import Source
from charrnn.distributed.ranks import Ranks
from charrnn.scoring import rank_answers
from charrnn.scoring.rank_answers import RankAnswers, answering
from charrnn.training import follower, leader, machine, start
from charrnn.training.averaging import Averaging
from charrnn.training.machine import Machine
from charrnn.training.rank_shards import RankShards
from charrnn.training.rank_text import read_index
from support.cells import model_config
from support.processes import posix
from support.random_models import random_model
from support.ranks import Mirror
from support.trainings import SMALL, TEXTS, run

pytestmark = posix
OPTIONS = SMALL["stream"] | {"steps": 4, "eval_every": 2}


def fail(*args: Any) -> None:
    raise MemoryError


def train(ranks: Ranks, **more: Any) -> None:
    run(start.start(corpus.from_text(TEXTS["stream"]), ranks=ranks, **OPTIONS | more))


def average(ranks: Ranks) -> None:
    train(ranks, sync_every=2)


def index(ranks: Ranks) -> None:
    assert read_index(ranks, Source((str(Path(__file__)),)), {}) is not None


def measure(ranks: Ranks) -> None:
    assert Machine(ranks).throughput("numpy", "float32", 1, model_config(9, "rnn", 4, 1), 2, 3) > 0


def answer(ranks: Ranks) -> None:
    [*_] = answering("scores", random_model(), ranks, unknown="skip", threads=1)(iter([["ab\n"], ["ba\n"]]))


@pytest.mark.parametrize(
    ("task", "do", "owner", "name"),
    [
        ("step", train, RankShards, "update"),
        ("end_validation", train, leader, "checksum"),
        ("collect", train, RankShards, "collect"),
        ("average", average, Averaging, "average"),
        ("index", index, shared_file, "scan"),
        ("measure", measure, machine, "measure_throughput"),
        ("answer", answer, RankAnswers, "__call__"),
    ],
)
def test_followers_do_not_listen_after_an_error_in_what_all_do(
    task: str, do: Callable[[Ranks], None], owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "MIN_SIZE", 0)
    monkeypatch.setattr(shared_file, "BLOCK", 999)
    monkeypatch.setattr(machine, "EXCHANGES", 1)
    comm = Mirror()
    ranks = Ranks(comm)
    do(ranks)
    assert ranks.are_listening
    assert task in [told for told, _ in comm.told]
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(MemoryError):
        do(ranks)
    assert not ranks.are_listening
    assert comm.told[-1][0] == task


@pytest.mark.parametrize("serve", [follower.serve, rank_answers.serve])
def test_a_task_that_a_follower_does_not_know_is_an_error(serve: Callable[[Ranks], None]) -> None:
    ranks = Ranks(Mirror())
    ranks.hear = lambda: ("trian", ())  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match=r"unknown task: .*trian"):
        serve(ranks)


def test_a_job_of_one_rank_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mirror, "size", 1)
    ranks = Ranks(comm := Mirror())
    ranks.hosts = ["a"]
    monkeypatch.setattr(comm, "allgather", lambda value: [value])
    monkeypatch.setattr(comm, "gather", lambda value: [value])
    train(ranks)
    assert comm.told == []


def test_followers_do_not_listen_after_an_error_in_telling_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = Ranks(Mirror())
    monkeypatch.setattr(ranks, "tell", fail)
    with pytest.raises(MemoryError):
        measure(ranks)
    assert not ranks.are_listening
