"""The start of a run: a trainer from a corpus and options, or from the state of an earlier run."""

from dataclasses import asdict, replace
from typing import Any, Unpack, cast

import numpy as np

from charrnn import engine as engines
from charrnn.config import ANNEALED, FORM_OF_LAYOUT, UNIT_OF_LAYOUT, ModelConfig, TrainingConfig
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import Source
from charrnn.dataset.label_set import MAX_NAMED, LabelSet
from charrnn.dataset.rare import replace_rare
from charrnn.dataset.replacement import replace_unknown, structural
from charrnn.dataset.shared_file import SharedCorpus
from charrnn.dataset.split import split_corpus
from charrnn.distributed.ranks import Ranks
from charrnn.errors import ConfigError, listed
from charrnn.model.forms import network_for
from charrnn.model.initialization import initial_params
from charrnn.model.model import Model
from charrnn.model.resize import resize
from charrnn.resources import blas
from charrnn.training import (
    autoconfig,
    averaging,
    budget,
    calibration,
    finetuning,
    memory_estimate,
    optimizers,
    transfer,
)
from charrnn.training import options as train_options
from charrnn.training.deadline import Deadline
from charrnn.training.leader import LeadingTrainer
from charrnn.training.machine import Machine
from charrnn.training.options import DEFAULTS_OF_LAYOUT, TrainOptions
from charrnn.training.state import CorpusInfo, Counters, InitFrom, TrainingState, copy_params, run_id
from charrnn.training.trainer import Trainer

SHAPE = ("cell", "nonlinearity", "hidden_size", "layers")
"""The options that the weights of a model are for."""
FIXED = (
    *SHAPE,
    "lm_weight",
    "batch_size",
    "seq_length",
    "optimizer",
    "layout",
    "skip_bad",
    "val_fraction",
    "val_spread",
    "min_count",
    "seed",
)
"""Options that can't change when a run is resumed: its state depends on them."""


def start(
    corpus: Corpus,
    *,
    source: Source | None = None,
    init_from: Model | None = None,
    unknown: str = "new",
    ranks: Ranks | None = None,
    **options: Unpack[TrainOptions],
) -> Trainer:
    """A new run on a corpus.

    The defaults are those of `options.complete`. Without `steps`, `epochs` or `time` training takes three minutes; with
    `time`, `autoconfig.fit_to_time` chooses the options that are not given, and the precision is `auto` by default.
    With `init_from` training starts from that model's weights, shape and vocabulary; these weights are evaluated first,
    and kept if nothing beats them. `unknown` says what becomes of characters that the model does not know: one of
    `state.UNKNOWN`. A classifier or a tagger can start from a language model too: see `transfer.adopt`. `source` is
    stored, so that the run can be resumed. Raises `ConfigError`; `CorpusError` for a text of fewer than two characters
    or, in the layout `lines`, two lines; and `VocabularyError` for a model of bytes and a text of characters, or the
    other way round.
    """
    if init_from is None and unknown != "new":
        raise ConfigError("unknown is only for a run that starts from another model, with `init_from`", "unknown")
    if not set(train_options.LENGTH_OPTIONS) & set(options):
        options["time"] = train_options.DEFAULT_TIME
    train_options.check(options, has_model=init_from is not None)
    averaging.check(options, ranks is not None)
    if init_from is not None:
        check_init_from(init_from, options, unknown)
    deadline = _deadline(options)
    options = train_options.resolve_layout(corpus, options, init_from.config if init_from is not None else None)
    if deadline is not None:
        model = init_from.config if init_from is not None else None
        options = {**options, "precision": autoconfig.choose_precision(options, model, deadline.seconds)}
        kernels = autoconfig.kernels(options, model)
        chosen = engines.choose(train_options.requested_engine(options), seconds=deadline.seconds, kernels=kernels)
        options = {**options, "engine": chosen.engine}
    if (layout := options.get("layout", "stream")) != "lines" and not corpus.record_form.is_lines:
        raise ConfigError(f"a corpus of {corpus.record_form.unit} has the layout 'lines', not {layout!r}")
    if corpus.held_out is not None and options.get("val_spread"):
        raise ConfigError("val_spread is only for a corpus without a text of its own to validate on: leave it out")
    if deadline is not None and init_from is None and not isinstance(corpus, SharedCorpus):
        options = autoconfig.with_min_count(corpus, options, deadline)
    corpus = replace_rare(corpus, options.get("min_count", 0))
    corpus, began = _read(corpus, options, init_from, unknown)
    if init_from is not None:
        options = _with_shape_of(init_from.config, options)
    if deadline is not None:
        is_finetuned = (
            init_from is not None and init_from.config.form == "language_model" and _is_alike(init_from, options)
        )
        options = finetuning.with_defaults(options) if is_finetuned else options
        options = autoconfig.fit_to_time(corpus, options, deadline, is_finetuned, Machine.of(ranks, options))
    elif ranks is not None and "threads" not in options:
        in_layout = DEFAULTS_OF_LAYOUT.get(options.get("layout", "stream"), {}) | options
        options = {**options, "threads": train_options.default_threads(in_layout, ranks.size)}
    model_config, config = train_options.complete(corpus, options)
    network, rng = network_for(model_config, engines.load(config.engine)), np.random.default_rng(config.seed)
    memory_estimate.check(model_config, config, corpus.nbytes)
    split = split_corpus(corpus, config)
    training, validation = split.training, split.validation
    with blas.limit():  # the QR decomposition rounds differently on more threads
        params = initial_params(network, rng)
    if init_from is not None and _is_alike(init_from, options):
        learned = resize(init_from, corpus.vocabulary, corpus.record_form.end)
        params |= {name: np.array(p, np.float32, order="C") for name, p in learned.items() if name in params}
        _check_labels(init_from, split.labels)
        if split.prior_shift is not None:  # the trainer adds it: so at first it has the model's own probabilities
            params = calibration.calibrated(params, 1.0, -split.prior_shift)
    elif init_from is not None:
        params = transfer.adopt(params, network, corpus.vocabulary, init_from)
    sizes = (training.size, validation.size, training.n_lines, validation.n_lines)
    apart = () if corpus.held_out is None else (corpus.held_out.name, corpus.held_out.size, corpus.held_out.digest)
    info = CorpusInfo(corpus.name, corpus.size, corpus.digest, *sizes, *apart)
    state = TrainingState(
        model_config,
        config,
        corpus.vocabulary,
        info,
        source and source.absolute(),
        params,
        moments=optimizers.initial_moments(params, config),
        ema=copy_params(params) if config.ema_decay else {},
        rnn_state=network.zero_state(training.batch_size),
        rng=rng,
        history=[],
        best={},
        counters=Counters(),
        run_id=run_id(model_config, config, corpus.vocabulary, info, params, began),
        text_form=corpus.text_form,
        init_from=began,
        outer=averaging.initial_outer(config, params, {}),
    )
    return _trainer(corpus, state, deadline, ranks)


