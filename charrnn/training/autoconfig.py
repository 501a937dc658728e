"""The automatic configuration: options chosen for this machine, this text and the training time."""

import math
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from charrnn import engine as engines
from charrnn.config import ANNEALED, FORM_OF_LAYOUT, ModelConfig, TrainingConfig
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.id_counts import blocks_of, count
from charrnn.dataset.line_rows import usual_longest
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.split import TrainingData, split_corpus
from charrnn.engine import compile_time
from charrnn.errors import ConfigError, counted
from charrnn.model.line_scores import MIN_LINES
from charrnn.training import budget, few_data, finetuning
from charrnn.training.deadline import Deadline
from charrnn.training.machine import Machine
from charrnn.training.options import (
    DEFAULTS_OF_LAYOUT,
    TrainOptions,
    default_threads,
    model_config,
    resolve_defaults,
    training_config,
)

THIS_PROCESS = Machine()
REFERENCE_MODEL = ModelConfig(64, "lstm", 256, 1)
"""The network whose throughput is measured first, to compare machines."""
VALIDATION_COST = 0.7
"""The time to validate on a character, as a share of the time to learn from one."""
MAX_VALIDATION_SHARE = 1 / 15
"""The largest share of the training time for one evaluation."""
MAX_SHARE_OF_HELD_OUT = 0.2
"""The largest share of the training time for one evaluation on a text of its own: at least two are made."""
MIN_HELD_OUT_LINES = 2 * MIN_LINES
"""The fewest lines that are held out if there are more and the time allows: their scores say what is unusual."""
EVALUATION_SHARE, MIN_EVALUATIONS, MAX_EVALUATIONS = 0.04, 2, 12
"""The share of the training time for all evaluations along the way, and their smallest and largest number."""


def fit_to_time(
    corpus: Corpus,
    options: TrainOptions,
    deadline: Deadline,
    is_finetuned: bool = False,
    machine: Machine = THIS_PROCESS,
) -> TrainOptions:
    """Completes the options of a run with a deadline from the speed of this machine: see `budget.choose`.

    The speed of a reference network decides the width, and the speed at that width decides the rest. The number of
    steps is an estimate, which the deadline corrects along the way. The precision `auto` is the one in which the chosen
    network is faster. If validation would take too long, less of the text is held out. Weights that have learned
    already are evaluated once an epoch, if the time allows, and the run ends when they no longer improve or, if nothing
    is held out, after a few epochs: see `finetuning`.
    """
    has_threads, is_auto = "threads" in options, options.get("precision") == "auto"
    options = resolve_defaults(corpus, options)
    if is_finetuned:  # what was learned without decay would be forgotten
        options.setdefault("weight_decay", 0.0)
    if {"lr_decay", "lr_decay_after"} & set(options):
        options.setdefault("schedule", "step")
    V, split = len(corpus.vocabulary), split_corpus(corpus, training_config(options))
    training, validation = split.training, split.validation
    line = line_length(training)
    W = _reference_throughput(options, is_auto, machine) * budget.operations(REFERENCE_MODEL)
    if not has_threads:
        del options["threads"]  # they follow from the batch
    chosen = _choose(W * deadline.budget(), training.chars_read, V, options, line, machine.size)
    model, config = model_config(corpus, chosen), training_config(chosen)
    throughput, in_float32 = _throughputs(model, config, line, machine)
    if is_auto and in_float32 >= throughput:  # as in narrow networks
        options["precision"], throughput = "float32", in_float32
    seconds = deadline.budget()
    W = throughput * budget.operations(model) * seconds
    chosen = _choose(W, training.chars_read, V, options | {"hidden_size": model.hidden_size}, line, machine.size)
    deadline.evaluation = _validation_seconds(validation.chars_read, in_float32, config)
    _check_evaluation(corpus, deadline)
    if deadline.evaluation > MAX_VALIDATION_SHARE * seconds and "val_fraction" not in options and not corpus.held_out:
        share = MAX_VALIDATION_SHARE * seconds / deadline.evaluation
        if isinstance(validation, LineBatches):
            most = MAX_SHARE_OF_HELD_OUT * seconds / deadline.evaluation
            share = max(share, min(MIN_HELD_OUT_LINES / len(validation.lines), most, 1.0))
        fraction = float(f"{config.val_fraction * share:.1g}")
        deadline.evaluation *= fraction / config.val_fraction
        chosen["val_fraction"] = fraction
    split = split_corpus(corpus, training_config(chosen))
    if not is_finetuned and model.form == "language_model":
        data = split.training
        deadline.max_steps = few_data.max_steps(data.chars_read, line, data.steps_per_epoch)
    elif is_finetuned and not split.validation.size:
        deadline.max_steps = finetuning.MAX_EPOCHS * split.training.steps_per_epoch
    steps = max(1, int(min(throughput * deadline.budget() / split.training.chars_read_per_step, deadline.max_steps)))
    timing = _timing(steps, seconds, deadline, chosen)
    if is_finetuned and split.validation.size:
        timing["patience"] = finetuning.PATIENCE
    if (is_finetuned or deadline.max_steps < math.inf) and split.validation.size:
        epoch = max(split.training.steps_per_epoch, finetuning.MIN_EVAL_EVERY)
        affordable = math.ceil(steps * deadline.evaluation / (EVALUATION_SHARE * seconds))
        timing["eval_every"] = min(timing["eval_every"], max(epoch, affordable))
    return timing | chosen


