"""The options of a training run: typed, validated, and completed to a full configuration."""

import secrets
from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, Literal, TypedDict, cast

from charrnn import engine as engines
from charrnn.config import (
    ANNEALED,
    FORM_OF_LAYOUT,
    LAYOUTS,
    LEARNING_RATES,
    MAX_LM_WEIGHT,
    PAIR_LAYOUTS,
    WRITERS,
    ModelConfig,
    TrainingConfig,
    between,
)
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.split import output_labels, split_corpus
from charrnn.errors import ConfigError
from charrnn.training.deadline import MIN_SECONDS

DEFAULT_TIME = 180.0
"""The training time in seconds if no length is given."""
MAX_TIME = 1e7
"""The longest training time, in seconds."""
DATA_FIELDS = ("vocab_size", "form", "outputs")
"""The fields of `ModelConfig` that are no options, because they follow from what is learned."""
MODEL_OPTIONS = {field.name for field in fields(ModelConfig)} - {*DATA_FIELDS}
TRAINING_OPTIONS = {field.name for field in fields(TrainingConfig)}
LENGTH_OPTIONS = ("steps", "epochs", "time")
MAX_PAIR = 500
"""The most characters of a pair that are read at once if no `seq_length` is given."""
NOT_ANNEALED = "hold and cooldown are only for schedule linear or cosine"
MIN_SIMILARITY = 0.72
"""The smallest similarity, from 0 to 1, of an option that is suggested for one that does not exist."""


class TrainOptions(TypedDict, total=False):
    """The options of `charrnn.train`: fields of `ModelConfig` and `TrainingConfig`, `attention`, `epochs`, `time`."""

    # ModelConfig
    cell: Literal["lstm", "gru", "rnn"]
    hidden_size: int
    layers: int
    dropout: float
    locked_dropout: bool
    drop_connect: float
    nonlinearity: Literal["tanh", "relu"]
    lm_weight: float
    # TrainingConfig
    steps: int
    batch_size: int
    seq_length: int
    optimizer: Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"]
    lr: float
    momentum: float
    weight_decay: float
    schedule: Literal["constant", "step", "linear", "cosine"]
    warmup: int
    hold: int
    cooldown: int
    lr_decay: float
    lr_decay_after: int
    clip: float
    clip_by: Literal["norm", "value"]
    ema_decay: float
    patience: int
    layout: Literal["stream", "lines", "pairs", "translations", "labels", "tags"]
    skip_bad: bool
    val_fraction: float
    val_spread: bool
    min_count: int
    ngrams: int
    eval_every: int
    seed: int
    engine: Literal["auto", "numpy", "numba"]
    precision: Literal["auto", "float32", "bfloat16"]
    threads: int
    exchange: Literal["float32", "bfloat16"]
    sync_every: int
    sync_grows: bool
    outer_lr: float
    outer_momentum: float
    # For the layout `pairs`: True makes it `translations`, which is the default if the sources are no labels
    attention: bool
    # The length, instead of `steps`
    epochs: int
    time: float


DEFAULTS_OF_LAYOUT: dict[str, TrainOptions] = {
    "labels": {
        "cell": "gru",
        "layers": 1,
        "dropout": 0.4,
        "drop_connect": 0.3,
        "lm_weight": 0.5,
        "batch_size": 64,
        "clip": 1.0,
    },
    "translations": {"layers": 2, "dropout": 0.1, "drop_connect": 0.1, "batch_size": 64, "clip": 1.0},
}
"""The defaults of a layout that differ from those of the fields.

Corpora with labels are small, so that what matters is to not overfit. In cross-validation on `data/sentiment.tsv` a GRU
was right about 92 % of the opinions, and PyTorch's LSTM of the same size about 77 to 86 %. A translator of two layers
finds the places of a long source much sooner than one of a single layer: after 1,100 steps it reversed 98 % of strings
of 40 letters, the other 88 % after 1,500.
"""
FEW_THREADS, MIN_ROWS = 4, 8
"""So many threads are used whatever the batch, and further ones if each has as many rows.

Threads with fewer rows wait for each other. On 16 cores of an Intel Xeon (family 6 model 207), lstm 2×128 learned in
bfloat16, with 50 rows, from 280,000 characters a second on 4 threads, 145,000 on 8 and 64,000 on 16.
"""


