"""Training: truncated backpropagation through time over parallel streams; it yields its progress and prints nothing."""

import itertools
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from charrnn import engine as engines
from charrnn.config import ANNEALED
from charrnn.dataset import split
from charrnn.dataset.batch import Batch
from charrnn.dataset.corpus import Corpus, corpus_mismatch_error, from_text
from charrnn.dataset.files import Source
from charrnn.errors import CharRNNError, CheckpointError, ConfigError, CorpusError, DivergenceError
from charrnn.layers.workspace import Workspace
from charrnn.model import dropout, initialization, network
from charrnn.model.model import Model
from charrnn.training import autoconfig, budget, memory_estimate, optimizers, schedules
from charrnn.training.deadline import Deadline
from charrnn.training.state import CorpusInfo, Counters, Evaluation, TrainingState, copy_params, run_id
from charrnn.types import Array, Params

FIXED = ("batch_size", "seq_length", "optimizer", "lines", "val_fraction", "seed")
"""Settings that stay what they are when a training is resumed: what is kept of it depends on them."""

MAX_DENSE_EVALUATIONS = 10_000
"""Evaluations before they become rarer."""
MAX_ROLLBACKS = 8
"""How often a training that diverges goes back to where it was sound and on at half the rate, before it gives up."""


def train(
    text: str | bytes | Corpus, *, source: Source | None = None, init_from: Model | None = None, **options: Any
) -> "Trainer":
    """A new training on a text, or on bytes for a model of bytes; iterate over it to let it run.

        run = charrnn.train(text, hidden_size=64, steps=1000, seed=1)
        for progress in run:
            print(progress.step, progress.loss)
        model = run.best

    The options are the fields of `ModelConfig` and `TrainingConfig`, or `epochs` instead of `steps`; `recipe.plan` says
    what those not given become. Without either the run takes `time` seconds, three minutes if that isn't given, and
    what isn't given is chosen for them: see `recipe.timed`. With `init_from` the run starts from that model's weights,
    shape and vocabulary. With `lines` every line is a record: a text of its own. Raises `ConfigError`, `CorpusError`
    for a text of less than two characters or, with `lines`, two lines, and `VocabularyError` where it has characters
    that the other model has never seen.
    """
    if not set(options.LENGTH_OPTIONS) & set(options):
        options["time"] = options.DEFAULT_TIME
    options.check(options)
    pace = Deadline(options.pop("time"), budget.COOLDOWN) if "time" in options else None
    corpus = text if isinstance(text, Corpus) else from_text(text)
    if init_from is not None:
        corpus = corpus.written_in(init_from.vocabulary)
        for name in ("cell", "hidden_size", "layers"):
            if options.setdefault(name, getattr(init_from.config, name)) != getattr(init_from.config, name):
                raise ConfigError(f"the model to start from has another {name}: {getattr(init_from.config, name)}")
    if pace is not None:
        options = autoconfig.fit_to_time(corpus, options, pace)
    model, config = options.plan(corpus, options)
    engine, rng = engines.load(config.engine), np.random.default_rng(config.seed)
    memory_estimate.check(model, config, corpus.ids.nbytes)
    learned, held_out, _ = split.split_corpus(corpus, config)
    with threadpool_limits(1):  # the decomposition in it rounds differently on more threads
        params = initialization.initial_params(model, engine, rng)
    if init_from is not None:
        params = {name: np.array(p, np.float32, order="C") for name, p in init_from.params.items()}
    sizes = (learned.size, held_out.size, learned.lines, held_out.lines)
    record = CorpusInfo(corpus.name, corpus.size, corpus.digest, *sizes)
    return Trainer(
        corpus,
        TrainingState(
            model,
            config,
            corpus.vocabulary,
            record,
            source,
            params,
            optimizers.initial_moments(params, config),
            copy_params(params) if config.average else {},
            network.zero_state(model, engine, learned.rows),
            rng,
            history=[],
            best={},
            at=Counters(),
            run=run_id(model, config, corpus.vocabulary, record, params),
        ),
        pace,
    )


