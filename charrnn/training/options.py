"""The options of a training: checked, and completed to a whole configuration."""

import secrets
from dataclasses import fields, replace
from typing import Any

from charrnn import engine as engines
from charrnn.config import ANNEALED, LEARNING_RATES, ModelConfig, TrainingConfig, between
from charrnn.dataset import split
from charrnn.dataset.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.training.deadline import MIN_SECONDS

DEFAULT_TIME = 180.0
"""Seconds of a run of unstated length."""
MAX_TIME = 1e7
"""Seconds that can be asked for."""
MODEL_OPTIONS = {field.name for field in fields(ModelConfig)} - {"vocab_size"}
TRAINING_OPTIONS = {field.name for field in fields(TrainingConfig)}
LENGTH_OPTIONS = ("steps", "epochs", "time")


def plan(corpus: Corpus, options: dict[str, Any]) -> tuple[ModelConfig, TrainingConfig]:
    """Completes the options, named as the fields of `ModelConfig` and `TrainingConfig`, or `epochs` for `steps`.

    What isn't given has the default of its field, but for the seed, which is drawn, the rate, which is the optimizer's,
    the weight decay, 0.01 for adamw, and the threads, one for each core. Raises `ConfigError` for options that don't
    exist or are out of bounds.
    """
    model = model_config(len(corpus.vocabulary), options)
    chosen = resolve_defaults(options)
    if "optimizer" in options:
        chosen.setdefault("lr", LEARNING_RATES.get(options["optimizer"], 0.0))
        chosen.setdefault("weight_decay", 0.01 if options["optimizer"] == "adamw" else 0.0)
    config = training_config(chosen)
    if "epochs" in options:
        config = replace(config, steps=options["epochs"] * split.split_corpus(corpus, config).learned.chunks)
    if config.schedule not in ANNEALED and (config.hold or config.cooldown):
        raise ConfigError("hold and cooldown are only for schedule linear or cosine")
    return model, config


def resolve_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """The options with a seed, a number of threads and the name of an engine."""
    settled = {"seed": secrets.randbelow(1_000_000), "threads": engines.available_cores()} | options
    return settled | {"engine": engines.resolve(options.get("engine", "auto"))}


def model_config(V: int, options: dict[str, Any]) -> ModelConfig:
    return ModelConfig(V, **{name: options[name] for name in MODEL_OPTIONS & set(options)})


def training_config(options: dict[str, Any]) -> TrainingConfig:
    return TrainingConfig(**{"steps": 0} | {name: options[name] for name in TRAINING_OPTIONS & set(options)})


def check(options: dict[str, Any]) -> None:
    """Raises `ConfigError` for options that don't exist, are out of bounds or contradict each other.

    It needs no corpus, which may take long to read: only what is given is looked at.
    """
    if unknown := set(options) - MODEL_OPTIONS - TRAINING_OPTIONS - set(LENGTH_OPTIONS):
        raise ConfigError(f"there is no option {', '.join(sorted(unknown))}")
    if len(lengths := [f"--{name}" for name in LENGTH_OPTIONS if name in options]) > 1:
        raise ConfigError(f"{' and '.join(lengths)} each say how long: give one")
    if type(seconds := options.get("time", DEFAULT_TIME)) not in (int, float):
        raise ConfigError(f"time can't be {seconds!r}")
    between("time, in seconds,", seconds, MIN_SECONDS, MAX_TIME)
    if type(epochs := options.get("epochs", 0)) is not int:
        raise ConfigError(f"epochs can't be {epochs!r}")
    between("epochs", epochs, 0, 2**31)
    model_config(1, options)
    engines.resolve(options.get("engine", "numpy"), 0)
    config = training_config({name: value for name, value in options.items() if name != "engine"})
    for name, other, fits in (
        ("momentum", "optimizer sgd", config.optimizer == "sgd"),
        ("lr_decay", "schedule step", options.get("schedule", "step") == "step"),
        ("lr_decay_after", "schedule step", options.get("schedule", "step") == "step"),
        ("hold", "a known length, with --steps or --epochs", "time" not in options),
        ("cooldown", "a known length, with --steps or --epochs", "time" not in options),
        ("clip_by", "a clip above 0", config.clip > 0),
    ):
        if name in options and not fits:
            raise ConfigError(f"{name} is only for {other}")
