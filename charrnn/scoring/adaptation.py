"""The adaptation: a model that learns from texts while it reads them, and what it says of each character before that.

Names, places and habits of a text are learned within a page. Each character is predicted by the weights that have
learned from the characters before it, and by the trained ones. The mixture of the two trusts the one that was better
lately, so a text from which there is nothing to learn costs hardly more than without adaptation: see `mixture`.
"""

import math
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np

from charrnn.config import check_threads
from charrnn.engine import available_cores
from charrnn.engine.protocols import Factors
from charrnn.engine.threads import Threads
from charrnn.errors import ConfigError, CorpusError, DivergenceError, counted
from charrnn.model.model import Model, check_finite
from charrnn.resources import blas
from charrnn.scoring.adaptable import check_adaptable
from charrnn.scoring.gradient_scale import measure
from charrnn.scoring.learner import AdaptationConfig, Learner, boost, factors
from charrnn.scoring.mixture import Mixture
from charrnn.scoring.passage import Passage, passage
from charrnn.scoring.reading_lock import ReadingLock
from charrnn.types import Array, Ids, Mask

BLOCK = 4000
"""The characters that are read at once: with half as many, threads wait more for each other, 4 % of the time."""
MIN_ADVANTAGE = -0.1
"""How much better what was learned has to predict than the trained weights, in nats per character, to be of use. With
the default rate, a long text of which there is little to learn comes down to -0.05 in places, and the segment that was
learned from last, read again, is predicted better by 0.04 or more."""