def resume(corpus: Corpus, snapshot: TrainingState, **options: Any) -> "Trainer":
    """Goes on with a training from a snapshot of it, with some options changed: more `steps` or `epochs`, for instance.

    Raises `CorpusError` where the corpus is not the one that the training began with, and `ConfigError` for options
    that can't change on the way, the model's shape and those in `FIXED`, or an end that is past already.
    """
    now = asdict(snapshot.model) | asdict(snapshot.training)
    for name in ("cell", "hidden_size", "layers", *FIXED):
        if name in options and options[name] != now[name]:
            raise ConfigError(f"{name} is {now[name]} in the training to resume, and can't become {options[name]}")
    options.check(options)
    pace = Deadline(options.pop("time"), budget.COOLDOWN) if "time" in options else None
    if options.get("schedule", "linear") not in ANNEALED:
        now |= {"hold": 0, "cooldown": 0}
    step = snapshot.at.step
    model, config = options.plan(
        corpus, {name: now[name] for name in options.MODEL_OPTIONS | options.TRAINING_OPTIONS} | options
    )
    if config.steps < step:
        raise ConfigError(f"the training is at step {step} already, past {config.steps}")
    if pace is not None:
        config = autoconfig.extend(corpus, model, config, step, pace)
    elif 0 < config.cooldown < config.steps - config.warmup - config.hold and "cooldown" not in options:
        # What was to be the end isn't any more: rather than to go on with a rate of zero, it falls anew
        config = replace(config, hold=max(0, step - config.warmup), cooldown=0)
    average = snapshot.average if config.average else {}
    if config.average and not average:
        average = copy_params(snapshot.params)
    shape = replace(snapshot.model, **{name: getattr(model, name) for name in ("dropout", "locked", "drop_connect")})
    memory_estimate.check(shape, config, corpus.ids.nbytes, begun=True)
    return Trainer(corpus, replace(snapshot, model=shape, training=config, average=average), pace)


@dataclass(frozen=True)
class Progress:
    """What a step, or a piece of an evaluation, has brought. Losses are in nats per character."""

    step: int
    epoch: int
    loss: float
    """Of the step's chunk, before its update, with dropout."""
    lr: float
    grad_norm: float
    chars: int
    """Characters read by this step; 0 while evaluating."""
    evaluation: Evaluation | None = None
    """The new row of the history, where an evaluation has just ended."""
    diverged: int | None = None
    """The step at which the training had diverged, where it has just been taken back to this one."""