def complete(corpus: Corpus, options: TrainOptions) -> tuple[ModelConfig, TrainingConfig]:
    """Completes the options to a full configuration.

    An option that is not given has the default of its field, with these exceptions: the seed is random, the learning
    rate depends on the optimizer, the weight decay is 0.01 for adamw, there is one thread for each core, a layout may
    have defaults of its own, and pairs are read as a whole, up to `MAX_PAIR` characters. Raises `ConfigError` for
    options that don't exist or are out of range.
    """
    chosen = resolve_defaults(corpus, options)
    model = model_config(corpus, chosen)
    if "optimizer" in options:
        chosen.setdefault("lr", LEARNING_RATES.get(options["optimizer"], 0.0))
        chosen.setdefault("weight_decay", 0.01 if options["optimizer"] == "adamw" else 0.0)
    config = training_config(chosen)
    if "epochs" in options:
        config = replace(config, steps=options["epochs"] * split_corpus(corpus, config).training.steps_per_epoch)
    if config.schedule not in ANNEALED and (config.hold or config.cooldown):
        raise ConfigError(NOT_ANNEALED, "hold", "cooldown", "schedule")
    return model, config


def resolve_layout(corpus: Corpus, options: TrainOptions, model: ModelConfig | None = None) -> TrainOptions:
    """The options with the layout that `attention` means.

    If it is not given, it is as in the model that a run continues or starts from. Otherwise texts are rewritten with
    attention, and the texts of a label are written without it: a label has no characters that are worth a look each.
    """
    resolved = options.copy()
    attention = resolved.pop("attention", None)
    if resolved.get("layout") == "pairs":
        if attention is None and model is not None:
            attention = model.form == "translator"
        if corpus.pairs.labels is None if attention is None else attention:
            resolved["layout"] = "translations"
    return resolved


def resolve_defaults(corpus: Corpus, options: TrainOptions) -> TrainOptions:
    """The options, completed with those of their layout, a seed, a number of threads, an engine and a precision.

    A pair is read as a whole, up to `MAX_PAIR` characters, so that its target can learn from all of its source.
    """
    defaults: TrainOptions = {"seed": secrets.randbelow(1_000_000)}
    defaults |= DEFAULTS_OF_LAYOUT.get(options.get("layout", "stream"), {})
    if options.get("layout") in PAIR_LAYOUTS:
        found = corpus.pairs_of(options["layout"])
        beside = max(1, found.longest_source, found.longest_target + 1)
        longest = beside if options["layout"] == "translations" else found.lines.longest + 1
        defaults["seq_length"] = min(longest, MAX_PAIR)
    engine = engines.resolve(requested_engine(options))
    precision = engines.resolve_precision(options.get("precision", "float32"), engine)
    resolved: TrainOptions = {"engine": engine, "precision": precision}
    chosen = defaults | options | resolved
    chosen.setdefault("threads", default_threads(chosen))
    return chosen


