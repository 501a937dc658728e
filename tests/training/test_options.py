"""The options of a training: typed, completed to a whole configuration, and refused if they are out of range."""

import math
import typing
from dataclasses import fields
from typing import Any

import pytest

from charrnn import engine as engines
from charrnn.config import (
    CELLS,
    CLIPPINGS,
    LAYOUTS,
    NONLINEARITIES,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    ModelConfig,
    TrainingConfig,
)
from charrnn.dataset.corpus import from_text
from charrnn.dataset.split import split_corpus
from charrnn.engine import ENGINES, available_cores
from charrnn.errors import ConfigError
from charrnn.training import options as train_options
from charrnn.training.options import DATA_FIELDS, TrainOptions, complete
from support.processes import TEXT
from support.trainings import TEXTS, start_in, start_on

# The type

NAMES = {
    "cell": CELLS,
    "nonlinearity": NONLINEARITIES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "clip_by": CLIPPINGS,
    "layout": LAYOUTS,
    "exchange": PRECISIONS,
    "engine": ENGINES,
    "precision": ("auto", *PRECISIONS),
}
"""The options that are one of several names."""


@pytest.mark.parametrize(("option", "names"), NAMES.items(), ids=[*NAMES])
def test_type_checkers_know_the_names_that_an_option_may_have(option: str, names: tuple[str, ...]) -> None:
    assert typing.get_args(typing.get_type_hints(TrainOptions)[option]) == names


def test_the_options_are_the_fields_of_both_configurations_the_attention_and_two_lengths() -> None:
    wanted = typing.get_type_hints(ModelConfig) | typing.get_type_hints(TrainingConfig)
    for name in DATA_FIELDS:
        del wanted[name]
    found = typing.get_type_hints(TrainOptions)
    assert {name: str if name in NAMES else kind for name, kind in found.items()} == wanted | {
        "attention": bool,
        "epochs": int,
        "time": float,
    }
    assert TrainOptions.__required_keys__ == frozenset()


def test_the_options_are_in_the_order_of_the_fields() -> None:
    names = [field.name for config in (ModelConfig, TrainingConfig) for field in fields(config)]
    assert list(TrainOptions.__annotations__) == [
        *(n for n in names if n not in DATA_FIELDS),
        "attention",
        "epochs",
        "time",
    ]


# Their defaults


def test_missing_options_have_their_defaults() -> None:
    corpus = from_text(TEXT * 40)
    model, config = complete(corpus, {"steps": 7})
    assert model == ModelConfig(len(corpus.vocabulary))
    assert config == TrainingConfig(7, seed=config.seed, threads=config.threads, engine=config.engine)
    assert config.threads == min(available_cores(), 6) >= 1


@pytest.mark.parametrize(
    ("cores", "options", "threads"),
    [
        (2, {"batch_size": 1}, 2),
        (4, {"batch_size": 32}, 4),
        (16, {"batch_size": 10}, 4),
        (16, {}, 6),
        (16, {"batch_size": 64}, 8),
        (16, {"batch_size": 500}, 16),
        (16, {"batch_size": 10, "threads": 16}, 16),
    ],
)
def test_more_than_a_few_threads_have_eight_rows_each(
    cores: int, options: Any, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "available_cores", lambda: cores)
    assert complete(from_text(TEXT * 40), {"steps": 7, **options})[1].threads == threads


@pytest.mark.parametrize("option", [{"steps": 70}, {"epochs": 3}])
def test_a_training_of_known_length_has_the_step_schedule(option: Any) -> None:
    _, config = complete(from_text(TEXT * 40), option)
    assert config.schedule == "step"
    data = start_in("stream", TEXT * 40, batch_size=50, seq_length=50, steps=1).training_data
    assert config.steps == option.get("steps", 3 * data.steps_per_epoch)


def test_epochs_are_those_of_the_layout() -> None:
    corpus = from_text("".join(f"line {n}\n" for n in range(300)))
    for layout in ("stream", "lines"):
        _, config = complete(corpus, {"layout": layout, "epochs": 7, "seed": 1})
        assert config.steps == 7 * split_corpus(corpus, config).training.steps_per_epoch


@pytest.mark.parametrize(
    ("optimizer", "lr"), [("adam", 5e-3), ("adamw", 5e-3), ("rmsprop", 2e-3), ("adagrad", 0.1), ("sgd", 0.1)]
)
def test_the_learning_rate_is_that_of_the_optimizer(optimizer: str, lr: float) -> None:
    corpus = from_text(TEXT)
    assert complete(corpus, {"steps": 1, "optimizer": optimizer})[1].lr == lr
    assert complete(corpus, {"steps": 1, "optimizer": optimizer, "lr": 0.5})[1].lr == 0.5


