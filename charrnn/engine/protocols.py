"""The protocols: what an engine is made of, which every engine's modules follow."""

from collections.abc import Callable
from typing import Any, Protocol

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids


class Cell(Protocol):
    """A cell: a pair of pure functions over a whole sequence, and what it needs beside its input.

    `forward(x, *recurrent, state)` returns outputs, next state and cache; `backward(d_outputs, cache)` returns dx, the
    gradients of the recurrent parameters and the gradient of the initial state, and uses the cache up. All but the
    states is in the `workspace` that both take last, and holds until that is used again; who gives one gives x up too.
    """

    GATES: int
    STATES: int
    RECURRENT: tuple[str, ...]
    forward: Any
    backward: Any
    step: Any
    """`forward` for a single step with no way back; only of the reference, for `network.step`."""
    units_and_gates: Any
    """From the cache of `forward`, what the units stand at and their gates; only of the reference, for `network`."""


class Embedding(Protocol):
    def forward(self, ids: Ids, W_ih: Array, b: Array, workspace: Workspace, /) -> Array: ...
    def backward(self, dx: Array, ids: Ids, V: int, workspace: Workspace, /) -> Array: ...


class Linear(Protocol):
    def forward(self, x: Array, W: Array, b: Array, workspace: Workspace, /) -> Array: ...
    def backward(self, dy: Array, x: Array, W: Array, workspace: Workspace, /) -> tuple[Array, Array, Array]: ...


class Softmax(Protocol):
    def log_softmax(self, logits: Array, /) -> Array: ...
    def token_nll(self, logits: Array, targets: Ids, /) -> Array: ...
    def cross_entropy(self, logits: Array, targets: Ids, /) -> tuple[float, Array]: ...


class Engine(Protocol):
    """A package of cells with the loss and the maps between layers: `charrnn.layers` is the reference."""

    rnn: Cell
    gru: Cell
    lstm: Cell
    embedding: Embedding
    linear: Linear
    softmax: Softmax
    Decoder: Any
    """Draws runs of characters, where the engine has a faster way than step by step; else None."""
    adam: Callable[..., None] | None
    """`optimizers.adam`, where the engine has a faster one; else None."""