def default_threads(options: TrainOptions, processes: int = 1) -> int:
    """The number of threads: one for each core but, beyond a few, no more than the batch has work for.

    Of several processes each has its part of the batch.
    """
    rows = options.get("batch_size", TrainingConfig.batch_size) // processes
    return min(engines.available_cores(), max(FEW_THREADS, rows // MIN_ROWS))


def requested_engine(options: TrainOptions, default: str = "auto") -> str:
    """The engine that is asked for; bfloat16, which is slow in NumPy, asks for numba."""
    return options.get("engine", "numba" if options.get("precision") == "bfloat16" else default)


def model_config(corpus: Corpus, options: TrainOptions) -> ModelConfig:
    """The model configuration of the options, for a corpus."""
    form = FORM_OF_LAYOUT.get(options.get("layout", "stream"), "language_model")
    layout, skip_bad = options.get("layout", "stream"), options.get("skip_bad", False)
    outputs = 0 if form in WRITERS else len(output_labels(corpus, layout, skip_bad))
    return ModelConfig(len(corpus.vocabulary), form=form, outputs=outputs, **_model_options(options))


def _model_options(options: TrainOptions) -> dict[str, Any]:
    """The options of the model."""
    given: dict[str, Any] = {**options}
    return {name: given[name] for name in MODEL_OPTIONS & set(given)}


def training_config(options: TrainOptions) -> TrainingConfig:
    """The training configuration of the options; with 0 steps if none are given."""
    given: dict[str, Any] = {"steps": 0, **options}
    return TrainingConfig(**{name: given[name] for name in TRAINING_OPTIONS & set(given)})


def check_without_validation(settings: Mapping[str, Any]) -> None:
    """Raises `ConfigError` for settings that need a validation loss, for a run in which nothing is held out."""
    for name in ("patience", "ema_decay"):
        if settings.get(name):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} needs a validation loss, but nothing is held out to validate on")


def check(options: TrainOptions, has_model: bool = False, schedule: str | None = "step") -> None:
    """Raises `ConfigError` for options that don't exist, are out of range or contradict each other.

    It makes the checks that need no corpus, which may take long to read. `has_model` says that a model, which a run
    resumes or starts from, decides the cell if it is not given; `schedule` is the one if none is given, None if that
    is not known.
    """
    known = [*TrainOptions.__annotations__]
    if unknown := sorted(set(options) - set(known)):
        near = [meant for name in unknown for meant in _near(name, known)]
        suggestion = f": did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
        raise ConfigError(f"there is no option {', '.join(unknown)}{suggestion}")
    if len(lengths := [f"`{name}`" for name in LENGTH_OPTIONS if name in options]) > 1:
        raise ConfigError(f"{' and '.join(lengths)} both set the length of the run: give only one of them")
    if type(seconds := options.get("time", DEFAULT_TIME)) not in (int, float):
        raise ConfigError(f"time can't be {seconds!r}", "time")
    between("time, in seconds,", seconds, MIN_SECONDS, MAX_TIME)
    if type(epochs := options.get("epochs", 0)) is not int:
        raise ConfigError(f"epochs can't be {epochs!r}", "epochs")
    between("epochs", epochs, 0, 2**31)
    given: TrainOptions = {"cell": "rnn", **options} if has_model else options  # to an rnn any nonlinearity is right
    ModelConfig(1, **_model_options(cast(TrainOptions, {name: v for name, v in given.items() if name != "lm_weight"})))
    between("lm_weight", options.get("lm_weight", 0), 0, MAX_LM_WEIGHT)
    engine = engines.resolve(requested_engine(options, "numpy"), 0)
    engines.resolve_precision(options.get("precision", "float32"), engine)
    machine = {"engine", "precision"}  # which may be auto
    config = training_config(cast(TrainOptions, {name: v for name, v in options.items() if name not in machine}))
    for name, condition, holds in (
        ("momentum", "optimizer sgd", config.optimizer == "sgd"),
        ("lr_decay", "schedule step", options.get("schedule", "step") == "step"),
        ("lr_decay_after", "schedule step", options.get("schedule", "step") == "step"),
        ("hold", "a known length, with `steps` or `epochs`", "time" not in options),
        ("cooldown", "a known length, with `steps` or `epochs`", "time" not in options),
        ("clip_by", "a clip above 0", config.clip > 0),
        ("skip_bad", 'texts of `layout="pairs"`, `layout="labels"` or `layout="tags"`', config.layout in PAIR_LAYOUTS),
        ("attention", "pairs", config.layout == "pairs"),
        ("lm_weight", "texts with labels or tags", config.layout in ("labels", "tags")),
        ("val_spread", "continuous text", config.layout == "stream"),
        ("val_spread", "a val_fraction above 0", config.val_fraction > 0 or not config.val_spread),
        (
            "min_count",
            "continuous text, lines and records",
            config.layout in ("stream", "lines") or not config.min_count,
        ),
        ("ngrams", "continuous text, lines and records", config.layout in ("stream", "lines") or not config.ngrams),
    ):
        if name in options and not holds:
            raise ConfigError(f"{name} is only for {condition}", name, "optimizer", "schedule", "clip")
    if options.get("schedule", schedule) not in (*ANNEALED, None) and (options.get("hold") or options.get("cooldown")):
        raise ConfigError(NOT_ANNEALED, "hold", "cooldown", "schedule")


def _near(name: str, known: list[str]) -> list[str]:
    """The option that an unknown name may mean, as it is written in Python; none if no option is like it."""
    if name in LAYOUTS:  # --lines on the command line
        return [f'layout="{name}"']
    return get_close_matches(name, known, n=1, cutoff=MIN_SIMILARITY)
