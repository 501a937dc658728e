"""The averages of ranks that train alone between them: their values, their share of the time, and their options."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from charrnn.config import TrainingConfig
from charrnn.dataset.corpus import from_text
from charrnn.errors import ConfigError
from charrnn.training import averaging, start
from charrnn.training.averaging import Pace
from support.ranks import mpiexec, needs_mpi, run_line
from support.trainings import SMALL, TEXTS, start_in, start_on

AVERAGES = """
from dataclasses import replace
import numpy as np
from charrnn.dataset.corpus import from_text
from charrnn.distributed.ranks import join
from charrnn.errors import DivergenceError
from charrnn.training import averaging, start
from charrnn.training.averaging import Averaging
from charrnn.training.rank_shards import RankShards
from charrnn.training.state import copy_params

ranks = join()
R, mu, eta = ranks.size, 0.9, 0.7
options = dict(hidden_size=4, layers=1, batch_size=4, seq_length=5, seed=1, threads=1, engine="numpy", ema_decay=0.9)
trainer = start.start(from_text("to be, or not to be: that is the question. " * 40), steps=9, **options)
s = trainer.state
s.training_config = config = replace(s.training_config, sync_every=2, outer_lr=eta, outer_momentum=mu)
s.outer = averaging.initial_outer(config, s.params, {})
found = Averaging(RankShards(trainer.network, 4, ranks, config), config)

def steps_of(rank, n):  # what the steps of a rank in a round do to its arrays
    rng = np.random.default_rng((rank, n))
    change = {name: rng.normal(size=p.shape).astype(np.float32) for name, p in s.params.items()}
    return change, {name: abs(m) + rank for name, m in change.items()}

def wanted_round(w, v, n, good):
    differences = [steps_of(rank, n)[0] for rank in good]
    mean = {name: -sum(d[name].astype(float) for d in differences) / len(good) for name in w}
    v = {name: mu * v[name] + mean[name] for name in w}
    return {name: w[name] - eta * (mean[name] + mu * v[name]) for name in w}, v

def same(a, b):
    return all(np.allclose(a[name], b[name], rtol=0, atol=1e-5) for name in b)

w, v = ({name: p.astype(float) for name, p in group.items()} for group in (s.params, s.outer))
for n in range(3):
    for _ in range(2):
        found.begin_step(s)
    change, moment = steps_of(ranks.rank, n)
    for name in s.params:
        s.params[name] += change[name]
        s.ema[name] = s.moments["m." + name] = moment[name]
        s.moments["v." + name] = 2 * moment[name]
    s.counters.loss_sum += 1.0 + ranks.rank
    is_full = n == 2
    assert not found.is_even
    found.average(s, is_full)
    w, v = wanted_round(w, v, n, range(R))
    assert same(s.params, w) and same(s.outer, v), n
    bits = b"".join(p.tobytes() for p in (*s.params.values(), *s.outer.values()))
    assert len(set(ranks.collect(bits))) == 1
    assert found.is_even == is_full
    means = moment
    if is_full:
        means = {name: sum(steps_of(rank, n)[1][name] for rank in range(R)) / R for name in w}
    assert same(s.ema, means) and same({name: s.moments["v." + name] / 2 for name in w}, means)
assert abs(s.counters.loss_sum - 3 * (1 + (R - 1) / 2)) < 1e-9

kept = copy_params(s.params)
found.begin_step(s)
found.has_diverged = ranks.rank == 1
change, _ = steps_of(ranks.rank, 7)
for name in s.params:
    s.params[name] += change[name] * (np.nan if found.has_diverged else 1)
    s.ema[name] = s.moments["v." + name] = np.full_like(change[name], np.inf if found.has_diverged else 1)
if found.has_diverged:
    s.rnn_state[:, :, found.shards.own] = np.nan
try:
    found.average(s, True)
    raise AssertionError("no error")
except DivergenceError:
    pass
found.average(s, True, may_leave_out=True)
w, v = wanted_round(w, v, 7, [0])
assert same(s.params, w) and found.is_even and not found.has_diverged
ones = {name: np.ones_like(p) for name, p in w.items()}
assert same(s.ema, ones) and same({name: s.moments["v." + name] for name in w}, ones)
assert np.isfinite(s.rnn_state).all()
found.begin_step(s)
found.restart()
assert found.is_even
"""


@needs_mpi
def test_two_ranks_have_the_values_of_the_formula_and_leave_out_what_has_diverged(tmp_path: Path) -> None:
    done = run_line(mpiexec(2, [sys.executable, "-c", AVERAGES]), tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_average_is_full_after_some_averages_or_steps() -> None:
    found = object.__new__(averaging.Averaging)
    for since, n_steps, wanted in (((0, 0), 5, False), ((6, 30), 5, False), ((7, 35), 5, True), ((1, 60), 40, True)):
        found.since_full, found.n_steps = since, n_steps
        assert found.has_to_be_full == wanted


def test_the_steps_between_averages_double_as_long_as_these_take_more_than_a_tenth_of_the_time() -> None:
    pace, steps = Pace(), 1
    pace.add(1, 50.0, 10.0)  # the first, which does not count
    assert pace.next_steps(steps) == 1
    for wanted in (1, 2, 2, 4, 4, 8, 8, 16, 16, 16, 16):
        pace.add(steps, 1.0 * steps, 1.5)
        before, steps = steps, pace.next_steps(steps)
        assert steps == wanted
        if steps == before and pace.n >= averaging.MEASURED:
            assert pace.share(steps) == pytest.approx(1.5 / (1.5 + steps))
    pace.add(3, 3.0, 1.5)  # an evaluation comes early: the average takes what it takes
    assert pace.share(16) == pytest.approx(1.5 / 17.5)
    for _ in range(30):
        pace.add(steps, 1.0, 1e9)
        steps = pace.next_steps(steps)
    assert steps == averaging.MAX_STEPS


@pytest.mark.parametrize("name", ["sync_every", "outer_lr", "outer_momentum"])
def test_averages_are_only_for_several_ranks(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is only for several ranks: give distributed too"):
        start_in("stream", steps=2, **{name: 0.5 if name.startswith("outer") else 2})


def test_the_outer_descent_needs_averages() -> None:
    for options, sync_every, is_right in (
        ({"outer_lr": 0.7}, 0, False),
        ({"outer_lr": 0.7}, 4, True),  # of a run to resume
        ({"outer_lr": 0.7, "sync_every": 4}, 0, True),
        ({"outer_momentum": 0.7, "sync_every": 0}, 4, False),
        ({"sync_every": 0}, 4, True),
    ):
        if is_right:
            averaging.check(options, True, sync_every)
        else:
            with pytest.raises(ConfigError, match="is only for ranks that average their weights: give sync_every too"):
                averaging.check(options, True, sync_every)
    with pytest.raises(ConfigError, match="sync_grows is only for ranks that average their weights"):
        TrainingConfig(1, sync_grows=True)


def test_a_single_process_goes_on_with_a_run_of_ranks_without_averages() -> None:
    corpus = from_text(TEXTS["stream"])
    trainer = start_on(corpus, steps=2, **SMALL["stream"])
    for _ in trainer:
        pass
    state, plain = trainer.state, trainer.state.training_config
    state.training_config = replace(plain, sync_every=8, sync_grows=True, outer_lr=0.7, outer_momentum=0.9)
    state.outer = averaging.initial_outer(state.training_config, state.params, {})
    assert state.outer.keys() == state.params.keys()
    resumed = start.resume(corpus, state, steps=4).state
    assert resumed.training_config == replace(plain, steps=4)
    assert resumed.outer == {}
