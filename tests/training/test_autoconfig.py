"""The automatic configuration: for some time, what is not given is chosen for this machine and this text."""

import importlib.util
import math
import time
from typing import Any, cast

import pytest

from charrnn import engine as engines
from charrnn.dataset.corpus import from_text
from charrnn.dataset.split import split_corpus
from charrnn.engine import compile_cache, compile_time
from charrnn.engine.selection import MIN_TIME_PER_COMPILE_TIME
from charrnn.errors import ConfigError
from charrnn.model.line_scores import MIN_LINES
from charrnn.training import autoconfig, budget, few_data, finetuning, machine
from charrnn.training import options as train_options
from charrnn.training.deadline import Deadline
from charrnn.training.options import TrainOptions, complete, resolve_layout, training_config
from support.processes import TEXT
from support.trainings import place_names, run, start_in, start_on

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that learns with a billion operations per second."""
    monkeypatch.setattr(
        machine, "measure_throughput", lambda engine, threads, model, B, T, config: 1e9 / budget.operations(model)
    )


@pytest.mark.parametrize(("given", "threads"), [({}, 4), ({"batch_size": 64}, 8), ({"threads": 3}, 3)])
def test_the_threads_follow_from_the_batch_that_is_chosen(
    given: Any, threads: int, slow_machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "available_cores", lambda: 16)
    found = autoconfig.fit_to_time(from_text(TEXT * 40), {"engine": "numpy", **given}, Deadline(100, 0.6))
    assert (found["batch_size"], found["threads"]) == (given.get("batch_size", 32), threads)


@pytest.mark.parametrize(("speed", "precision"), [(0.9, "float32"), (1.1, "bfloat16")])
def test_auto_is_the_precision_that_is_measured_as_the_faster_one(
    speed: float, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(engine: Any, threads: int, model: Any, B: int, T: int, config: Any) -> float:
        return 1e9 / budget.operations(model) * (1 if engine is engines.load("numpy") else speed)

    monkeypatch.setattr(machine, "measure_throughput", measured)
    monkeypatch.setattr(train_options.engines, "resolve_precision", lambda name, engine: "bfloat16")
    given: TrainOptions = {"engine": "numpy", "precision": "auto"}
    assert autoconfig.fit_to_time(from_text(TEXT * 40), given, Deadline(100, 0.6))["precision"] == precision


def test_a_width_is_chosen_for_the_speed_of_the_faster_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(engine: Any, threads: int, model: Any, B: int, T: int, config: Any) -> float:
        return 1e10 / budget.operations(model) * (1 if engine is engines.load("numpy") else in_bfloat16)

    monkeypatch.setattr(machine, "measure_throughput", measured)
    resolved = {"auto": "bfloat16", "bfloat16": "bfloat16", "float32": "float32"}
    monkeypatch.setattr(train_options.engines, "resolve_precision", lambda name, engine: resolved[name])
    corpus, sizes = from_text(TEXT * 4000), {}
    for in_bfloat16 in (0.25, 1, 4):
        for precision in ("auto", "float32", "bfloat16"):
            found = autoconfig.fit_to_time(corpus, {"engine": "numpy", "precision": precision}, Deadline(100, 0.6))
            sizes[in_bfloat16, precision] = found["hidden_size"]
    assert sizes[0.25, "bfloat16"] < sizes[0.25, "auto"] == sizes[0.25, "float32"]
    assert sizes[4, "float32"] < sizes[4, "auto"] == sizes[4, "bfloat16"]


def test_auto_is_float32_if_the_chosen_network_is_faster_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(engine: Any, threads: int, model: Any, B: int, T: int, config: Any) -> float:
        is_narrow = model.hidden_size < autoconfig.REFERENCE_MODEL.hidden_size
        in_bfloat16 = 0.8 if is_narrow else 2
        return 1e9 / budget.operations(model) * (1 if engine is engines.load("numpy") else in_bfloat16)

    monkeypatch.setattr(machine, "measure_throughput", measured)
    monkeypatch.setattr(train_options.engines, "resolve_precision", lambda name, engine: "bfloat16")
    corpus = from_text(TEXT * 40)
    for size, given, precision, speed in (
        (16, "auto", "float32", 1.0),
        (256, "auto", "bfloat16", 2.0),
        (16, "bfloat16", "bfloat16", 0.8),
    ):
        options: dict[str, Any] = {"engine": "numpy", "precision": given, "hidden_size": size, "layers": 1}
        found = autoconfig.fit_to_time(corpus, cast(TrainOptions, options), Deadline(20, 0.6))
        assert found["precision"] == precision
        model, config = complete(corpus, found)
        read = config.steps * split_corpus(corpus, config).training.chars_read_per_step
        assert read * budget.operations(model) == pytest.approx(speed * 20e9, rel=0.15)  # less the evaluations


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The functions in the cache, which a test may change, on a machine like that of the table, with bfloat16."""
    names: set[str] = set()
    monkeypatch.setattr(compile_cache, "compiled", lambda: names)
    monkeypatch.setattr(compile_time, "_slowness", lambda: 1.0)
    monkeypatch.setattr(engines, "precision_to_compile", lambda name: "float32" if name == "float32" else "bfloat16")
    return names


