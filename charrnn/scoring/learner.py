"""The learner: a copy of a model's weights that learns from what it reads, segment by segment.

Each segment is predicted with the weights that those before it have left, and then learned from. With its gradient g,
the gradient's usual size r (see `gradient_scale`), the mean of r over all weights, r̄, and the trained weights θ₀,

    θ ← θ - rate · g / (r + ε r̄) + min(pull · r / r̄, 1) · (θ₀ - θ)

This is dynamic evaluation (B. Krause, E. Kahembwe, I. Murray, S. Renals, "Dynamic Evaluation of Neural Sequence
Models", 2018, equations 6 to 8): the pull back is the stronger, the more a weight matters to what the model knew.
"""

from dataclasses import dataclass

import numpy as np

from charrnn.config import Config, between
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.scoring.gradient_scale import GradientScale
from charrnn.scoring.passage import Passage, nll, nll_and_gradients
from charrnn.types import Array, Params

EPSILON = 0.05
"""ε: without it, the weights of characters that the model never writes would go far in one step."""


@dataclass(frozen=True)
class AdaptationConfig(Config):
    """How a model learns from a text as it reads it. The defaults suit models and texts of all kinds."""

    rate: float = 0.0015
    """How far a weight goes in a step if its gradient has its usual size."""
    pull: float = 0.0015
    """The part of the distance to the trained weight that an average weight goes back in a step."""
    segment: int = 20
    """The characters that are read before each step."""

    def check(self) -> None:
        between("rate", self.rate, 0, 1)
        between("pull", self.pull, 0, 1)
        between("segment", self.segment, 1, 4096)


class Learner:
    """The weights and the state [L, S, 1, H] of one reading, which `read` advances."""

    def __init__(self, model: Model, scale: GradientScale, config: AdaptationConfig):
        self.network, self.scale, self.config = model.language_model, scale, config
        self.trained = model.params
        self.params: Params = {name: p.copy() for name, p in model.params.items()}
        self.state = model.zero_state(1)
        self._workspace = Workspace()

    def forget(self) -> None:
        """Goes back to the trained weights, and to a state of zeros."""
        for name, p in self.params.items():
            p[...] = self.trained[name]
        self.state = np.zeros_like(self.state)

    def read(self, passage: Passage, learns: bool = True) -> Array:
        """-log p [N] of the characters of a passage, of whole segments if it learns from them.

        Where a step makes weights that are NaN or infinite, it forgets all that it has learned.
        """
        if not learns:
            nats, self.state = nll(self.network, self.params, passage, self.state, self._workspace)
            return nats
        found, size = [], self.config.segment
        for first in range(0, len(passage.targets), size):
            read = passage.part(first, first + size)
            nats, grads, self.state = nll_and_gradients(self.network, self.params, read, self.state, self._workspace)
            self._learn(grads)
            found.append(nats)
        return np.concatenate(found)

    def _learn(self, grads: Params) -> None:
        """A step with all parameters."""
        scale, config = self.scale, self.config
        for name, p in self.params.items():
            args = (grads[name], self.trained[name], scale.rows[name], scale.columns[name], scale.mean)
            step(p, *args, config.rate, config.pull)
        if not all(np.isfinite(p).all() for p in self.params.values()):
            self.forget()


def step(p: Array, g: Array, trained: Array, row: Array, column: Array, mean: float, rate: float, pull: float) -> None:
    """The step of a parameter p [R, C], or [C], in place."""
    r = (row[:, None] * column).reshape(p.shape)
    p += np.minimum(pull / mean * r, 1) * (trained - p) - rate * g / (r + EPSILON * mean)