class Trainer:
    """A run of training: iterate over it to move it on. Between two steps it may be left, saved and taken up again."""

    def __init__(self, corpus: Corpus, snapshot: TrainingState, pace: Deadline | None = None):
        """Goes on from a snapshot of a run on the same corpus; with a pace, until that says that time is up.

        Raises `CorpusError` where it is another, `CheckpointError` for a snapshot of no place in it, and `ConfigError`
        where it is to wait for a better validation loss that there is none of.
        """
        if corpus.digest != snapshot.corpus.digest:
            raise corpus_mismatch_error(corpus.name)
        corpus = corpus.written_in(snapshot.vocabulary)
        self.snapshot = snapshot
        self.pace = pace
        self.engine = engines.load(snapshot.training.engine)
        self.streams, self.held_out, self.known = split.split_corpus(corpus, snapshot.training)
        if (self.streams.size, self.held_out.size) != (snapshot.corpus.training, snapshot.corpus.validation):
            raise CorpusError(f"the corpus {corpus.name} is split another way than when this training began")
        fits = snapshot.at.fits(self.streams.chunks, self.streams.offsets)
        if not fits or snapshot.state.shape[2] != self.streams.rows:
            raise CheckpointError("the training to resume is damaged: it stands at no place of its corpus")
        for option, why in (
            ("patience", "waits for a better validation loss"),
            ("average", "is kept where it is better"),
        ):
            if getattr(snapshot.training, option) and not self.held_out.size:
                raise ConfigError(f"--{option} {why}, but nothing is held out to validate on")
        self.epoch = lru_cache(maxsize=1)(self.streams.epoch)
        """The chunks of an epoch by its offset; the last answer is kept, for it may take a sort to find."""
        self._exploded = 2 + 2 * math.log(len(snapshot.vocabulary))
        """A loss that no sound network has: more than twice that of a blind guess, in nats."""
        self.final: Evaluation | None = None
        """The evaluation at the end, where no regular one falls on it: a resumed run knows nothing of it."""
        n = min(snapshot.training.threads, self.streams.rows)
        borders = [self.streams.rows * k // n for k in range(n + 1)]
        self.shards = [slice(a, b) for a, b in itertools.pairwise(borders)]
        self.workspaces = [Workspace() for _ in self.shards]
        self._between_steps = True

    @property
    def eval_every(self) -> int:
        """Steps between evaluations. It doesn't depend on the length of the run, so a longer one begins alike."""
        return self.snapshot.training.eval_every or min(max(self.streams.chunks, 50), 1000)

    def _evaluates_at(self, step: int) -> bool:
        """Whether a step is one of the regular ones: after `MAX_DENSE_EVALUATIONS` every second is, after twice as many every fourth, …

        So the history, which is kept whole, grows with the logarithm of the steps in the end, and can still be read.
        """
        every = self.eval_every
        return step % (every << (step // (every * MAX_DENSE_EVALUATIONS)).bit_length()) == 0

    @property
    def latest(self) -> Model:
        """The model as it is now; it doesn't change when the training goes on."""
        return self._model(self.snapshot.params)

    def _model(self, params: Params) -> Model:
        """The model with a copy of some weights."""
        s = self.snapshot
        return Model(s.model, s.vocabulary, copy_params(params), self.engine, self.known)

    @property
    def best(self) -> Model:
        """The model with the lowest validation loss so far; the latest where nothing is held out, or evaluated yet."""
        if not self._latest_is_best():
            return self._model(self.snapshot.best)
        averaged = self.final is not None and self.final.averaged
        return self._model(self.snapshot.average if averaged else self.snapshot.params)

    @property
    def best_step(self) -> int:
        """The step that `best` is of."""
        return self.snapshot.at.step if self._latest_is_best() else self.snapshot.at.best_step

    def _latest_is_best(self) -> bool:
        history = self.snapshot.history
        if not history or not self.held_out.size:
            return True
        return self.final is not None and self.final.rank < _best(history).rank

    @property
    def out_of_patience(self) -> bool:
        """Whether the latest `patience` evaluations have brought nothing better."""
        patience, history = self.snapshot.training.patience, self.snapshot.history
        return 0 < patience < len(history) and _best(history) not in history[-patience:]

    @property
    def history(self) -> list[Evaluation]:
        """All evaluations so far."""
        return self.snapshot.history + ([self.final] if self.final else [])

    def __iter__(self) -> Iterator[Progress]:
        """Trains to the last step, and evaluates at regular steps and at the end.

        It yields after every step and every piece of an evaluation, and may be left at each yield: what is in the
        snapshot then goes on exactly as this run would have done. While it runs, BLAS has one thread for each shard.
        Where the loss, the gradients or the weights are no numbers any more, or the loss is far above that of a blind
        guess, the training goes back to the last evaluation, or to where it began, and on at half the rate. After
        `MAX_ROLLBACKS` times `DivergenceError` is raised, and it is left where it was sound. Raises `CharRNNError` where a step
        was left in its middle.
        """
        s = self.snapshot
        if not self._between_steps:
            raise CharRNNError("this training was interrupted within a step: resume it from what was saved")
        self.final = None
        sound = s.copy()
        with threadpool_limits(1), ThreadPoolExecutor(len(self.shards)) as pool:
            while True:
                try:
                    seen = s.history[-1].step if s.history else 0
                    if s.at.step > seen and self._evaluates_at(s.at.step):
                        yield from self._evaluate()
                        sound = s.copy()
                    if self.pace is not None:
                        s.training = self.pace.planned(s.training, s.at.step)
                    if s.at.step >= s.training.steps or self.out_of_patience:
                        if not s.history or s.history[-1].step != s.at.step:
                            yield from self._evaluate(final=True)
                        break
                    self._between_steps = False
                    progress = self._step(pool)
                    self._between_steps = True
                except DivergenceError as error:
                    progress = self._taken_back(sound, error)
                yield progress

    def rehearse(self) -> None:
        """Takes a step, and begins an evaluation, of which no trace is left but what the engine compiles for them.

        All in this thread, so that it can be interrupted: later it might keep a run for many seconds from that.
        """
        before = self.snapshot.copy()
        with threadpool_limits(1), suppress(DivergenceError):
            self._step(None)
        next(iter(self.held_out.losses(self.latest)), None)
        self.snapshot.restore(before)

    def _taken_back(self, sound: TrainingState, error: DivergenceError) -> Progress:
        """Goes back to where the training was sound, at half the rate; raises the error where that is of no use."""
        s, step, tries = self.snapshot, self.snapshot.at.step, self.snapshot.at.tries
        rate = s.training.lr / 2
        s.restore(sound)
        self._between_steps = True
        if tries == MAX_ROLLBACKS:
            raise error
        s.training, s.at.tries = replace(s.training, lr=rate), tries + 1
        if self.pace is not None:
            self.pace.restart()
        return Progress(s.at.step, s.at.epoch, math.nan, rate, math.nan, 0, diverged=step)

    def _step(self, pool: ThreadPoolExecutor | None) -> Progress:
        s, config, at = self.snapshot, self.snapshot.training, self.snapshot.at
        if at.chunk == 0:
            at.offset = int(s.rng.integers(self.streams.offsets))
        chunk = self.epoch(at.offset)(at.chunk)
        s.state[:, :, chunk.afresh] = 0
        T, B = chunk.inputs.shape
        masks = dropout.dropout_masks(s.model, T, B, s.rng)
        thinned = dropout.dropconnect_masks(s.model, self.engine, s.rng)
        lr = schedules.learning_rate(at.step, at.epoch, config)
        with np.errstate(all="ignore"):  # what is no number is found below, not where it arises
            params = s.params | {name: s.params[name] * mask for name, mask in thinned.items()}
            loss, grads, next_state = self._loss_and_gradients(params, chunk, masks, pool)
            for name, mask in thinned.items():
                grads[name] *= mask
            norm = optimizers.clip(grads, config)
            if math.isfinite(loss + norm) and loss < self._exploded:
                optimizers.update(s.params, grads, s.moments, lr, at.step + 1, config, self.engine)
            sum_of_all = loss + norm + sum(float(p.sum()) for p in s.params.values())
            sound = math.isfinite(sum_of_all) and loss < self._exploded
            if sound:
                optimizers.average(s.average, s.params, at.step + 1, config)
        if not sound:
            raise DivergenceError(f"the training diverged at step {at.step + 1}: try a lower --lr or --clip")
        s.state = next_state
        at.step, at.chunk = at.step + 1, at.chunk + 1
        at.loss_sum, at.loss_steps = at.loss_sum + loss * chunk.share, at.loss_steps + chunk.share
        if at.chunk == self.streams.chunks:
            at.epoch, at.chunk = at.epoch + 1, 0
        return Progress(at.step, at.epoch, loss, lr, norm, chunk.chars)

    def _loss_and_gradients(
        self, params: Params, chunk: Batch, masks: Array | None, pool: ThreadPoolExecutor | None
    ) -> tuple[float, Params, Array]:
        """The mean loss of a chunk, the gradients of that times its share, and the next state.

        Each shard of rows has a thread of its own, if there is a pool.
        """
        s = self.snapshot

        def run(rows: slice, workspace: Workspace) -> tuple[float, Params, Array]:
            with np.errstate(all="ignore"):  # the caller looks at the loss and the norm
                return network.loss_and_gradients(
                    params,
                    chunk.inputs[:, rows],
                    chunk.targets[:, rows],
                    s.state[:, :, rows],
                    s.model,
                    self.engine,
                    None if masks is None else masks[:, :, rows],
                    workspace,
                    None if chunk.real is None else chunk.real[:, rows],
                )

        # One shard needs no thread of its own: with a small network the way there and back costs more than the work
        through = pool.map if pool is not None and len(self.shards) > 1 else map
        (nats, grads, state), *others = through(run, self.shards, self.workspaces)
        for more, more_grads, _ in others:
            nats += more
            for name, d in grads.items():
                d += more_grads[name]
        chars = chunk.chars
        for d in grads.values():
            d *= chunk.share / chars
        return nats / chars, grads, np.concatenate((state, *(state for _, _, state in others)), axis=2)

    def _evaluate(self, final: bool = False) -> Iterator[Progress]:
        """Reads the held-out text, then adds a row to the history; until that row is there, nothing has changed.

        Where an average of the weights is kept the text is read with that too, and the better of both counts.
        """
        s, at = self.snapshot, self.snapshot.at
        lr = schedules.learning_rate(max(0, at.step - 1), at.epoch, s.training)
        train_loss = at.loss_sum / at.loss_steps if at.loss_steps else None
        here, began = Progress(at.step, at.epoch, train_loss or math.nan, lr, math.nan, 0), time.monotonic()
        losses = []
        for model in (self.latest, self._model(self.snapshot.average)) if s.average else (self.latest,):
            nats, chars = 0.0, 0
            for more, n in self.held_out.losses(model):
                nats, chars = nats + more, chars + n
                yield here
            if not nats < max(chars, 1) * self._exploded:  # which is so of NaN too
                raise DivergenceError(f"the training diverged before step {at.step}: try a lower --lr or --clip")
            losses.append(nats / chars if chars else math.inf)
        if self.pace is not None:
            self.pace.evaluation = time.monotonic() - began
        val_loss, averaged = (min(losses) if self.held_out.size else None), losses[-1] < losses[0]
        row = Evaluation(at.step, at.epoch, lr, train_loss, val_loss, averaged)
        if final:
            self.final = row
        else:
            s.history.append(row)
            at.loss_sum, at.loss_steps = 0.0, 0.0
            if not self.held_out.size or _best(s.history) is row:
                weights = s.average if averaged else s.params
                s.best, at.best_step = copy_params(weights), at.step
        yield replace(here, evaluation=row)


def _best(history: list[Evaluation]) -> Evaluation:
    """The row with the lowest validation loss, the first of equals."""
    return min(history, key=lambda row: row.rank)