@needs_numba
@pytest.mark.parametrize("options", [{}, {"precision": "auto"}, {"engine": "numba"}])
def test_a_time_that_is_too_short_to_compile_both_precisions_is_spent_in_float32(
    options: Any, compiled: set[str]
) -> None:
    def chosen(seconds: float, **others: Any) -> str:
        return autoconfig.choose_precision({**options, **others}, None, seconds, samples=True)

    exact, both = (autoconfig.kernels({"precision": name}, None, samples=True) for name in ("float32", "auto"))
    least = [MIN_TIME_PER_COMPILE_TIME * compile_time.to_compile(kernels) for kernels in (exact, both)]
    assert 10 < least[0] < least[1] - 3
    assert [chosen(seconds) for seconds in (least[0], least[1] - 1, least[1])] == ["float32", "float32", "auto"]
    assert chosen(1e6, engine="numpy") == "float32"
    assert chosen(1, precision="bfloat16") == "bfloat16"
    assert chosen(1e6, precision="float32") == "float32"
    compiled |= exact
    assert [chosen(seconds) for seconds in (1, 60)] == ["float32", "auto"]
    compiled |= both
    assert chosen(1) == "auto"
    assert chosen(1, cell="gru") == "float32"


@needs_numba
def test_a_run_of_a_given_time_has_the_faster_precision_by_default_and_others_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(engine: Any, threads: int, model: Any, B: int, T: int, config: Any) -> float:
        return 1e9 / budget.operations(model) * (1 if engine is engines.load("numba") else 2)

    monkeypatch.setattr(machine, "measure_throughput", measured)
    monkeypatch.setattr(engines, "pays", lambda seconds, kernels: True)
    here = engines.precision_to_compile("auto")
    for options, precision in (
        ({"time": 100.0}, here),
        ({}, here),
        ({"time": 100.0, "precision": "float32"}, "float32"),
        ({"time": 100.0, "engine": "numpy"}, "float32"),
        ({"steps": 10}, "float32"),
        ({"epochs": 1}, "float32"),
    ):
        assert start_on(TEXT * 40, **{"engine": "numba", **options}).state.training_config.precision == precision


def test_options_that_are_not_given_are_chosen_for_the_time(slow_machine: None) -> None:
    corpus = from_text(TEXT * 40)
    given: TrainOptions = {"seed": 3, "cell": "gru", "eval_every": 7, "engine": "numpy"}
    found = autoconfig.fit_to_time(corpus, given, Deadline(100, 0.6))
    assert found.items() >= (given | {"schedule": "linear"}).items()
    model, config = complete(corpus, found)
    assert config.warmup + config.hold + config.cooldown == pytest.approx(config.steps, abs=1)
    shape = {"batch_size": config.batch_size, "seq_length": config.seq_length}
    read = config.steps * start_in("stream", TEXT * 40, steps=1, **shape).training_data.chars_per_step
    assert read * budget.operations(model) == pytest.approx(100e9, rel=0.1)
    assert config.val_fraction == 0.1


