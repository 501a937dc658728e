"""The trainer: truncated backpropagation through time; it yields its progress, touches no file and prints nothing."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

import numpy as np

from charrnn import engine as engines
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.held_out import check_same
from charrnn.dataset.raw_text import corpus_mismatch_error
from charrnn.dataset.split import ValidationData, split_corpus
from charrnn.engine.threads import Threads
from charrnn.errors import CharRNNError, DivergenceError
from charrnn.model.forms import network_for
from charrnn.model.line_scores import LineScores
from charrnn.model.masks import Masks
from charrnn.resources import blas
from charrnn.training import calibration, divergence, epochs, evaluation, evaluation_steps, held_out_lines, optimizers
from charrnn.training.deadline import Deadline
from charrnn.training.ngram_counts import fitted, table_of
from charrnn.training.parallel import Shards
from charrnn.training.progress import Progress
from charrnn.training.results import RunResults
from charrnn.training.schedules import learning_rate
from charrnn.training.state import Evaluation, TrainingState, copy_params
from charrnn.training.state_check import check_fits
from charrnn.training.unseen_characters import unseen_estimate
from charrnn.types import Array, Params


class Trainer(RunResults):
    """A training run: iterate over it to run it. Between two steps it can be left, saved and resumed."""

    def __init__(self, corpus: Corpus, state: TrainingState, deadline: Deadline | None = None):
        """Continues from a training state on the same corpus, until the deadline if there is one.

        Raises `CorpusError` for another corpus, `CheckpointError` for a state that does not fit the corpus, and
        `ConfigError` for options that need a validation loss if nothing is held out.
        """
        if corpus.digest != state.corpus.digest:
            raise corpus_mismatch_error(corpus.name)
        check_same(corpus.held_out, state.corpus.val_name, state.corpus.val_digest)
        corpus = corpus.reencode(state.vocabulary)
        config = state.training_config
        self.state, self.deadline = state, deadline
        self.network = network_for(state.model_config, engines.load(config.engine))
        engine, split = engines.load(config.engine, config.precision), split_corpus(corpus, config)
        self.training_data, self.validation_data = split.training, split.validation
        self.line_set, self.labels, self.skipped = split.line_set, split.labels, split.skipped
        self.prior_shift, self.rare, self.record_form = split.prior_shift, corpus.rare, corpus.record_form
        check_fits(state, self.training_data, self.validation_data, self.prior_shift is not None, corpus.name)
        self.epoch = lru_cache(maxsize=1)(self.training_data.epoch)
        """The batches of an epoch by its order; the last result is cached, since finding it may take a sort."""
        self.divergence_threshold = divergence.threshold(state)
        """A loss that no working network has, in nats."""
        self.final: Evaluation | None = None
        """The evaluation at the end, if it is not a regular one; it is not in the state, so a resume ignores it."""
        self.line_scores: LineScores | None = None
        """The scores that `best` gives the held-out lines, which are measured after the evaluation at the end."""
        self.tolerance = calibration.TOLERANCE if state.model_config.form == "classifier" else 0.0
        self.temperatures = [1.0]
        """Those of the weights and, if there is one, of their average in the latest evaluation: see `calibration`."""
        has_temperature = len(calibration.temperatures(state.model_config)) > 1
        self.is_calibrated = not (state.history and has_temperature and self.validation_data.size)
        """Whether the temperatures are known: files do not have them, so that `latest` finds that of a resumed run."""
        self.ngrams = table_of(self.training_data, config, state.vocabulary, self.record_form)
        self.unseen = unseen_estimate(state, corpus, (self.training_data, self.validation_data))
        """How probable characters are that the corpus lacks, or that were left out or replaced in it."""
        self.shards = Shards(network_for(state.model_config, engine), self.training_data.batch_size, config.threads)
        self.read_validation: ValidationData = self.validation_data
        """What this process reads of the validation data."""
        self.measured_step: int | None = None
        """The step of the model for which the n-grams are weighted and held-out lines are scored, if that is done."""
        self.is_between_steps = True
        """Whether the state is that after a step: otherwise it is not fit to be saved."""

    @property
    def eval_every(self) -> int:
        """Steps between evaluations."""
        usual = evaluation_steps.interval(self.training_data.steps_per_epoch, self.state.init_from is not None)
        return self.state.training_config.eval_every or usual

    def epoch_of(self, step: int) -> int:
        """The epoch that a step lies in, counted from 1."""
        return epochs.epoch_of(step, self.training_data.steps_per_epoch)

    def __iter__(self) -> Iterator[Progress]:
        """Trains to the last step, and evaluates regularly and at the end.

        Weights from another model are evaluated before the first step too. It yields after every step and every part of
        an evaluation, and can be left at each yield: a resume then continues exactly as this run would have done. Up to
        each yield BLAS has one thread for each shard. If the loss, gradients or weights become NaN or infinite, or the
        loss is far above that of a uniform guess, training rolls back to the last evaluation and continues at half the
        learning rate. After too many rollbacks it raises `DivergenceError`, and the state is the last good one. Raises
        `CharRNNError` if a step was interrupted.
        """
        return blas.limited(self._train())

    def _train(self) -> Iterator[Progress]:
        s = self.state
        if not self.is_between_steps:
            raise CharRNNError("this run was interrupted within a step: resume it from its last save")
        self.final = None
        with self.shards.threads() as threads:
            if s.init_from is not None and not s.counters.step and not s.history and self.validation_data.size:
                self.divergence_threshold = math.inf
                yield from self._evaluate()
                self.divergence_threshold = divergence.threshold(s)
            last_good = s.copy()
            while True:
                try:
                    evaluated = s.history[-1].step if s.history else 0
                    if s.counters.step > evaluated and evaluation_steps.includes(s.counters.step, self.eval_every):
                        yield from self._evaluate()
                        last_good = s.copy()
                    if self.deadline is not None:
                        s.training_config = self.deadline.plan(s.training_config, s.counters.step, s.history)
                    if s.counters.step >= s.training_config.steps or self.out_of_patience:
                        if not s.history or s.history[-1].step != s.counters.step:
                            yield from self._evaluate(final=True)
                        if self.measured_step != self.best_step:  # the time was up during a regular evaluation
                            yield from self._score_lines()
                        break
                    self.is_between_steps = False
                    progress = self._step(threads)
                    self.is_between_steps = True
                except DivergenceError as error:
                    progress = self._roll_back(last_good, error)
                yield progress

    @property
    def is_complete(self) -> bool:
        """Whether the state can be saved without a change to what other processes do."""
        return True

    def complete(self) -> None:
        """Makes the state fit to be saved, if other processes have parts of it."""

    def warm_up(self) -> None:
        """Takes a step and begins an evaluation, only to compile what the engine needs, and then restores the state."""
        before = self.state.copy()
        with blas.limit(), Threads(1) as threads, suppress(DivergenceError):  # one thread, which can be interrupted
            self._step(threads)
        next(calibration.losses(self._model(self.state.params), self.validation_data), None)
        self.state.restore(before)

    def _roll_back(self, last_good: TrainingState, error: DivergenceError) -> Progress:
        """Goes back to the last good state, at half the learning rate; raises the error after too many rollbacks."""
        s, step = self.state, self.state.counters.step
        self.is_between_steps = False
        may_go_on = divergence.roll_back(s, last_good)
        self.is_between_steps = True
        if not may_go_on:
            raise error
        if self.deadline is not None:
            self.deadline.restart()
        return Progress(s.counters.step, self.epoch_of(s.counters.step), lr=s.training_config.lr, diverged=step)

    def _step(self, threads: Threads) -> Progress:
        s, config, counters = self.state, self.state.training_config, self.state.counters
        if counters.batch == 0:
            counters.order = int(s.rng.integers(self.training_data.n_orders))
        batch = self.epoch(counters.order)(counters.batch)
        s.rnn_state[:, :, batch.reset] = 0
        masks = Masks.draw(self.network, s.rng)
        lr = learning_rate(counters.step, counters.epoch, config)
        with np.errstate(all="ignore"):  # NaN and infinity are found below, not where they arise
            loss, grads, norm, next_state = self.shards.loss_and_gradients(s.params, batch, s.rnn_state, masks, threads)
            optimizers.clip(grads, norm, config)
            total = loss + norm
            if math.isfinite(total) and loss < self.divergence_threshold:
                total += self.shards.update(s.params, grads, s.moments, lr, counters.step + 1, config, threads)
            is_good = math.isfinite(total) and loss < self.divergence_threshold
            if is_good:
                optimizers.update_ema(s.ema, s.params, counters.step + 1, config)
        if not is_good:
            raise DivergenceError(f"training diverged at step {counters.step + 1}: {divergence.ADVICE}")
        s.rnn_state = next_state
        counters.step += 1
        counters.batch += 1
        counters.loss_sum += loss * batch.weight
        counters.loss_steps += batch.weight
        if counters.batch == self.training_data.steps_per_epoch:
            counters.epoch, counters.batch = counters.epoch + 1, 0
        return Progress(counters.step, self.epoch_of(counters.step), loss, lr, norm, batch.chars_read)

    def _evaluate(self, final: bool = False) -> Iterator[Progress]:
        """Reads the validation data, then adds a row to the history; nothing changes before that.

        If the weights are averaged, both the weights and their average are evaluated, and the better ones count; they
        are measured at the temperature that suits them best, if there are several: see `calibration`.
        """
        s, counters, best_step = self.state, self.state.counters, self.best_step
        began = self.deadline.clock.now() if self.deadline is not None else 0.0
        lr = learning_rate(max(0, counters.step - 1), counters.epoch, s.training_config)
        train_loss = counters.loss_sum / counters.loss_steps if counters.loss_steps else None
        progress = Progress(counters.step, self.epoch_of(counters.step), train_loss or math.nan, lr)
        losses, temperatures = [], []
        for params in (s.params, s.ema) if s.ema else (s.params,):
            nats, chars = np.zeros(1), 0
            for more, n in self._losses(params):
                nats, chars = nats + more, chars + n
                yield progress
            lowest, temperature = calibration.lowest(nats, calibration.temperatures(s.model_config))
            if not lowest < max(chars, 1) * self.divergence_threshold:  # true for NaN too
                raise divergence.in_evaluation(counters.step)
            losses.append(lowest / chars if chars else math.inf)
            temperatures.append(temperature)
        if self.deadline is not None and counters.step:  # the first evaluation may compile
            self.deadline.evaluation = self.deadline.clock.now() - began
            self.deadline.evaluation *= 1 + held_out_lines.share(s.model_config.form, chars) + bool(self.ngrams)
        val_loss, ema_is_better = (min(losses) if self.validation_data.size else None), losses[-1] < losses[0]
        row = Evaluation(counters.step, counters.epoch, lr, train_loss, val_loss, ema_is_better)
        self.is_between_steps = False
        self.temperatures, self.is_calibrated = temperatures, True
        if final:
            self.final = row
        else:
            s.history.append(row)
            counters.loss_sum, counters.loss_steps = 0.0, 0.0
            if not self.validation_data.size or evaluation.best(s.history, self.tolerance) is row:
                params = s.ema if ema_is_better else s.params
                s.best = copy_params(calibration.calibrated(params, temperatures[ema_is_better], self.prior_shift))
                counters.best_step = counters.step
        self.is_between_steps = True
        if self.best_step != best_step or len(s.history) < 2:  # before the first evaluation the latest are the best
            self.line_scores, self.ngrams = None, self.ngrams and self.ngrams.unmeasured()
        if final or counters.step >= s.training_config.steps or self.out_of_patience:
            yield from self._score_lines()
        yield replace(progress, evaluation=row)

    def _losses(self, params: Params) -> Iterator[tuple[Array, int]]:
        """The losses of the validation data, part by part: see `calibration.losses`."""
        return calibration.losses(self._model(params), self.read_validation, self.prior_shift)

    def measure(self) -> None:
        """Fits the weight of the n-grams, if there are any, to the best model of a run that is left before its end."""
        if self.ngrams is not None and self.ngrams.loss is None and self.state.counters.step:
            with blas.limit():
                self.ngrams = fitted(self.best, self.validation_data)

    def _score_lines(self) -> Iterator[Progress]:
        """Fits the weight of the n-grams to the best model, and scores held-out lines with it."""
        step, read = self.state.counters.step, self.training_data.chars_read_per_step
        self.ngrams = fitted(self.best, self.validation_data)
        for found in held_out_lines.scores(self.best, self.validation_data, step * read):
            self.line_scores = found
            yield Progress(step, self.epoch_of(step))
        self.measured_step = self.best_step