def test_labels_have_defaults_of_their_own() -> None:
    corpus = from_text(TEXTS["labels"])
    model, config = complete(corpus, {"layout": "labels", "steps": 7})
    assert (model.cell, model.layers, model.hidden_size, model.dropout, model.drop_connect) == ("gru", 1, 128, 0.4, 0.3)
    assert (config.batch_size, config.lr, config.clip, config.schedule) == (64, 0.005, 1.0, "step")
    model, config = complete(corpus, {"layout": "labels", "steps": 7, "cell": "lstm", "dropout": 0.0, "lr": 0.1})
    assert (model.cell, model.dropout, model.drop_connect, config.lr) == ("lstm", 0.0, 0.3, 0.1)
    assert complete(corpus, {"layout": "labels", "steps": 7, "optimizer": "sgd"})[1].lr == 0.1
    assert complete(from_text(TEXTS["tags"]), {"layout": "tags", "steps": 7})[0].cell == "lstm"


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adamw", 0.01), ("sgd", 0.0)])
def test_only_adamw_has_a_weight_decay_by_default(optimizer: str, decay: float) -> None:
    assert complete(from_text(TEXT), {"steps": 1, "optimizer": optimizer})[1].weight_decay == decay


def test_the_seed_is_random_if_none_is_given() -> None:
    seeds = {complete(from_text(TEXT), {"steps": 1})[1].seed for _ in range(5)}
    assert len(seeds) > 1
    assert all(0 <= seed < 1_000_000 for seed in seeds)


# Options that are refused


@pytest.mark.parametrize("option", ["hold", "cooldown"])
def test_a_training_of_some_time_finds_its_own_cooldown(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is only for a known length"):
        start_on(TEXT, time=5, **{option: 10})


def test_unknown_options_are_refused() -> None:
    unknown: Any = {"hiden_size": 3, "step": 1}
    with pytest.raises(ConfigError, match="no option hiden_size, step"):
        train_options.check(unknown)
    unknown = {"vocab_size": 3}
    with pytest.raises(ConfigError, match="vocab_size"):
        train_options.check(unknown)


@pytest.mark.parametrize(
    ("unknown", "message"),
    [
        (["lines"], 'there is no option lines: did you mean layout="lines"?'),
        (["hiden_size"], "there is no option hiden_size: did you mean hidden_size?"),
        (["step", "hiden_size"], "there is no option hiden_size, step: did you mean hidden_size, steps?"),
        (["xyz"], "there is no option xyz"),
    ],
    ids=str,
)
def test_the_nearest_option_is_suggested(unknown: list[str], message: str) -> None:
    options: Any = dict.fromkeys(unknown, 1)
    with pytest.raises(ConfigError) as error:
        train_options.check(options)
    assert str(error.value) == message


@pytest.mark.parametrize("names", [("steps", "epochs"), ("steps", "time"), ("epochs", "time")])
def test_only_one_option_can_set_the_length(names: tuple[str, str]) -> None:
    both: Any = dict.fromkeys(names, 5)
    with pytest.raises(ConfigError, match=f"`{names[0]}` and `{names[1]}` both set the length"):
        train_options.check(both)


@pytest.mark.parametrize(
    "option",
    [
        {"lr": math.nan},
        {"lr": -1.0},
        {"dropout": 1.0},
        {"drop_connect": 1.0},
        {"ema_decay": 1.0},
        {"patience": -1},
        {"hold": -1},
        {"cooldown": -1},
        {"steps": 9, "hold": 5},
        {"steps": 9, "schedule": "step", "cooldown": 5},
        {"time": 0},
        {"time": math.nan},
        {"time": "3m"},
        {"steps": -1},
        {"epochs": -1},
        {"cell": "cnn"},
        {"optimizer": "foo"},
        {"schedule": "foo"},
        {"layout": "foo"},
        {"clip_by": "foo"},
        {"val_fraction": 1.0},
        {"batch_size": 0},
        {"threads": 0},
        {"steps": 1.5},
        {"steps": True},
        {"hidden_size": "16"},
        {"locked_dropout": 1},
        {"epochs": 10**400},
        {"engine": "foo"},
        {"precision": "float16"},
        {"clip": math.inf},
    ],
    ids=lambda option: "{}={:.9}".format(*(str(part) for part in next(iter(option.items())))),
)
def test_options_out_of_range_are_refused(option: dict[str, Any]) -> None:
    *_, name = option
    with pytest.raises(ConfigError, match=name):
        start_on(TEXT, **option)


@pytest.mark.parametrize(
    ("option", "condition"),
    [
        ({"momentum": 0.5}, "optimizer sgd"),
        ({"schedule": "linear", "lr_decay": 0.5}, "schedule step"),
        ({"schedule": "linear", "lr_decay_after": 5}, "schedule step"),
        ({"clip": 0, "clip_by": "value"}, "a clip above 0"),
    ],
)
def test_options_without_effect_are_refused(option: dict[str, Any], condition: str) -> None:
    *_, name = option
    with pytest.raises(ConfigError, match=f"{name} is only for {condition}"):
        start_on(TEXT, steps=1, **option)