def test_less_of_a_text_is_held_out_if_validation_would_take_too_long(slow_machine: None) -> None:
    corpus, deadline = from_text(TEXT * 700), Deadline(20, 0.6)
    found = autoconfig.fit_to_time(corpus, {"hidden_size": 128}, deadline)
    assert 0.001 < found["val_fraction"] < 0.1
    assert deadline.evaluation == pytest.approx(20 / 15, rel=0.5)
    assert autoconfig.fit_to_time(corpus, {"hidden_size": 128, "val_fraction": 0.2}, deadline)["val_fraction"] == 0.2


def test_enough_lines_are_held_out_to_tell_what_an_unusual_one_is(slow_machine: None) -> None:
    corpus = from_text(place_names(1, 6001))
    chosen = autoconfig.fit_to_time(corpus, {"hidden_size": 256, "layout": "lines"}, Deadline(2, 0.6))
    assert len(split_corpus(corpus, training_config(chosen)).validation.lines) > MIN_LINES


def test_a_text_of_its_own_is_validated_on_as_a_whole_or_refused(slow_machine: None) -> None:
    for times, is_refused in ((8, False), (700, True)):
        corpus = from_text(TEXT * 40, val_text=TEXT * times)
        if not is_refused:
            assert "val_fraction" not in autoconfig.fit_to_time(corpus, {"hidden_size": 128}, Deadline(20, 0.6))
            continue
        with pytest.raises(ConfigError, match=r"would take about .* of the 20 seconds"):
            autoconfig.fit_to_time(corpus, {"hidden_size": 128}, Deadline(20, 0.6))
        model, config = complete(corpus, {"hidden_size": 128, "steps": 1})
        with pytest.raises(ConfigError, match=r"would take about .* of the 20 seconds"):
            autoconfig.extend(corpus, model, config, 1, Deadline(20, 0.6))


@pytest.mark.parametrize(("option", "schedule"), [({"lr_decay": 0.5}, "step"), ({"schedule": "constant"}, "constant")])
def test_a_schedule_that_does_not_anneal_has_no_cooldown(option: Any, schedule: str, slow_machine: None) -> None:
    found = autoconfig.fit_to_time(from_text(TEXT * 40), option, Deadline(10, 0.6))
    assert found["schedule"] == schedule
    assert not {"hold", "cooldown"} & set(found)


def test_averaged_weights_double_the_time_of_an_evaluation(slow_machine: None) -> None:
    deadlines = [Deadline(100, 0.6) for _ in range(2)]
    averages: list[TrainOptions] = [{}, {"ema_decay": 0.9}]
    for deadline, options in zip(deadlines, averages, strict=True):
        given: TrainOptions = {"hidden_size": 32, "val_fraction": 0.1}
        autoconfig.fit_to_time(from_text(TEXT * 40), given | options, deadline)
    assert deadlines[1].evaluation == pytest.approx(2 * deadlines[0].evaluation)


def test_more_short_lines_are_read_side_by_side(slow_machine: None) -> None:
    corpus = from_text("".join(f"{n:07}\n" for n in range(8000)))
    found = autoconfig.fit_to_time(corpus, {"layout": "lines", "seed": 1}, Deadline(100, 0.6))
    assert found["batch_size"] == 256
    assert autoconfig.fit_to_time(corpus, {"seed": 1}, Deadline(100, 0.6))["batch_size"] == 32


