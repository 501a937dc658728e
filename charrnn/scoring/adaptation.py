"""The adaptation: a model that learns from texts while it reads them, and what it says of each character before that.

Names, places and habits of a text are learned within a page. Each character is predicted by the weights that have
learned from the characters before it, and by the trained ones. The mixture of the two trusts the one that was better
lately, so a text from which there is nothing to learn costs hardly more than without adaptation: see `mixture`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from charrnn.config import REWRITING_LAYOUTS
from charrnn.engine import available_cores
from charrnn.engine.protocols import Factors
from charrnn.engine.threads import Threads
from charrnn.errors import ConfigError, DivergenceError
from charrnn.model.model import Model, check_finite, check_model
from charrnn.resources import blas
from charrnn.scoring.gradient_scale import measure
from charrnn.scoring.learner import AdaptationConfig, Learner, boost, factors
from charrnn.scoring.mixture import Mixture
from charrnn.scoring.passage import Passage, passage
from charrnn.types import Array, Ids, Mask

BLOCK = 2000
"""The characters that are read at once."""
MIN_ADVANTAGE = -0.1
"""How much better what was learned has to predict than the trained weights, in nats per character, to be of use. With
the default rate, a long text of which there is little to learn comes down to -0.05 in places."""


class Adaptation:
    """A reader that begins as a model and goes on learning; `read` is told all that it reads, in order.

    What it says does not depend on the pieces in which it is told.
    """

    def __init__(self, model: Model, config: AdaptationConfig | None = None):
        """Measures the model's gradients first, which takes about a second, or ten for two layers of 512 units.

        Raises `ConfigError` for a model that is no language model, of pairs, with clamped units or with narrow weights.
        """
        check_adaptable(model)
        self._model, self.config = model, config or AdaptationConfig()
        by = factors(measure(model, self.config.segment), self.config)
        self._learner = _learner(model, by, self.config.segment)
        self._trained = self._learner.trained_reader()
        self._mixture = Mixture(len(model.vocabulary))
        self._before, self._rest = model.start, _nothing(model)
        """The last character, and the segment that is not complete yet, which is predicted but not learned from."""
        self._history = model.zero_text_state(1).history
        self._has_read = False
        self.chars = 0
        """How many characters it has read."""
        self.trained_nats = 0.0
        """-log p of all that it has read, as the trained model alone says it, in nats."""

    @property
    def model(self) -> Model:
        """The model as it is now; it does not change when reading continues."""
        params = {name: p.copy() for name, p in self._learner.params.items()}
        return replace(self._model, params=params, line_scores=None)

    def check_learned(self) -> None:
        """Raises `DivergenceError` if the model as it is now predicts much worse than the trained one."""
        is_finite = all(np.isfinite(p).all() for p in self._learner.params.values())
        if self._mixture.advantage < MIN_ADVANTAGE or not is_finite:
            raise DivergenceError("the model learned too fast, and now predicts worse than before: lower the rate")

    def forget(self) -> None:
        """Goes back to the trained weights; what is read next begins a new text."""
        self._learner.forget()
        self._trained.forget()
        self._mixture, self._rest = Mixture(len(self._model.vocabulary)), _nothing(self._model)
        self._before, self._has_read = self._model.start, False
        self._history = self._model.zero_text_state(1).history

    def read(self, ids: Ids, resets: Mask | None = None) -> Array:
        """-log p [N], in nats, of the next characters [N], each before it is learned from.

        `resets` [N] says where a text of its own begins; None: the first character begins one, and the others go on.
        Raises `DivergenceError` if the trained model's predictions are NaN or infinite.
        """
        if resets is None:
            resets = np.zeros(len(ids), bool)
        if len(ids) and not self._has_read:
            resets, self._has_read = resets.copy(), True
            resets[0] = True
        n_threads = 2 if len(ids) > self.config.segment and available_cores() > 1 else 1
        found, waiting = [np.empty(0)], None
        with blas.limit(), Threads(n_threads) as threads:
            for k in range(0, len(ids), BLOCK):
                said = waiting() if waiting else None
                waiting = self._begin_block(ids[k : k + BLOCK], resets[k : k + BLOCK], threads)
                if said:  # which is mixed while the next block is read
                    found.append(self._predicted(*said))
            if waiting:
                found.append(self._predicted(*waiting()))
        return np.concatenate(found)

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
        """-log p [N] of a passage of which the two readers say this."""
        check_finite(trained)
        if (table := self._model.ngrams) is not None:
            contexts, self._history = new.contexts(self._history, len(self._model.vocabulary))
            p = table.probabilities(contexts, new.targets)
            adapted, trained = (table.mixture(nats, p) for nats in (adapted, trained))
        self.chars += len(trained)
        self.trained_nats += float(trained.sum(dtype=np.float64))
        return self._mixture.nats(adapted, trained, new.inputs)

    def _learn(self, new: Passage, threads: Threads) -> Array:
        """What the learner says of a passage, of which it learns the segments that are complete."""
        known, read = len(self._rest.targets), Passage.joined([self._rest, new])
        n = len(read.targets) // self.config.segment * self.config.segment
        found = [self._learner.read(read.part(0, n), threads=threads)] if n else []
        self._rest = read.part(n, len(read.targets))
        if len(self._rest.targets):
            state = self._learner.state.copy()
            found.append(self._learner.read(self._rest, learns=False))
            self._learner.state = state  # from which the segment will be read anew
        return np.concatenate(found)[known:]


def check_reader(adaptation: object, model: Model) -> None:
    """Raises `ConfigError` if texts that are encoded for a model can't be told to what was given as its adaptation."""
    if not isinstance(adaptation, Adaptation):
        kind = type(adaptation).__name__
        raise ConfigError(f"the adaptation is of the type {kind}: give charrnn.Adaptation(model)")
    if (model.vocabulary, model.layout) != (adaptation._model.vocabulary, adaptation._model.layout):
        raise ConfigError("the adaptation is of another model: give charrnn.Adaptation(model) of this one")


def check_adaptable(model: Model) -> None:
    """Raises `ConfigError` for a model that can't learn from a text as it reads it."""
    check_model(model)
    model.language_model  # noqa: B018 - raises the error of another form
    if model.layout in REWRITING_LAYOUTS:
        raise ConfigError("a model of pairs can't adapt: train it on more pairs, with `init_from`")
    if model.clamped is not None:
        raise ConfigError("a model with clamped units can't adapt: leave out `clamp_units`")
    if model.precision != "float32":
        raise ConfigError("weights learn in float32: leave out `precision`")


def _learner(model: Model, by: dict[str, Factors], segment: int) -> Learner:
    """The engine's learner if it has one; else the reference."""
    compiled = model.engine.Learner
    if compiled is None:
        return Learner(model, by, segment)
    learner: Learner = compiled(model.config.cell_name, model.params, model.zero_state(1), by, segment, boost)
    return learner


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
