"""The recipe: from a corpus and the options that were given to a whole configuration."""

import math
import os
import secrets
from dataclasses import fields
from pathlib import Path
from typing import Any

from charrnn import engine, reading
from charrnn.config import LEARNING_RATES, ModelConfig, TrainingConfig, between
from charrnn.corpus import Corpus
from charrnn.errors import ConfigError

CHARACTERS = 10_000_000
"""Read in a run of unstated length: three to five minutes of the default model on two cores."""
EPOCHS = 50
"""At most, in such a run: past that a small text is only learned by heart."""

MODEL = {field.name for field in fields(ModelConfig)} - {"vocab_size"}
TRAINING = {field.name for field in fields(TrainingConfig)}


def plan(corpus: Corpus, options: dict[str, Any]) -> tuple[ModelConfig, TrainingConfig]:
    """Completes the options, named as the fields of `ModelConfig` and `TrainingConfig`, or `epochs`, which goes
    before `steps`.

    What isn't given has the default of its field, but for the seed, which is drawn, the rate, which is the optimizer's,
    the threads, one for each core, and the length: that of `CHARACTERS` or of `EPOCHS`, whichever is shorter, with a
    cosine schedule, since the end is known. Raises `ConfigError` for options that don't exist or contradict each other.
    """
    if unknown := set(options) - MODEL - TRAINING - {"epochs"}:
        raise ConfigError(f"there is no option {', '.join(sorted(unknown))}")
    model = ModelConfig(len(corpus.vocabulary), **{name: options[name] for name in MODEL & set(options)})
    chosen: dict[str, Any] = {"steps": 0, "seed": secrets.randbelow(1_000_000), "threads": available_cores()}
    if "optimizer" in options:
        chosen["lr"] = LEARNING_RATES.get(options["optimizer"], 0.0)
    chosen |= {name: options[name] for name in TRAINING & set(options)}
    chosen["engine"] = engine.resolve(chosen.get("engine", "auto"))
    config = TrainingConfig(**chosen)
    between("epochs", options.get("epochs", 0), 0, 2**31)
    if "epochs" in options or "steps" not in options:
        learned = reading.of(corpus, config).learned
        if "epochs" in options:
            chosen["steps"] = options["epochs"] * learned.chunks
        else:
            chosen["steps"] = max(1, min(int(CHARACTERS / learned.per_step), EPOCHS * learned.chunks))
            chosen.setdefault("schedule", "cosine")
    return model, TrainingConfig(**chosen)


def available_cores() -> int:
    """The processors that this process may use, as the scheduler and, in a container, its share of time allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or no limit: "max"
        return cores
