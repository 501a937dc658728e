"""The automatic configuration: options chosen for this machine, this text and the time there is."""

import math
from dataclasses import replace
from typing import Any

from charrnn import engine as engines
from charrnn.config import ANNEALED, ModelConfig, TrainingConfig
from charrnn.dataset import split
from charrnn.dataset.corpus import Corpus
from charrnn.training import budget
from charrnn.training.deadline import Deadline
from charrnn.training.options import model_config, resolve_defaults, training_config
from charrnn.training.throughput import measure_throughput

REFERENCE_MODEL = ModelConfig(64, "lstm", 256, 1)
"""The network by which machines are compared."""
VALIDATION_COST, MAX_VALIDATION_SHARE = 0.7, 1 / 15
"""What validating on a character takes of the time that learning from one does; the share of all that it may take."""
EVALUATION_SHARE, MIN_EVALUATIONS, MAX_EVALUATIONS = 0.04, 2, 12
"""The share of the time that evaluations on the way may take, and how many there are at least and at most."""


def fit_to_time(corpus: Corpus, options: dict[str, Any], pace: Deadline) -> dict[str, Any]:
    """Completes the options of a run that is to end with the pace, by what this machine does: see `budget.choose`.

    The width is chosen by what the machine does with a common network, the rest by what it does with that. The number
    of steps is an estimate, which the pace corrects on the way. Where it would take too long to read what is held out,
    less of the text is.
    """
    options = resolve_defaults(options)
    if {"lr_decay", "lr_decay_after"} & set(options):
        options.setdefault("schedule", "step")
    V, (learned, held_out, _) = len(corpus.vocabulary), split.split_corpus(corpus, training_config(options))
    record = learned.size / learned.lines if learned.lines else math.inf
    machine = (engines.load(options["engine"]), options["threads"])
    W = measure_throughput(*machine, REFERENCE_MODEL, budget.BATCH_SIZE // 2, budget.SEQ_LENGTH) * budget.operations(
        REFERENCE_MODEL
    )
    found = budget.choose(W * pace.budgeted(), learned.size, V, options, record)
    model, config = model_config(V, found), training_config(found)
    a_second = _throughput(model, config, record)
    seconds = pace.budgeted()
    W = a_second * budget.operations(model) * seconds
    found = budget.choose(W, learned.size, V, options | {"hidden_size": model.hidden_size}, record)
    pace.evaluation = _validation_seconds(held_out.size, a_second, config)
    if pace.evaluation > MAX_VALIDATION_SHARE * seconds and "val_fraction" not in options:
        fraction = float(f"{config.val_fraction * MAX_VALIDATION_SHARE * seconds / pace.evaluation:.1g}")
        pace.evaluation *= fraction / config.val_fraction
        found["val_fraction"] = fraction
    steps = max(
        1, int(a_second * pace.budgeted() / split.split_corpus(corpus, training_config(found)).learned.per_step)
    )
    evaluations = int(EVALUATION_SHARE * seconds / pace.evaluation) if pace.evaluation else MAX_EVALUATIONS
    warmup = min(budget.WARMUP, steps // 10)
    fall = {"cooldown": math.ceil(steps * budget.COOLDOWN), "hold": int(steps * (1 - budget.COOLDOWN)) - warmup}
    return {
        "steps": steps,
        "warmup": warmup,
        **(fall if found["schedule"] in ANNEALED else {}),
        "eval_every": max(1, steps // min(max(evaluations, MIN_EVALUATIONS), MAX_EVALUATIONS)),
    } | found


def extend(corpus: Corpus, model: ModelConfig, config: TrainingConfig, step: int, pace: Deadline) -> TrainingConfig:
    """The configuration of a run that goes on from a step until the pace ends: its rate is full, then falls anew."""
    learned, held_out, _ = split.split_corpus(corpus, config)
    record = learned.size / learned.lines if learned.lines else math.inf
    a_second = _throughput(model, config, record)
    pace.evaluation = _validation_seconds(held_out.size, a_second, config)
    more = max(1, int(a_second * pace.budgeted() / learned.per_step))
    if config.schedule not in ANNEALED:
        return replace(config, steps=step + more)
    cooldown = math.ceil(more * budget.COOLDOWN)
    hold = max(0, step + more - cooldown - config.warmup)
    return replace(config, steps=step + more, hold=hold, cooldown=cooldown)


def _throughput(model: ModelConfig, config: TrainingConfig, record: float) -> float:
    """The characters a second that this machine learns from so; no step reads beyond a record of this mean length."""
    rows = -(-config.batch_size // config.threads)
    steps = max(1, int(min(config.seq_length, record)))
    return measure_throughput(engines.load(config.engine), config.threads, model, rows, steps)


def _validation_seconds(held_out: int, a_second: float, config: TrainingConfig) -> float:
    """The seconds that an evaluation takes, on so many characters."""
    return VALIDATION_COST * held_out / a_second * (2 if config.average else 1)
