"""A resumed training: bit for bit as if it had never stopped, whatever the layout; and what may change on the way."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from charrnn.checkpoint.training_file import load_state, save_state
from charrnn.config import LAYOUTS
from charrnn.dataset.corpus import from_text
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.training.start import resume
from charrnn.training.trainer import Trainer
from support.cells import cell_options
from support.clock import Clock
from support.processes import TEXT
from support.trainings import SMALL, TEXTS, resumed, run, saved_bytes, start_in


def start(**options: Any) -> Trainer:
    return start_in("stream", **options)


# As if it had never stopped

STEPS = {"stream": 25, "lines": 80, "pairs": 100, "translations": 45, "labels": 60, "tags": 50}
"""Of a training that passes the borders of epochs."""
BORDERS: dict[str, dict[str, Any]] = {
    "stream": {"dropout": 0.3, "layers": 2, "eval_every": 5},
    "lines": {"eval_every": 7},
    "pairs": {"eval_every": 13},
    "translations": {"eval_every": 8, "drop_connect": 0.2},
    "labels": {"eval_every": 9},
    "tags": {"eval_every": 9},
}
"""Evaluations at other steps than the borders of epochs."""
CELLS = (("lstm", "adam"), ("gru", "sgd"), ("rnn_relu", "adam"))
PARTS = {
    "stream": (0, 3, 5, 8, 11, 17, 25),
    "lines": (0, 1, 7, 18, 29, 30, 44),
    "pairs": (1, 30, 77),
    "translations": (1, 16, 29),
    "labels": (1, 17, 33),
    "tags": (1, 17, 33),
}
"""The steps of the first part. The cells take turns: each layout resumes with each cell, but not at each step."""


@cache
def whole_run(layout: str, cell: str, optimizer: str, engine_name: str) -> Trainer:
    """A training that never stopped, at its end. Do not change it."""
    options = BORDERS[layout] | cell_options(cell) | {"optimizer": optimizer, "engine": engine_name}
    return run(start_in(layout, steps=STEPS[layout], **options))


@pytest.mark.parametrize(
    ("layout", "steps", "cell", "optimizer"),
    [(layout, part, *CELLS[n % 3]) for layout, parts in PARTS.items() for n, part in enumerate(parts)],
)
def test_some_steps_and_the_rest_equal_all_at_once(
    layout: str, steps: int, cell: str, optimizer: str, engine_name: str, tmp_path: Path
) -> None:
    options = BORDERS[layout] | cell_options(cell) | {"optimizer": optimizer, "engine": engine_name}
    whole = whole_run(layout, cell, optimizer, engine_name)
    steps_per_epoch = whole.training_data.steps_per_epoch
    assert 10 < steps_per_epoch < STEPS[layout] / 1.5, "there are several epochs, and names are cut into batches"
    part = run(start_in(layout, steps=steps, **options))
    assert part.state.counters.step == steps
    rest = run(resumed(part, TEXTS[layout], tmp_path, steps=STEPS[layout]))
    assert saved_bytes(rest, tmp_path) == saved_bytes(whole, tmp_path)


LEFT = {
    "stream": BORDERS["stream"] | {"steps": 23, "schedule": "cosine", "warmup": 4, "threads": 2},
    "lines": {"steps": 60, "schedule": "cosine", "threads": 2, "eval_every": 11},
    "pairs": {"steps": 70, "schedule": "cosine", "threads": 2, "eval_every": 11},
    "translations": {"steps": 40, "schedule": "cosine", "threads": 2, "eval_every": 11},
    "labels": {"steps": 40, "schedule": "cosine", "threads": 2, "eval_every": 11},
    "tags": {"steps": 40, "schedule": "cosine", "threads": 2, "eval_every": 11},
}


@pytest.fixture(scope="module", params=LAYOUTS)
def uninterrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, tuple[bytes, bytes], int]:
    """A layout, the files of a training that was never left, and how often it yields."""
    trainer = start_in(request.param, **LEFT[request.param])
    yields = sum(1 for _ in trainer)
    return request.param, saved_bytes(trainer, tmp_path_factory.mktemp("uninterrupted")), yields


@hypothesis(deadline=None, max_examples=6)
@given(data=st.data())
def test_it_can_be_left_at_any_yield(
    uninterrupted: tuple[str, tuple[bytes, bytes], int],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    layout, expected, yields = uninterrupted
    folder, trainer = tmp_path_factory.mktemp("left"), start_in(layout, **LEFT[layout])
    for left_after in sorted(data.draw(st.lists(st.integers(1, yields), min_size=1, max_size=3))):
        for n, _ in enumerate(trainer, 1):
            if n == left_after:
                break
        trainer = resumed(trainer, TEXTS[layout], folder)
    assert saved_bytes(run(trainer), folder) == expected


@pytest.mark.parametrize(
    "option", [{"drop_connect": 0.4}, {"dropout": 0.4, "locked_dropout": True}, {"ema_decay": 0.9}], ids=str
)
def test_masks_and_averages_continue_as_they_were(option: dict[str, Any], engine_name: str, tmp_path: Path) -> None:
    options = option | {"engine": engine_name, "eval_every": 5, "layers": 2}
    whole = run(start(steps=25, **options))
    part = run(start(steps=13, **options))
    again = run(resumed(part, TEXT, tmp_path, steps=25))
    assert saved_bytes(whole, tmp_path) == saved_bytes(again, tmp_path)


def test_a_finished_training_stays_as_it_is(tmp_path: Path) -> None:
    trainer = run(start(steps=12, **BORDERS["stream"]))
    before = saved_bytes(trainer, tmp_path)
    assert saved_bytes(run(resumed(trainer, TEXT, tmp_path)), tmp_path) == before


# What may change, and what may not


def test_another_corpus_is_refused(tmp_path: Path) -> None:
    trainer = run(start(steps=2))
    with pytest.raises(CorpusError, match="not the one"):
        resumed(trainer, TEXT + ".", tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        {"cell": "gru"},
        {"nonlinearity": "relu"},
        {"hidden_size": 17},
        {"layers": 2},
        {"batch_size": 9},
        {"seq_length": 17},
        {"optimizer": "sgd"},
        {"layout": "lines"},
        {"val_fraction": 0.2},
        {"val_spread": True},
        {"min_count": 3},
        {"seed": 2},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_that_the_state_depends_on_can_not_change(option: dict[str, Any], tmp_path: Path) -> None:
    trainer = run(start(steps=2))
    (name,) = option
    with pytest.raises(ConfigError, match=f"{name} is .* can't become"):
        resumed(trainer, TEXT, tmp_path, **option)
    same = SMALL["stream"] | {
        "cell": "lstm",
        "nonlinearity": "tanh",
        "optimizer": "adam",
        "layout": "stream",
        "val_fraction": 0.1,
        "val_spread": False,
        "min_count": 0,
    }
    assert resumed(trainer, TEXT, tmp_path, **{name: same[name]})


def test_the_nonlinearity_of_an_rnn_can_not_change(tmp_path: Path) -> None:
    for kept, other in (("relu", "tanh"), ("tanh", "relu")):
        trainer = run(start(steps=2, cell="rnn", nonlinearity=kept))
        assert resumed(trainer, TEXT, tmp_path, nonlinearity=kept, steps=3).state.model_config.nonlinearity == kept
        with pytest.raises(ConfigError, match=f"nonlinearity is {kept} in the run to resume, and can't become {other}"):
            resumed(trainer, TEXT, tmp_path, nonlinearity=other)


@pytest.mark.parametrize("option", [{"val_spread": True}, {"min_count": 30}], ids=str)
@pytest.mark.parametrize("steps", [3, 11])
def test_a_run_whose_text_is_split_or_read_in_another_way_resumes_so(
    option: dict[str, Any], steps: int, tmp_path: Path
) -> None:
    options = {"eval_every": 4, "dropout": 0.2} | option
    whole = run(start(steps=25, **options))
    rest = run(resumed(run(start(steps=steps, **options)), TEXT, tmp_path, steps=25))
    assert whole.state.counters.epoch > 1
    assert saved_bytes(rest, tmp_path) == saved_bytes(whole, tmp_path)
    assert len(rest.state.vocabulary) < len(set(TEXT)) or "val_spread" in option


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_with_a_text_of_its_own_to_validate_on_resumes_with_that_alone(layout: str, tmp_path: Path) -> None:
    text = TEXTS[layout]
    corpus = from_text(text, val_text=text[: text.index("\n", 900) + 1])
    whole = run(start_in(layout, corpus, steps=9, eval_every=4))
    part = run(start_in(layout, corpus, steps=5, eval_every=4))
    path = tmp_path / "state.safetensors"
    save_state(path, part.state)
    rest = run(resume(corpus, load_state(path), steps=9))
    assert saved_bytes(rest, tmp_path) == saved_bytes(whole, tmp_path)
    for other in (from_text(text, val_text=text), from_text(text)):
        with pytest.raises(CorpusError, match="the text to validate on is not the text to validate on, with which"):
            resume(other, load_state(path), steps=9)
    with pytest.raises(CorpusError, match="began without a text of its own"):
        resume(corpus, start_in(layout, steps=1).state, steps=9)


def test_other_options_can_change(tmp_path: Path) -> None:
    trainer = run(start(steps=2))
    rest = resumed(trainer, TEXT, tmp_path, steps=4, lr=0.5, dropout=0.25, eval_every=3, threads=2, clip=1)
    assert [p.lr for p in rest if p.chars] == [0.5, 0.5]
    assert rest.state.model_config.dropout == 0.25
    assert [row.step for row in rest.history] == [3, 4]


def test_the_layout_can_not_change(tmp_path: Path) -> None:
    lines, names = run(start_in("lines", steps=2)), TEXTS["lines"]
    with pytest.raises(ConfigError, match="layout is lines in the run to resume, and can't become stream"):
        resumed(lines, names, tmp_path, layout="stream")
    with pytest.raises(ConfigError, match="layout is stream in the run to resume, and can't become lines"):
        resumed(run(start_in("lines", steps=2, layout="stream")), names, tmp_path, layout="lines")
    assert resumed(lines, names, tmp_path, layout="lines")


def test_a_length_that_is_exceeded_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already at step 3, past 2"):
        resumed(run(start(steps=3)), TEXT, tmp_path, steps=2)


def test_an_average_of_the_weights_can_begin_and_end_on_the_way(tmp_path: Path) -> None:
    part = run(start(steps=10))
    again = run(resumed(part, TEXT, tmp_path, steps=20, ema_decay=0.9))
    assert set(again.state.ema) == set(again.state.params)
    assert run(resumed(again, TEXT, tmp_path, steps=25, ema_decay=0.0)).state.ema == {}


# The learning rate


@pytest.mark.parametrize("more", [{"steps": 60}, {"epochs": 6}, {"time": 3}])
def test_a_training_whose_rate_has_fallen_never_continues_at_a_rate_of_zero(
    more: dict[str, Any], clock: Clock, tmp_path: Path
) -> None:
    ended = run(start(steps=30, schedule="linear", warmup=4, hold=10, cooldown=16))
    again, rates = resumed(ended, TEXT, tmp_path, **more), list[float]()
    for progress in again:
        if progress.chars:
            rates.append(progress.lr)
            clock.now += 0.05
    assert rates[0] == pytest.approx(0.005)
    assert min(rates) > 0
    assert rates == sorted(rates, reverse=True)
    assert again.state.counters.step > 50
    assert rates[-1] < 0.001


def test_a_planned_cooldown_continues(tmp_path: Path) -> None:
    options = {"schedule": "linear", "warmup": 2, "hold": 10, "cooldown": 18, "eval_every": 5}
    whole, part = run(start(steps=30, **options)), run(start(steps=17, **options))
    rest = run(resumed(part, TEXT, tmp_path, steps=30))
    assert saved_bytes(whole, tmp_path) == saved_bytes(rest, tmp_path)


def test_a_schedule_with_a_cooldown_can_become_one_without(tmp_path: Path) -> None:
    part = run(start(steps=5, schedule="linear", hold=10, cooldown=18))
    assert run(resumed(part, TEXT, tmp_path, steps=9, schedule="constant")).state.training_config.hold == 0
    with pytest.raises(ConfigError, match="linear or cosine"):
        resumed(run(start(steps=5)), TEXT, tmp_path, steps=9, cooldown=3)
    with pytest.raises(ConfigError, match="cooldown"):
        resumed(part, TEXT, tmp_path, time=9, cooldown=3)


# A state that does not fit the corpus


@pytest.mark.parametrize(
    "change", [{"batch": 1}, {"epoch": 1}, {"step": 6}, {"order": 1 << 53}, {"batch": 99, "step": 99}], ids=str
)
def test_a_position_that_the_corpus_does_not_have_is_refused(change: dict[str, int]) -> None:
    trainer = run(start_in("lines", steps=5))
    assert trainer.state.counters.batch == 5
    for name, value in change.items():
        setattr(trainer.state.counters, name, value)
    with pytest.raises(CheckpointError, match="damaged"):
        Trainer(from_text(TEXTS["lines"]), trainer.state)


def test_a_state_with_another_number_of_rows_is_refused() -> None:
    state = run(start_in("lines", steps=5)).state
    state.rnn_state = state.rnn_state[:, :, 1:]
    with pytest.raises(CheckpointError, match="damaged"):
        Trainer(from_text(TEXTS["lines"]), state)
