"""The masks of dropout, for the outputs of the layers and for the recurrent weights, in training only."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.model.forms import AnyNetwork
from charrnn.types import Array

OF_OUTPUTS = 0
"""Which of the seeds of a step is for the outputs; those after it are for the recurrent matrices."""


@dataclass(frozen=True)
class Masks:
    """The masks of one training step: any rows of them, in any thread, from a seed for each mask."""

    network: AnyNetwork
    seeds: tuple[int, ...]

    @classmethod
    def draw(cls, network: AnyNetwork, rng: np.random.Generator) -> "Masks | None":
        """The masks of the next step; None without dropout, and then no number is drawn."""
        if not network.config.dropout and not network.config.drop_connect:
            return None
        return cls(network, tuple(map(int, rng.integers(1 << 63, size=1 + len(network.suffixes)))))

    def of_outputs(
        self, T: int, B: int, rows: slice, workspace: Workspace | None = None, dtype: Any = np.float32
    ) -> Array | None:
        """The factors [L, T, rows, H] of each layer's outputs for some of B rows: 0, or 1 / (1 - dropout).

        [L, T, rows, 2H] for a network that reads in both directions; T counts the steps of all that it reads. None
        without dropout of outputs.

        Inverted dropout (N. Srivastava et al., 2014): training scales the outputs, so that sampling does not have to.
        It acts between layers and before the decoder, not from one time step to the next (W. Zaremba et al., 2014). A
        locked mask, [L, 1, rows, H], drops the same units at every step (variational dropout, Y. Gal, Z. Ghahramani,
        2016); of a translator [L, 2, rows, 2H], one step for the encoder and one for the decoder.
        """
        config = self.network.config
        if not config.dropout:
            return None
        if config.locked_dropout:
            T = 2 if config.form == "translator" else 1
        shape = (config.layers, T, rows.stop - rows.start, config.directions * config.hidden_size)
        mask = (workspace or Workspace()).empty("dropout", shape, dtype)
        numbers = np.arange(config.layers * T)[:, None] * B + np.arange(rows.start, rows.stop)
        ones, flat = np.ones((1, shape[-1]), dtype), mask.reshape(-1, shape[-1])
        self.network.engine.dropout.drop(ones, flat, config.dropout, self.seeds[OF_OUTPUTS], numbers.ravel())
        return mask

    def drop_weights(self, n: int, W: Array, rows: slice, out: Array) -> None:
        """Writes some rows of the nth recurrent matrix, or of its gradient, times their masks to `out`.

        DropConnect (L. Wan et al., 2013) on W_hh, the same for all rows of a batch and time steps (S. Merity et al.,
        2018).
        """
        dropped, numbers = self.network.config.drop_connect, np.arange(rows.start, rows.stop)
        self.network.engine.dropout.drop(W[rows], out[rows], dropped, self.seeds[OF_OUTPUTS + 1 + n], numbers)