def test_both_engines_keep_to_the_time(engine_name: str) -> None:
    began, seconds = time.monotonic(), 6
    trainer = run(start_on(TEXT * 40, time=seconds, hidden_size=16, engine=engine_name, seed=1))
    took = time.monotonic() - began
    assert seconds / 2 < took < (3 * seconds if engine_name == "numpy" else 60)  # numba may have to compile
    assert trainer.state.training_config.engine == engine_name
    assert trainer.state.counters.step == trainer.state.training_config.steps


def few_lines(n: int) -> str:
    """So many different lines of six characters and a newline."""
    return "".join(f"{n:06}\n" for n in range(n))


@pytest.mark.parametrize(
    ("text", "options", "line"),
    [
        (TEXT, {}, math.inf),
        (TEXT * 20, {"val_spread": True}, math.inf),
        (few_lines(300), {"layout": "lines"}, 7),
        ("".join(f"{n:090}\n" for n in range(100)), {"layout": "lines"}, 91),
        ("".join(f"{n:03}\t{n:06}\n" for n in range(300)), {"layout": "pairs", "attention": False}, 11),
    ],
)
def test_a_short_text_is_read_as_often_as_it_is_worth_and_no_more(
    text: str, options: Any, line: float, slow_machine: None
) -> None:
    found, deadlines = [], [Deadline(seconds, 0.6) for seconds in (20_000, 500_000)]
    for deadline in deadlines:
        corpus = from_text(text)
        found.append(autoconfig.fit_to_time(corpus, {"seed": 1, **resolve_layout(corpus, options)}, deadline))
    assert found[0] == found[1]
    _, config = complete(from_text(text), found[0])
    data = split_corpus(from_text(text), config).training
    assert deadlines[0].max_steps == few_data.max_steps(data.chars_read, line, data.steps_per_epoch)
    assert config.steps == int(deadlines[0].max_steps)
    assert config.warmup + config.hold + config.cooldown == pytest.approx(config.steps, abs=1)
    assert config.steps / config.eval_every >= 10


@pytest.mark.parametrize("options", [{}, {"val_fraction": 0.0}])
def test_what_is_chosen_for_a_long_text_does_not_depend_on_what_short_ones_are_worth(
    options: Any, slow_machine: None
) -> None:
    deadline = Deadline(10**6, 0.6)
    autoconfig.fit_to_time(from_text(TEXT * 1000), {"seed": 1, "hidden_size": 32, **options}, deadline)
    assert deadline.max_steps == math.inf


@pytest.mark.parametrize(
    ("n", "options", "is_capped"),
    [(120, {}, True), (40, {}, True), (5000, {"val_fraction": 0.0}, True), (1000, {}, False)],
)
def test_a_fine_tuning_that_holds_nothing_out_ends_after_a_few_epochs(
    n: int, options: Any, is_capped: bool, slow_machine: None
) -> None:
    corpus, deadline = from_text(few_lines(n)), Deadline(50_000, 0.6)
    given: TrainOptions = {"layout": "lines", "seed": 1, "hidden_size": 16, "dropout": 0.0, "drop_connect": 0.0}
    found = autoconfig.fit_to_time(corpus, given | options, deadline, is_finetuned=True)
    _, config = complete(corpus, found)
    epochs = finetuning.MAX_EPOCHS if is_capped else math.inf
    assert deadline.max_steps == epochs * split_corpus(corpus, config).training.steps_per_epoch
    assert (config.patience == 0) == is_capped
    if is_capped:
        assert config.steps == deadline.max_steps
        assert config.warmup + config.hold + config.cooldown == pytest.approx(config.steps, abs=1)


def test_a_run_that_goes_on_with_a_used_up_text_is_patient_with_it_no_longer(slow_machine: None) -> None:
    for text, patience in ((TEXT, finetuning.PATIENCE), (TEXT * 400, 0)):
        deadline = Deadline(10, 0.6)
        model, config = complete(from_text(text), {"hidden_size": 16, "steps": 1, "seed": 1})
        autoconfig.extend(from_text(text), model, config, 1, deadline)
        assert deadline.patience == patience