def _choose(W: float, N: int, V: int, options: TrainOptions, line: float, ranks: int) -> TrainOptions:
    """`budget.choose`, and the number of threads for its batch unless that is given."""
    chosen = budget.choose(W, N, V, options, line, ranks)
    chosen.setdefault("threads", default_threads(chosen, ranks))
    return chosen


def choose_precision(
    options: TrainOptions, model: ModelConfig | None, seconds: float, samples: bool = False
) -> Literal["auto", "float32", "bfloat16"]:
    """The precision of a new run with so many seconds: that of the options or, by default, `auto`.

    That measures both and takes the faster one. A time that is too short to compile both is better spent in float32.
    The other arguments are those of `kernels`.
    """
    if (given := options.get("precision", "auto")) != "auto":
        return given
    options = {**options, "precision": "float32"}
    both: TrainOptions = {**options, "precision": "auto"}
    uses_numba = options.get("engine") != "numpy" and engines.pays(seconds, kernels(options, model, samples))
    return "auto" if uses_numba and engines.pays(seconds, kernels(both, model, samples)) else "float32"


def kernels(options: TrainOptions, model: ModelConfig | None, samples: bool = False) -> frozenset[str]:
    """The kernels that a new run with a deadline calls, given the model that it starts from, if any.

    They include those of the reference network, and those of the chosen one in float32, the precision of evaluations:
    the speed of both is measured. `samples`: see `compile_time.training`.
    """
    layout = options.get("layout", "stream")
    of_layout = DEFAULTS_OF_LAYOUT.get(layout, {}).get("cell", "lstm")
    cell = options.get("cell", of_layout) if model is None else model.cell
    form = FORM_OF_LAYOUT.get(layout, "language_model")
    asked = options.get("precision", "float32")
    precision = engines.precision_to_compile(asked)
    for_width = {precision, "float32"} if asked == "auto" else {precision}
    needed = [compile_time.training(REFERENCE_MODEL.cell, precision=each) for each in for_width]
    needed += [compile_time.training(cell, form, samples, each) for each in (precision, "float32")]
    return frozenset().union(*needed)


def with_min_count(corpus: Corpus, options: TrainOptions, deadline: Deadline) -> TrainOptions:
    """The options with the `min_count` that spares a run with a deadline most of the cost of rare characters, if any.

    See `budget.choose_min_count`. A `min_count` that is given is kept.
    """
    layout, V = options.get("layout", "stream"), len(corpus.vocabulary)
    if "min_count" in options or layout not in ("stream", "lines") or V < budget.MIN_VOCABULARY:
        return options
    if corpus.vocabulary.is_bytes:
        return options
    line = line_length(split_corpus(corpus, training_config(resolve_defaults(corpus, options))).training)
    min_count = budget.choose_min_count(count(blocks_of(corpus.ids), V), deadline.seconds, options, line)
    return cast(TrainOptions, {**options, "min_count": min_count}) if min_count else options


