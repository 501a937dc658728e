"""The recipe: from a corpus and the options that were given to a whole configuration."""

import math
import secrets
from dataclasses import fields
from typing import Any

from charrnn import budget, engine, reading
from charrnn.config import ANNEALED, LEARNING_RATES, ModelConfig, TrainingConfig, between
from charrnn.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.pace import Pace, speed

TIME = 180.0
"""Seconds of a run of unstated length."""
SHORTEST, LONGEST = 1.0, 1e7
"""Seconds that can be asked for."""
VALIDATING = 0.7
"""What validating on a character takes of the time that learning from one does."""
EVALUATING, MOST = 0.04, 12
"""The share of the time that evaluations on the way may take, and how many there are at most."""

MODEL = {field.name for field in fields(ModelConfig)} - {"vocab_size"}
TRAINING = {field.name for field in fields(TrainingConfig)}
LENGTHS = ("steps", "epochs", "time")


def plan(corpus: Corpus, options: dict[str, Any]) -> tuple[ModelConfig, TrainingConfig]:
    """Completes the options, named as the fields of `ModelConfig` and `TrainingConfig`, or `epochs` for `steps`.

    What isn't given has the default of its field, but for the seed, which is drawn, the rate, which is the optimizer's,
    the weight decay, 0.01 for adamw, and the threads, one for each core. Raises `ConfigError` for options that don't
    exist or are out of bounds.
    """
    model = ModelConfig(len(corpus.vocabulary), **{name: options[name] for name in MODEL & set(options)})
    chosen: dict[str, Any] = {"steps": 0, "seed": secrets.randbelow(1_000_000), "threads": engine.available_cores()}
    if "optimizer" in options:
        chosen["lr"] = LEARNING_RATES.get(options["optimizer"], 0.0)
        chosen["weight_decay"] = 0.01 if options["optimizer"] == "adamw" else 0.0
    chosen |= {name: options[name] for name in TRAINING & set(options)}
    chosen["engine"] = engine.resolve(chosen.get("engine", "auto"))
    config = TrainingConfig(**chosen)
    if "epochs" in options:
        chosen["steps"] = options["epochs"] * reading.of(corpus, config).learned.chunks
    return model, TrainingConfig(**chosen)


def timed(corpus: Corpus, options: dict[str, Any], pace: Pace) -> dict[str, Any]:
    """Completes the options of a run that is to end with the pace, by what this machine does: see `budget.choose`.

    The number of steps is an estimate, which the pace corrects on the way. Where it would take longer than a tenth of
    the time to read what is held out, less of the text is. Raises `ConfigError` for options that only a run of a known
    length can have.
    """
    if known := sorted({"hold", "cooldown"} & set(options)):
        raise ConfigError(f"--{known[0]} is for runs of known length, with --steps or --epochs: --time finds it out")
    options = {"seed": secrets.randbelow(1_000_000), "threads": engine.available_cores()} | options
    if {"lr_decay", "lr_decay_after"} & set(options):
        options.setdefault("schedule", "step")
    options["engine"] = engine.resolve(options.get("engine", "auto"))
    rate, seconds = speed(engine.load(options["engine"]), options["threads"]), max(pace.left(), SHORTEST)
    V, (learned, held_out, _) = len(corpus.vocabulary), reading.of(corpus, _training(options))
    records = {"record": learned.size / learned.lines} if learned.lines else {}
    options = budget.choose(rate * seconds, learned.size, V, options, **records)
    model = ModelConfig(V, **{name: options[name] for name in MODEL & set(options)})
    a_character = budget.operations(model) / rate
    evaluation = VALIDATING * a_character * held_out.size
    if evaluation > seconds / 10 and not {"val_fraction", "lines"} & set(options):
        options["val_fraction"] = float(f"{_training(options).val_fraction * seconds / 10 / evaluation:.1g}")
        evaluation = seconds / 10
    pace.evaluation = evaluation
    steps = max(1, int(seconds / a_character / reading.of(corpus, _training(options)).learned.per_step))
    evaluations = int(EVALUATING * seconds / evaluation) if evaluation else MOST
    ends = {"hold": int(steps * (1 - budget.COOLDOWN)), "cooldown": math.ceil(steps * budget.COOLDOWN)}
    return {
        "steps": steps,
        "warmup": min(budget.WARMUP, steps // 10),
        **(ends if options["schedule"] in ANNEALED else {}),
        "eval_every": max(1, steps // min(max(evaluations, 1), MOST)),
    } | options


def _training(options: dict[str, Any]) -> TrainingConfig:
    return TrainingConfig(**{"steps": 0} | {name: options[name] for name in TRAINING & set(options)})


def check(options: dict[str, Any]) -> None:
    """Raises `ConfigError` for options that don't exist, are out of bounds or contradict each other.

    It needs no corpus, which may take long to read: only what is given is looked at.
    """
    if unknown := set(options) - MODEL - TRAINING - set(LENGTHS):
        raise ConfigError(f"there is no option {', '.join(sorted(unknown))}")
    if len(lengths := [f"--{name}" for name in LENGTHS if name in options]) > 1:
        raise ConfigError(f"{' and '.join(lengths)} all say how long: give one")
    if type(seconds := options.get("time", TIME)) not in (int, float):
        raise ConfigError(f"time can't be {seconds!r}")
    between("time", seconds, SHORTEST, LONGEST)
    if type(epochs := options.get("epochs", 0)) is not int:
        raise ConfigError(f"epochs can't be {epochs!r}")
    between("epochs", epochs, 0, 2**31)
    ModelConfig(1, **{name: options[name] for name in MODEL & set(options)})
    engine.resolve(options.get("engine", "numpy"), 0)
    config = TrainingConfig(**{"steps": 0} | {name: options[name] for name in TRAINING & set(options) - {"engine"}})
    for name, other, fits in (
        ("momentum", "optimizer sgd", config.optimizer == "sgd"),
        ("lr_decay", "schedule step", options.get("schedule", "step") == "step"),
        ("lr_decay_after", "schedule step", options.get("schedule", "step") == "step"),
        ("hold", "schedule linear or cosine", options.get("schedule", "linear") in ANNEALED),
        ("cooldown", "schedule linear or cosine", options.get("schedule", "linear") in ANNEALED),
        ("clip_by", "a clip above 0", config.clip > 0),
    ):
        if name in options and not fits:
            raise ConfigError(f"{name} is only for {other}")
