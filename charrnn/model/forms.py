"""The forms of network: which one a configuration means, and what training, initialization and files need of any."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from charrnn.config import ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.engine import Cell, Engine
from charrnn.layers.workspace import Workspace
from charrnn.model.network import Network
from charrnn.types import Array, Params, Receiver, Shapes


class AnyNetwork(Protocol):
    """What every form of network offers: pure functions of parameters, and the names and shapes of those."""

    @property
    def config(self) -> ModelConfig:
        """The configuration."""

    @property
    def engine(self) -> Engine:
        """The engine that computes it."""

    @property
    def cell(self) -> Cell:
        """The engine's cell that the layers are made of."""

    @property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: `0`, `1`, …; `0_reverse`; `0_decoder`.

        With their suffix, a cell's parameters are W_ih, W_hh, b and, for a GRU, b_hn.
        """

    @property
    def param_shapes(self) -> Shapes:
        """The name and shape of every parameter, in the order in which they are initialized."""

    def state_shape(self, B: int) -> tuple[int, int, int, int]:
        """The shape [L, S, B, H] of what B rows carry from batch to batch; L is 0 if that is nothing."""

    def zero_state(self, B: int, dtype: Any = np.float32) -> Array:
        """The state before anything is read."""

    def loss(
        self, params: Params, batch: Batch, state: Array, workspace: Workspace | None = None
    ) -> tuple[float, Array]:
        """The summed loss of the targets that count, in nats, and the next state."""

    def loss_and_gradients(
        self,
        params: Params,
        batch: Batch,
        state: Array,
        dropout: Array | None = None,
        workspace: Workspace | None = None,
        receive: Receiver | None = None,
    ) -> tuple[float, Params, Array]:
        """The summed loss in nats, its gradients in the order of the parameters, and the next state.

        `receive` gets the gradients, some at a time, as soon as they are found.
        """


def network_class(form: str) -> Callable[[ModelConfig, Engine], AnyNetwork]:
    """The network of a form in `config.FORMS`, imported when it is needed: a short sample needs none but the first."""
    if form == "classifier":
        from charrnn.model.classifier import Classifier

        return Classifier
    if form == "tagger":
        from charrnn.model.tagger import Tagger

        return Tagger
    if form == "translator":
        from charrnn.model.translator import Translator

        return Translator
    return Network


def network_for(config: ModelConfig, engine: Engine) -> AnyNetwork:
    """The network that a configuration means, computed by an engine."""
    return network_class(config.form)(config, engine)
