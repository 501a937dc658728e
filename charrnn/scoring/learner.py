"""The learner: a copy of a model's weights that learns from what it reads, segment by segment.

Each segment is predicted with the weights that those before it have left, and then learned from. With its gradient g,
the gradient's usual size r (see `gradient_scale`), the mean of r over all weights, r̄, and the trained weights θ₀,

    θ_ij ← θ_ij - rate · g_ij / ((row_i + ε √r̄) (col_j + ε √r̄)) + min(pull · r_ij / r̄, 1) · (θ₀_ij - θ_ij)

with r_ij = row_i col_j; the rate of step k = 0, 1, … is `rate` · (1 + 2 / (1 + k / 20)). This is dynamic evaluation (B.
Krause, E. Kahembwe, I. Murray, S. Renals, "Dynamic Evaluation of Neural Sequence Models", 2018, equations 6 to 8). The
more a weight matters to what the trained model knows, the harder it is pulled back.

The first part is limited, for each parameter as a whole: it goes at most `MAX_LENGTH` times as far as where gradients
have their usual size. In a text of another kind many gradients agree, and it might go a hundred times as far.
"""

import math
from copy import copy
from dataclasses import dataclass

import numpy as np

from charrnn.config import Config, between
from charrnn.engine.protocols import Factors
from charrnn.engine.threads import Threads
from charrnn.errors import DivergenceError
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.scoring.gradient_scale import GradientScale
from charrnn.scoring.passage import Passage, nll, nll_and_gradients
from charrnn.training.optimizers import global_norm
from charrnn.types import Array, Params

EPSILON = 0.2
"""ε: without it, the weights of characters that the model never writes would go far in one step."""
MAX_LENGTH = 6.0
"""A limit that texts of the kind that the model knows never reach."""
MORE_AT_FIRST, STEPS_AT_FIRST = 2.0, 20
"""How much further the first step goes, and after how many steps half of that is left. Of a page of another kind than
the training text there is much to learn at once. On one of the same kind, larger first steps cost at most 0.003 nats
per character at its beginning."""


@dataclass(frozen=True)
class AdaptationConfig(Config):
    """How a model learns from a text as it reads it. The defaults suit models and texts of all kinds."""

    rate: float = 0.003
    """How far a weight goes in a step if its gradient has its usual size; the first steps go further."""
    pull: float = 0.002
    """The part of the distance to the trained weight that an average weight goes back in a step."""
    segment: int = 40
    """The characters that are read before each step."""

    def check(self) -> None:
        between("rate", self.rate, 0, 1)
        between("pull", self.pull, 0, 1)
        between("segment", self.segment, 1, 1000)


def factors(scale: GradientScale, config: AdaptationConfig) -> dict[str, Factors]:
    """The factors for each parameter, by name. A model without gradients takes no steps.

    Raises `DivergenceError` if gradients are NaN or infinite.
    """
    if not math.isfinite(scale.mean):
        raise DivergenceError(
            f"the gradients of segments of {config.segment:,} are NaN or infinite, so nothing can be learned: give a"
            " smaller segment",
            "segment",
        )
    found, mean = {}, scale.mean or math.inf
    for name, row in scale.rows.items():
        column, least = scale.columns[name], EPSILON * np.sqrt(mean)
        row_steps, column_steps = -config.rate / (row + least), 1 / (column + least)
        usual = global_norm([row_steps * row]) * global_norm([column_steps * column])
        arrays = (row_steps, column_steps, config.pull / mean * row, column)
        u, v, x, y = (each.astype(np.float32) for each in arrays)
        found[name] = Factors(u, v, x, y, MAX_LENGTH * usual)
    return found


def boost(k: int) -> float:
    """How much further step k goes than later ones."""
    return 1 + MORE_AT_FIRST / (1 + k / STEPS_AT_FIRST)


def step(p: Array, g: Array, trained: Array, by: Factors, k: int) -> None:
    """Step k of a parameter p [R, C], or [C], with its gradient g, in place."""
    change = g * (by.row_steps[:, None] * by.column_steps).reshape(p.shape)
    length = global_norm([change])
    change *= boost(k) * (by.max_length / length if length > by.max_length else 1)
    pulls = (by.row_pulls[:, None] * by.column_pulls).reshape(p.shape)
    p += np.minimum(pulls, 1) * (trained - p) + change


class Learner:
    """The weights and the state [L, S, 1, H] of one reading, which `read` advances."""

    def __init__(self, model: Model, factors: dict[str, Factors], segment: int):
        """Begins with the model's weights, and a state of zeros."""
        self.network, self.factors, self.segment = model.language_model, factors, segment
        self.trained = model.params
        self.params: Params = {name: p.copy() for name, p in model.params.items()}
        self.state, self.steps = model.zero_state(1), 0
        self.diverged = False
        """Whether it had to forget what it had learned."""
        self._workspace = Workspace()

    def trained_reader(self) -> "Learner":
        """A reader of the trained weights, from a state of zeros, which shares their memory and may not learn."""
        reader = copy(self)
        reader.params, reader._workspace = self.trained, Workspace()
        reader.forget()
        return reader

    def fresh(self) -> "Learner":
        """A learner that begins as this one did, and shares the trained weights with it."""
        reader = copy(self)
        reader._workspace = Workspace()
        reader.forget()
        return reader

    def forget(self) -> None:
        """Goes back to the weights and the state of the beginning."""
        if self.params is not self.trained:
            self.params = {name: p.copy() for name, p in self.trained.items()}
        self.state, self.steps, self.diverged = np.zeros_like(self.state), 0, False

    def read(self, passage: Passage, learns: bool = True, threads: Threads | None = None) -> Array:
        """-log p [N] of the characters of a passage, of whole segments if it learns from them.

        Of the threads, one may take a part of the work; here none does.

        Where that is NaN or infinite, it forgets all that it has learned, if it learns.
        """
        found = []
        for first in range(0, len(passage.targets), self.segment):
            read = passage.part(first, first + self.segment)
            compute = nll_and_gradients if learns else nll
            nats, *grads, self.state = compute(self.network, self.params, read, self.state, self._workspace)
            found.append(nats)
            if not learns:
                continue
            if not np.isfinite(nats.sum()):
                self.forget()
                self.diverged = True
            else:
                for name, p in self.params.items():
                    step(p, grads[0][name], self.trained[name], self.factors[name], self.steps)
                self.steps += 1
        return np.concatenate(found)
