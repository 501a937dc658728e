"""The recipe: from a corpus and the options that were given to a whole configuration."""

import secrets
from dataclasses import fields
from typing import Any

from charrnn import engine, reading
from charrnn.config import LEARNING_RATES, ModelConfig, TrainingConfig, between
from charrnn.corpus import Corpus
from charrnn.errors import ConfigError

CHARACTERS = 10_000_000
"""Read in a run of unstated length: two to four minutes of the default model on two cores, with NumPy."""
EPOCHS = 50
"""At most, in such a run: past that a small text is only learned by heart."""

MODEL = {field.name for field in fields(ModelConfig)} - {"vocab_size"}
TRAINING = {field.name for field in fields(TrainingConfig)}


def plan(corpus: Corpus, options: dict[str, Any]) -> tuple[ModelConfig, TrainingConfig]:
    """Completes the options, named as the fields of `ModelConfig` and `TrainingConfig`, or `epochs` for `steps`.

    What isn't given has the default of its field, but for the seed, which is drawn, the rate, which is the optimizer's,
    the weight decay, 0.01 for adamw, the threads, one for each core, and the length: that of `CHARACTERS` or of
    `EPOCHS`, whichever is shorter, with a cosine schedule, since the end is known. Raises `ConfigError` for options
    that don't exist or are out of bounds.
    """
    model = ModelConfig(len(corpus.vocabulary), **{name: options[name] for name in MODEL & set(options)})
    chosen: dict[str, Any] = {"steps": 0, "seed": secrets.randbelow(1_000_000), "threads": engine.available_cores()}
    if "optimizer" in options:
        chosen["lr"] = LEARNING_RATES.get(options["optimizer"], 0.0)
        chosen["weight_decay"] = 0.01 if options["optimizer"] == "adamw" else 0.0
    chosen |= {name: options[name] for name in TRAINING & set(options)}
    chosen["engine"] = engine.resolve(chosen.get("engine", "auto"))
    config = TrainingConfig(**chosen)
    if "epochs" in options or "steps" not in options:
        learned = reading.of(corpus, config).learned
        if "epochs" in options:
            chosen["steps"] = options["epochs"] * learned.chunks
        else:
            chosen["steps"] = max(1, min(int(CHARACTERS / learned.per_step), EPOCHS * learned.chunks))
            chosen.setdefault("schedule", "step" if {"lr_decay", "lr_decay_after"} & set(options) else "cosine")
    return model, TrainingConfig(**chosen)


def check(options: dict[str, Any]) -> None:
    """Raises `ConfigError` for options that don't exist, are out of bounds or contradict each other.

    It needs no corpus, which may take long to read: only what is given is looked at.
    """
    if unknown := set(options) - MODEL - TRAINING - {"epochs"}:
        raise ConfigError(f"there is no option {', '.join(sorted(unknown))}")
    if {"steps", "epochs"} <= set(options):
        raise ConfigError("--steps and --epochs both say how long: give one")
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
        ("clip_by", "a clip above 0", config.clip > 0),
    ):
        if name in options and not fits:
            raise ConfigError(f"{name} is only for {other}")
