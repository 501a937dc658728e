"""The network that reads whole texts: an encoder, and whatever answers from what it has read.

Nothing is carried from batch to batch, so that the state is empty.
"""

from abc import ABC
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Cell, Engine
from charrnn.model.encoder import Encoder
from charrnn.types import Array


@dataclass(frozen=True)
class WholeTextNetwork(ABC):
    """What the networks with an encoder have in common, computed by an engine.

    Arrays that a method returns, except states, are in the workspace if one is given, and are valid until the workspace
    is used again.
    """

    config: ModelConfig
    engine: Engine

    @cached_property
    def encoder(self) -> Encoder:
        """The layers that read the whole text."""
        return Encoder(self.config, self.engine)

    @property
    def cell(self) -> Cell:
        """The engine's cell that the layers are made of."""
        return self.encoder.cell

    def state_shape(self, B: int) -> tuple[int, int, int, int]:
        """The shape [0, S, B, H] of the empty state of B rows."""
        return 0, self.cell.STATES, B, self.config.hidden_size

    def zero_state(self, B: int, dtype: Any = np.float32) -> Array:
        """The empty state [0, S, B, H]."""
        return np.zeros(self.state_shape(B), dtype)
