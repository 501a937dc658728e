"""The recipe: from a corpus and the options that were given to a whole configuration."""

import math
import secrets
from dataclasses import fields, replace
from typing import Any

from charrnn import budget
from charrnn import engine as engines
from charrnn.config import ANNEALED, LEARNING_RATES, ModelConfig, TrainingConfig, between
from charrnn.dataset import split
from charrnn.dataset.corpus import Corpus
from charrnn.errors import ConfigError
from charrnn.pace import SHORTEST, Pace, speed

TIME = 180.0
"""Seconds of a run of unstated length."""
LONGEST = 1e7
"""Seconds that can be asked for."""
COMMON = ModelConfig(64, "lstm", 256, 1)
"""The network by which machines are compared."""
VALIDATING, VALIDATION = 0.7, 1 / 15
"""What validating on a character takes of the time that learning from one does; the share of all that it may take."""
EVALUATING, LEAST, MOST = 0.04, 2, 12
"""The share of the time that evaluations on the way may take, and how many there are at least and at most."""

MODEL = {field.name for field in fields(ModelConfig)} - {"vocab_size"}
TRAINING = {field.name for field in fields(TrainingConfig)}
LENGTHS = ("steps", "epochs", "time")


def plan(corpus: Corpus, options: dict[str, Any]) -> tuple[ModelConfig, TrainingConfig]:
    """Completes the options, named as the fields of `ModelConfig` and `TrainingConfig`, or `epochs` for `steps`.

    What isn't given has the default of its field, but for the seed, which is drawn, the rate, which is the optimizer's,
    the weight decay, 0.01 for adamw, and the threads, one for each core. Raises `ConfigError` for options that don't
    exist or are out of bounds.
    """
    model = _model(len(corpus.vocabulary), options)
    chosen = _settled(options)
    if "optimizer" in options:
        chosen.setdefault("lr", LEARNING_RATES.get(options["optimizer"], 0.0))
        chosen.setdefault("weight_decay", 0.01 if options["optimizer"] == "adamw" else 0.0)
    config = _training(chosen)
    if "epochs" in options:
        config = replace(config, steps=options["epochs"] * split.split_corpus(corpus, config).learned.chunks)
    if config.schedule not in ANNEALED and (config.hold or config.cooldown):
        raise ConfigError("hold and cooldown are only for schedule linear or cosine")
    return model, config


def timed(corpus: Corpus, options: dict[str, Any], pace: Pace) -> dict[str, Any]:
    """Completes the options of a run that is to end with the pace, by what this machine does: see `budget.choose`.

    The width is chosen by what the machine does with a common network, the rest by what it does with that. The number
    of steps is an estimate, which the pace corrects on the way. Where it would take too long to read what is held out,
    less of the text is.
    """
    options = _settled(options)
    if {"lr_decay", "lr_decay_after"} & set(options):
        options.setdefault("schedule", "step")
    V, (learned, held_out, _) = len(corpus.vocabulary), split.split_corpus(corpus, _training(options))
    record = learned.size / learned.lines if learned.lines else math.inf
    machine = (engines.load(options["engine"]), options["threads"])
    W = speed(*machine, COMMON, budget.ROWS // 2, budget.LENGTH) * budget.operations(COMMON)
    found = budget.choose(W * pace.budgeted(), learned.size, V, options, record)
    model, config = _model(V, found), _training(found)
    a_second = _speed(model, config, record)
    seconds = pace.budgeted()
    W = a_second * budget.operations(model) * seconds
    found = budget.choose(W, learned.size, V, options | {"hidden_size": model.hidden_size}, record)
    pace.evaluation = _validating(held_out.size, a_second, config)
    if pace.evaluation > VALIDATION * seconds and "val_fraction" not in options:
        fraction = float(f"{config.val_fraction * VALIDATION * seconds / pace.evaluation:.1g}")
        pace.evaluation *= fraction / config.val_fraction
        found["val_fraction"] = fraction
    steps = max(1, int(a_second * pace.budgeted() / split.split_corpus(corpus, _training(found)).learned.per_step))
    evaluations = int(EVALUATING * seconds / pace.evaluation) if pace.evaluation else MOST
    warmup = min(budget.WARMUP, steps // 10)
    fall = {"cooldown": math.ceil(steps * budget.COOLDOWN), "hold": int(steps * (1 - budget.COOLDOWN)) - warmup}
    return {
        "steps": steps,
        "warmup": warmup,
        **(fall if found["schedule"] in ANNEALED else {}),
        "eval_every": max(1, steps // min(max(evaluations, LEAST), MOST)),
    } | found


def prolonged(corpus: Corpus, model: ModelConfig, config: TrainingConfig, step: int, pace: Pace) -> TrainingConfig:
    """The configuration of a run that goes on from a step until the pace ends: its rate is full, then falls anew."""
    learned, held_out, _ = split.split_corpus(corpus, config)
    record = learned.size / learned.lines if learned.lines else math.inf
    a_second = _speed(model, config, record)
    pace.evaluation = _validating(held_out.size, a_second, config)
    more = max(1, int(a_second * pace.budgeted() / learned.per_step))
    if config.schedule not in ANNEALED:
        return replace(config, steps=step + more)
    cooldown = math.ceil(more * budget.COOLDOWN)
    hold = max(0, step + more - cooldown - config.warmup)
    return replace(config, steps=step + more, hold=hold, cooldown=cooldown)


def _speed(model: ModelConfig, config: TrainingConfig, record: float) -> float:
    """The characters a second that this machine learns from so; no step reads beyond a record of this mean length."""
    rows = -(-config.batch_size // config.threads)
    steps = max(1, int(min(config.seq_length, record)))
    return speed(engines.load(config.engine), config.threads, model, rows, steps)


def _validating(held_out: int, a_second: float, config: TrainingConfig) -> float:
    """The seconds that an evaluation takes, on so many characters."""
    return VALIDATING * held_out / a_second * (2 if config.average else 1)


def _settled(options: dict[str, Any]) -> dict[str, Any]:
    """The options with a seed, a number of threads and the name of an engine."""
    settled = {"seed": secrets.randbelow(1_000_000), "threads": engines.available_cores()} | options
    return settled | {"engine": engines.resolve(options.get("engine", "auto"))}


def _model(V: int, options: dict[str, Any]) -> ModelConfig:
    return ModelConfig(V, **{name: options[name] for name in MODEL & set(options)})


def _training(options: dict[str, Any]) -> TrainingConfig:
    return TrainingConfig(**{"steps": 0} | {name: options[name] for name in TRAINING & set(options)})


def check(options: dict[str, Any]) -> None:
    """Raises `ConfigError` for options that don't exist, are out of bounds or contradict each other.

    It needs no corpus, which may take long to read: only what is given is looked at.
    """
    if unknown := set(options) - MODEL - TRAINING - set(LENGTHS):
        raise ConfigError(f"there is no option {', '.join(sorted(unknown))}")
    if len(lengths := [f"--{name}" for name in LENGTHS if name in options]) > 1:
        raise ConfigError(f"{' and '.join(lengths)} each say how long: give one")
    if type(seconds := options.get("time", TIME)) not in (int, float):
        raise ConfigError(f"time can't be {seconds!r}")
    between("time, in seconds,", seconds, SHORTEST, LONGEST)
    if type(epochs := options.get("epochs", 0)) is not int:
        raise ConfigError(f"epochs can't be {epochs!r}")
    between("epochs", epochs, 0, 2**31)
    _model(1, options)
    engines.resolve(options.get("engine", "numpy"), 0)
    config = _training({name: value for name, value in options.items() if name != "engine"})
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