def _timing(steps: int, seconds: float, deadline: Deadline, chosen: TrainOptions) -> TrainOptions:
    """The options that follow from the number of steps."""
    evaluations = int(EVALUATION_SHARE * seconds / deadline.evaluation) if deadline.evaluation else MAX_EVALUATIONS
    warmup = min(budget.WARMUP, steps // 10)
    options: TrainOptions = {
        "steps": steps,
        "warmup": warmup,
        "eval_every": max(1, steps // min(max(evaluations, MIN_EVALUATIONS), MAX_EVALUATIONS)),
    }
    if chosen["schedule"] in ANNEALED:
        options["cooldown"] = math.ceil(steps * budget.COOLDOWN)
        options["hold"] = int(steps * (1 - budget.COOLDOWN)) - warmup
    return options


def extend(
    corpus: Corpus,
    model: ModelConfig,
    config: TrainingConfig,
    step: int,
    deadline: Deadline,
    machine: Machine = THIS_PROCESS,
) -> TrainingConfig:
    """The configuration of a run that continues from a step until the deadline: at full rate, then a new cooldown.

    On a text that is soon used up, the run ends when its evaluations bring nothing better.
    """
    split = split_corpus(corpus, config)
    training, validation = split.training, split.validation
    line = line_length(training)
    throughput, in_float32 = _throughputs(model, config, line, machine)
    deadline.evaluation = _validation_seconds(validation.chars_read, in_float32, config)
    _check_evaluation(corpus, deadline)
    is_few = few_data.is_few(training.chars_read, line)
    if model.form == "language_model" and validation.size and is_few:
        deadline.patience = finetuning.PATIENCE
    more = max(1, int(throughput * deadline.budget() / training.chars_read_per_step))
    if config.schedule not in ANNEALED:
        return replace(config, steps=step + more)
    cooldown = math.ceil(more * budget.COOLDOWN)
    hold = max(0, step + more - cooldown - config.warmup)
    return replace(config, steps=step + more, hold=hold, cooldown=cooldown)


def line_length(training: TrainingData) -> float:
    """The mean length of the lines, those much longer than the rest taken as shorter; infinite for continuous text."""
    if not training.n_lines:
        return math.inf
    excess = 0
    if isinstance(training, LineBatches) and training.rows.n_cut:
        lengths = training.lines.lengths
        excess = int(np.maximum(lengths.astype(np.int64) - usual_longest(lengths), 0).sum())
    return (training.chars_read - excess) / training.n_lines


def _reference_throughput(options: TrainOptions, is_auto: bool, machine: Machine) -> float:
    """The characters per second that this machine learns from, in the engine and the precision of these options.

    If the precision is `auto`, it is that of the faster one: a width for half the speed would learn less.
    """
    precisions = {options["precision"], "float32"} if is_auto else {options["precision"]}
    shape = options["threads"], REFERENCE_MODEL, budget.BATCH_SIZE // 2, budget.SEQ_LENGTH
    return max(machine.throughput(options["engine"], precision, *shape) for precision in sorted(precisions))


def _throughputs(model: ModelConfig, config: TrainingConfig, line: float, machine: Machine) -> tuple[float, float]:
    """The throughput of a training, and what it would be in float32, in which evaluations are; compiles for both."""
    throughput = _throughput(model, config, line, machine)
    if config.precision == "float32":
        return throughput, throughput
    return throughput, _throughput(model, replace(config, precision="float32"), line, machine)


def _throughput(model: ModelConfig, config: TrainingConfig, line: float, machine: Machine) -> float:
    """The characters per second of whole steps; no step reads past the end of a line of this length."""
    rows = -(-config.batch_size // (config.threads * machine.size))
    steps = max(1, int(min(config.seq_length, line)))
    return machine.throughput(config.engine, config.precision, config.threads, model, rows, steps, config)


def _check_evaluation(corpus: Corpus, deadline: Deadline) -> None:
    """Raises `ConfigError` if a text of its own, which is validated on as a whole, is too long for the time."""
    if corpus.held_out is not None and deadline.evaluation > MAX_SHARE_OF_HELD_OUT * deadline.seconds:
        raise ConfigError(
            f"validating on {corpus.held_out.name} would take about {deadline.evaluation:.0f} of the "
            f"{counted(round(deadline.seconds), 'seconds')}: give more `time`, or a shorter text"
        )


def _validation_seconds(chars: int, in_float32: float, config: TrainingConfig) -> float:
    """The seconds of an evaluation on this many characters; with averaged weights the text is read twice.

    It is always in float32, in which training would learn from so many characters per second.
    """
    return VALIDATION_COST * chars / in_float32 * (2 if config.ema_decay else 1)