class Adaptation:
    """A reader that begins as a model and learns from all that it is given to `read`, in order.

    How a text is divided into pieces makes no difference but rounding. Several threads have a reader each: see `fresh`.
    """

    def __init__(self, model: Model, config: AdaptationConfig | None = None):
        """Measures the model's gradients first, which takes about a second, or ten for two layers of 512 units.

        Raises `ConfigError` for a model that is no language model, of pairs, with clamped units or with narrow weights,
        and for a configuration of another type; `CheckpointError` or `DivergenceError` if its predictions or its
        gradients are NaN or infinite.
        """
        check_adaptable(model)
        if config is not None and not isinstance(config, AdaptationConfig):
            kind = type(config).__name__
            raise ConfigError(f"the configuration is of the type {kind}: give charrnn.AdaptationConfig(rate=…)")
        self._model, self.config = model, config or AdaptationConfig()
        by = factors(measure(model, self.config.segment), self.config)
        self._learner = _learner(model, by, self.config.segment)
        self._begin()

    def _begin(self) -> None:
        """Sets all but the learner to what it is before anything is read."""
        self._trained, self._lock = self._learner.trained_reader(), ReadingLock()
        self._begin_text()

    def _begin_text(self) -> None:
        """Sets what changes as it reads, but for the learner, to what it is where a first text begins."""
        self.chars = 0
        """How many characters it has learned from, or will when their segment is complete."""
        self._mixture = Mixture(len(self._model.vocabulary))
        self._before, self._rest = self._model.start, _nothing(self._model)
        """The last character; and the segment that is not complete yet, which is predicted but not learned from."""
        self._first = self._last = _nothing(self._model)
        """The first `BLOCK` characters, and the segment that was learned from last."""
        self._history = self._model.zero_text_state(1).history

    @property
    def model(self) -> Model:
        """The model as it is now; it does not change when reading continues.

        Raises `ConfigError` while another thread reads.
        """
        with self._lock.held():
            params = {name: p.copy() for name, p in self._learner.params.items()}
        ngrams = self._model.ngrams and self._model.ngrams.unmeasured()
        return replace(self._model, params=params, line_scores=None, ngrams=ngrams)

    def fresh(self) -> "Adaptation":
        """A reader that begins as this one did, shares the trained weights with it, and may read in another thread."""
        reader = copy(self)
        reader._learner = self._learner.fresh()
        reader._begin()
        return reader

    def check_learned(self) -> None:
        """Raises an error if the model as it is now should not be kept.

        That is a `CorpusError` if it has read too little to learn from, and a `DivergenceError` if it predicts much
        worse than the trained one, or did so badly that the learner had to begin again. Raises `ConfigError` while
        another thread reads.
        """
        with self._lock.held():
            self._check_learned()

    def _check_learned(self) -> None:
        if not len(self._last.targets):
            least = counted(self.config.segment, f"{self._model.vocabulary.unit}s")
            raise CorpusError(
                f"the text is too short to learn from: give at least {least}, or a smaller segment", "segment"
            )
        is_finite = all(np.isfinite(p).all() for p in self._learner.params.values())
        if (
            self._learner.diverged
            or not is_finite
            or min(self._mixture.advantage, self._advantage_at(self._last)) < MIN_ADVANTAGE
        ):
            slower = min(AdaptationConfig.rate, self.config.rate / 2)
            raise DivergenceError(
                f"the model learned too fast, and now predicts worse than before: give a rate of {slower:g}", "rate"
            )

    def advantage_at_first(self) -> float:
        """How much better the model as it is now predicts what it read first than the trained one does.

        That is the first `BLOCK` characters, in nats per character. It is negative if what was learned later is of no
        use there. Raises `ConfigError` while another thread reads.
        """
        with self._lock.held():
            return self._advantage_at(self._first) if len(self._first.targets) else 0.0

    def _advantage_at(self, read: Passage) -> float:
        """How much better the learner predicts a passage than the trained reader, in nats per character.

        No prediction that was made on the way shows what the last step did. Both continue the text from where they are,
        which the trained reader is a few characters later: beside what a bad step does, that is nothing.
        """
        learned, trained = (
            _quietly(partial(_foresee, reader, read)).mean(dtype=np.float64)
            for reader in (self._learner, self._trained)
        )
        return float(np.nan_to_num(trained - learned, nan=-math.inf))

    def forget(self) -> None:
        """Goes back to the trained weights; what is read next begins a new text.

        Raises `ConfigError` while another thread reads.
        """
        with self._lock.held():
            self._learner.forget()
            self._trained.forget()
            self._begin_text()
            self._lock.reset()

    def read(self, ids: Ids, resets: Mask | None = None, threads: int | None = None) -> Array:
        """-log p [N], in nats, of the next characters [N], each before it is learned from.

        `resets` [N] says where a text of its own begins; None: nowhere. The first character of all, and the first after
        `forget`, begin one too. It reads in at most two `threads`, by default in two if there are two cores.

        Raises `DivergenceError` if the trained model's predictions are NaN or infinite, and `ConfigError` while another
        thread reads, after a reading that was interrupted, and for what are no ids or resets.
        """
        nats: Array = self.surprisals(ids, resets, threads)[0]
        return nats

    def surprisals(self, ids: Ids, resets: Mask | None = None, threads: int | None = None) -> Array:
        """-log p [2, N] of the next characters [N]: as `read` has it, and as the trained model alone does."""
        check_threads(threads)
        ids, resets = self._checked(ids, resets)
        with self._lock.reading():
            return self._read(ids, resets, threads or available_cores())

    def continued(self) -> Callable[[Ids, Mask], Array]:
        """`surprisals` of one text in several calls; it raises `ConfigError` if something else is read in between."""
        chars = self.chars

        def read(ids: Ids, resets: Mask) -> Array:
            nonlocal chars
            chars += len(ids)
            nats = self.surprisals(ids, resets)
            if self.chars != chars:
                raise ConfigError(
                    "another text was read with this adaptation in between: give each its own by `fresh()`"
                )
            return nats

        return read

    def _checked(self, ids: Ids, resets: Mask | None) -> tuple[Ids, Mask]:
        """The ids [N] and resets [N] as arrays; raises `ConfigError` if they are something else."""
        V, found = len(self._model.vocabulary), np.asarray(ids)
        if found.ndim != 1 or (len(found) and (found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= V)):
            raise ConfigError(f"ids are whole numbers from 0 to {V - 1}: give model.vocabulary.encode(text)")
        begins = np.zeros(len(found), bool) if resets is None else np.asarray(resets)
        if begins.shape != found.shape or begins.dtype != bool:
            raise ConfigError("resets are as many as the ids, and each is True or False")
        return found.astype(self._model.vocabulary.dtype, copy=False), begins

    def _read(self, ids: Ids, resets: Mask, n_threads: int) -> Array:
        if len(ids) and not self.chars:
            resets = resets.copy()
            resets[0] = True
        n_threads = min(n_threads, available_cores(), 2 if len(ids) > self.config.segment else 1)
        found, waiting = [np.empty((2, 0))], None
        with blas.limit(), Threads(n_threads) as threads:
            for k in range(0, len(ids), BLOCK):
                said = waiting() if waiting else None
                waiting = self._begin_block(ids[k : k + BLOCK], resets[k : k + BLOCK], threads)
                if said:  # which is mixed while the next block is read
                    found.append(self._predicted(*said))
            if waiting:
                found.append(self._predicted(*waiting()))
        return np.concatenate(found, axis=1)

    def _begin_block(self, ids: Ids, resets: Mask, threads: Threads) -> Callable[[], tuple[Passage, Array, Array]]:
        """Begins to read a block, in threads; what it returns waits for what the two readers say of the passage."""
        new = passage(ids, self._before, resets, self._model.start)
        self._before = int(ids[-1])
        readers = [partial(self._learn, new, threads), partial(self._trained.read, new, learns=False)]
        waiting = threads.start(_quietly, readers)

        def said() -> tuple[Passage, Array, Array]:
            adapted, trained = waiting()
            return new, adapted, trained

        return said

    def _predicted(self, new: Passage, adapted: Array, trained: Array) -> Array:
        """-log p [2, N] of a passage of which the two readers say this: with what was learned, and without."""
        check_finite(trained)
        if (table := self._model.ngrams) is not None:
            contexts, self._history = new.contexts(self._history, len(self._model.vocabulary))
            p = table.probabilities(contexts, new.targets)
            adapted, trained = (table.mixture(nats, p) for nats in (adapted, trained))
        self.chars += len(trained)
        return np.stack((self._mixture.nats(adapted, trained, new.inputs), trained))

    def _learn(self, new: Passage, threads: Threads) -> Array:
        """What the learner says of a passage, of which it learns the segments that are complete."""
        known, read = len(self._rest.targets), Passage.joined([self._rest, new])
        n = len(read.targets) // self.config.segment * self.config.segment
        found = [self._learner.read(read.part(0, n), threads=threads)] if n else []
        self._last = read.part(n - self.config.segment, n) if n else self._last
        if len(self._first.targets) < BLOCK:
            self._first = Passage.joined([self._first, new]).part(0, BLOCK)
        self._rest = read.part(n, len(read.targets))
        if len(self._rest.targets):
            found.append(_foresee(self._learner, self._rest))  # the segment will be read anew
        return np.concatenate(found)[known:]