def resume(
    corpus: Corpus, state: TrainingState, *, ranks: Ranks | None = None, **options: Unpack[TrainOptions]
) -> Trainer:
    """Continues a run from its state, with some options changed: more `steps` or `epochs`, for instance.

    Raises `CorpusError` for a corpus other than the one that the run began with, and `ConfigError` for options that
    can't change, which are those in `FIXED`, and for a length that is already exceeded.
    """
    current: dict[str, Any] = asdict(state.model_config) | asdict(state.training_config)
    check_resume(state, options)
    averaging.check(options, ranks is not None, state.training_config.sync_every)
    if ranks is None:
        current |= {name: getattr(TrainingConfig, name) for name in averaging.OPTIONS}
    options = train_options.resolve_layout(corpus, options, state.model_config)
    deadline = _deadline(options)
    if corpus.digest == state.corpus.digest:  # otherwise the trainer says so
        corpus = replace_rare(corpus, state.training_config.min_count)
        if state.init_from is not None and state.init_from.unknown != "new":
            corpus, _ = replace_unknown(corpus, state.vocabulary, state.init_from.unknown)
        corpus = corpus.read_as(state.training_config.layout, state.training_config.skip_bad, state.vocabulary)
    if options.get("schedule", "linear") not in ANNEALED:
        current |= {"hold": 0, "cooldown": 0}
    step = state.counters.step
    kept = {name: current[name] for name in train_options.MODEL_OPTIONS | train_options.TRAINING_OPTIONS}
    changed, config = train_options.complete(corpus, cast(TrainOptions, kept | {**options}))
    if config.steps < step:
        raise _too_short(step, config.steps)
    if deadline is not None:
        config = autoconfig.extend(corpus, changed, config, step, deadline, Machine.of(ranks, asdict(config)))
    elif 0 < config.cooldown < config.steps - config.warmup - config.hold and "cooldown" not in options:
        # The planned end has moved: the cooldown begins anew, so that training does not continue at a rate of zero
        config = replace(config, hold=max(0, step - config.warmup), cooldown=0)
    ema = state.ema if config.ema_decay else {}
    if config.ema_decay and not ema:
        ema = copy_params(state.params)
    dropout = {name: getattr(changed, name) for name in ("dropout", "locked_dropout", "drop_connect")}
    model_config = replace(state.model_config, **dropout)
    memory_estimate.check(model_config, config, corpus.nbytes, resumed=True)
    outer = averaging.initial_outer(config, state.params, state.outer)
    state = replace(state, model_config=model_config, training_config=config, ema=ema, outer=outer)
    return _trainer(corpus, state, deadline, ranks)