def check_reader(adaptation: object, model: Model) -> None:
    """Raises `ConfigError` if texts that are encoded for a model can't be told to what was given as its adaptation."""
    if not isinstance(adaptation, Adaptation):
        kind = type(adaptation).__name__
        raise ConfigError(f"the adaptation is of the type {kind}: give charrnn.Adaptation(model)")
    other = adaptation._model
    pairs = zip(model.params.values(), other.params.values(), strict=False)
    if _facts(model) != _facts(other) or not all(p is q or np.array_equal(p, q) for p, q in pairs):
        raise ConfigError("the adaptation is of another model: give charrnn.Adaptation(model) of this one")


def _facts(model: Model) -> tuple[object, ...]:
    """What two models have in common that predict the same, beside their weights."""
    table = model.ngrams and model.ngrams.about()
    return model.config, model.vocabulary, model.layout, [*model.params], table, model.clamped is None


def _learner(model: Model, by: dict[str, Factors], segment: int) -> Learner:
    """The engine's learner if it has one; else the reference."""
    compiled = model.engine.Learner
    if compiled is None:
        return Learner(model, by, segment)
    learner: Learner = compiled(model.config.cell_name, model.params, model.zero_state(1), by, segment, boost)
    return learner


def _foresee(reader: Learner, read: Passage) -> Array:
    """What a reader says of a passage, whose state stays as it was before that."""
    state = reader.state.copy()
    nats = reader.read(read, learns=False)
    reader.state = state
    return nats


def _quietly(reader: Callable[[], Array]) -> Array:
    """What a reader says, without warnings of NumPy: NaN and infinity are found afterwards.

    Each thread has its own settings of NumPy, so that this has to be in the one that reads.
    """
    with np.errstate(all="ignore"):
        return reader()


def _nothing(model: Model) -> Passage:
    """A passage of no characters."""
    ids = np.empty(0, model.vocabulary.dtype)
    return Passage(ids, ids, np.empty(0, bool))