def _trainer(corpus: Corpus, state: TrainingState, deadline: Deadline | None, ranks: Ranks | None) -> Trainer:
    """The trainer of a single process, or that of the leader of some ranks."""
    if ranks is None:
        return Trainer(corpus, state, deadline)
    return LeadingTrainer(corpus, state, deadline, ranks)


def check_resume(state: TrainingState, options: TrainOptions) -> None:
    """Raises `ConfigError` for options that a run can't be resumed with, as far as its corpus need not be read."""
    current: dict[str, Any] = asdict(state.model_config) | asdict(state.training_config)
    given: dict[str, Any] = {**options}
    attention = state.model_config.form == "translator"
    if given.get("attention", attention) != attention:
        raise ConfigError(f"the run to resume has {'' if attention else 'no '}attention, which can't change")
    if given.get("layout") == "pairs" and attention:
        given["layout"] = "translations"
    for name in FIXED:
        if name in given and given[name] != current[name]:
            raise ConfigError(f"{name} is {current[name]} in the run to resume, and can't become {given[name]}", name)
    train_options.check(options, has_model=True, schedule=current["schedule"])
    if options.get("steps", state.counters.step) < state.counters.step:
        raise _too_short(state.counters.step, options["steps"])


def _too_short(step: int, steps: int) -> ConfigError:
    """The error for a run that is to be resumed, but has more steps already."""
    return ConfigError(f"the run is already at step {step}, past {steps}: give a greater length")


def check_init_from(model: Model, options: TrainOptions, unknown: str) -> None:
    """Raises `ConfigError` for options that a run from a model's weights can't have, before its corpus is read."""
    _with_shape_of(model.config, options)
    if unknown != "new" and (layout := options.get("layout")) in ("labels", "tags"):
        raise ConfigError(
            f"unknown {unknown} is not for texts with {layout}, which must stay as they are: leave it out", "unknown"
        )


def _is_alike(model: Model, options: TrainOptions) -> bool:
    """Whether a run with these options trains the same form of network as the model."""
    return model.config.form == FORM_OF_LAYOUT.get(options.get("layout", "stream"), "language_model")


def _read(corpus: Corpus, options: TrainOptions, model: Model | None, unknown: str) -> tuple[Corpus, InitFrom | None]:
    """The corpus as a run with these options reads it, and how the run begins from the model, if there is one.

    A run of the model's own form has the model's vocabulary. What the model does not know is added at its end, or left
    out or replaced, except what says where the texts of the layout end.
    """
    layout, skip_bad = options.get("layout", "stream"), options.get("skip_bad", False)
    began = None if model is None else InitFrom(unknown)
    if model is None or not _is_alike(model, options):
        return corpus.read_as(layout, skip_bad), began
    if model.vocabulary.is_bytes or corpus.vocabulary.is_bytes:
        return corpus.read_as(layout, skip_bad, model.vocabulary), began
    new = corpus.characters_read(layout, skip_bad) - {*model.vocabulary.characters}
    if unknown != "new":
        new &= structural(layout, corpus.record_form.end)
    vocabulary, n_replaced = model.vocabulary.extended(sorted(new)), 0
    if unknown != "new":
        corpus, n_replaced = replace_unknown(corpus, vocabulary, unknown)
    return corpus.read_as(layout, skip_bad, vocabulary), InitFrom(unknown, len(new), n_replaced)


def _check_labels(model: Model, labels: LabelSet | None) -> None:
    """Raises `ConfigError` if a classifier or a tagger has other labels than the corpus: its head would mix them up."""
    if model.config.outputs and (model.labels is None or labels is None or model.labels.names != labels.names):
        kind = f"{UNIT_OF_LAYOUT[model.layout]}s"
        own, given = ({*found.names} if found is not None else set() for found in (model.labels, labels))
        parts = [
            f"{what} {listed(sorted(map(repr, names)), MAX_NAMED)}"
            for what, names in (("lacks", given - own), ("has besides", own - given))
            if names
        ]
        raise ConfigError(
            f"the model of `init_from` has other {kind} than this corpus: it {', and '.join(parts)}; give a corpus "
            f"with the same {kind}, or leave out `init_from`"
        )


def _deadline(options: TrainOptions) -> Deadline | None:
    """The deadline of a run with the option `time`, which is removed from the options."""
    if "time" not in options:
        return None
    deadline = Deadline(options.pop("time"), budget.COOLDOWN)
    deadline.clock.watch()
    return deadline


def _with_shape_of(config: ModelConfig, options: TrainOptions) -> TrainOptions:
    """The options with another model's shape; raises `ConfigError` for options that give another shape."""
    given: dict[str, Any] = {**options}
    for name in SHAPE:
        if given.setdefault(name, getattr(config, name)) != getattr(config, name):
            raise ConfigError(
                f"{name} can't be {given[name]}: the model of `init_from` has {getattr(config, name)}; leave it out",
                name,
            )
    return cast(TrainOptions, given)
