"""The protocols: what every engine offers. `charrnn.layers` is the reference engine, `engine.kernels` the compiled one.

An engine is a module with the attributes of `Engine`; its cells and layers are modules too. This is the contract:

- **Arrays.** All floating-point arrays of one call have the same dtype, float32 or float64, and so have the results.
  Parameters are C-contiguous; other arguments may be views, such as some rows of a batch. T and B are at least 1; N,
  the number of rows of a linear layer or of the loss, may be 0.
- **Workspace.** A function that takes a workspace may return arrays that are in it, which are valid until the same
  function is called again with that workspace. States are the exception: a returned state, and the gradient of a
  state, are always new arrays. Threads never share a workspace.
- **Overwriting.** Without a workspace, a cell overwrites nothing but its own cache. With one, `forward` may also take
  over x, and keep the cache and later dx there. `backward` may overwrite the cache, so each cache serves one
  `backward`; it leaves the outputs intact. The losses overwrite the logits. No other argument is ever overwritten.
- **NaN and infinity** pass through: no function raises an error for them, and none hides them.
- **The same arguments give the same bits**, whatever the workspace held before. A function keeps no state of its own,
  so that several threads can call it at once; the compiled functions release the GIL.

The tests in `tests/layers` run over every engine. A new engine also needs its name in `engine.selection` and in
`config.TrainingConfig`. A new cell needs a module in every engine, its name in `Engine`, in `config.CELLS` and in the
compiled decoder, and a naive version in `tests/support/naive.py`; initialization, clamping and the checkpoint's PyTorch
format treat some cells specially. A nonlinearity makes a cell of its own, `rnn_relu`: see `ModelConfig.cell_name`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids, Indices, Mask


class Cell(Protocol):
    """A cell: a pair of pure functions over a whole sequence. The projection of its input is outside the cell."""

    GATES: int
    """G: the cell's input x has G·H columns, one block of H for each gate."""
    STATES: int
    """S: the arrays in its state; the first one is h, which is also the output."""
    RECURRENT: tuple[str, ...]
    """The names of its recurrent parameters, in the order of the arguments of `forward`: first W_hh [H, G·H]."""

    forward: Callable[..., tuple[Array, Array, Any]]
    """`forward(x, *recurrent, state, workspace=None, precision="float32")` → outputs, next state, cache.

    x [T, B, G·H] is the projected input, which includes the bias; state [S, B, H] is the one before the first step.
    The precision is that of the products, here and in `backward`: float32, which stands for the type of the arrays, or
    bfloat16, which takes float32 arrays. Returns the outputs [T, B, H], the state [S, B, H] after the last step, and a
    cache that only `backward` reads.
    """

    backward: Callable[..., tuple[Array, ...]]
    """`backward(d_outputs, cache, workspace=None)` → dx, the gradient of each recurrent parameter, d_state.

    d_outputs [T, B, H] is the gradient of the loss with respect to the outputs; the next state adds none, unless
    its gradient is given to the reference engine as a fourth argument, `d_next` [S, B, H]. Returns dx [T, B, G·H], the
    gradients in the order of `RECURRENT`, and the gradient [S, B, H] of the state that came in.
    """

    step: Callable[..., Array]
    """`step(x, *recurrent, state, matmul=np.matmul)` → next state: `forward` for one step, x [B, G·H], without a cache.

    Only the reference engine has it; other engines offer a `Decoder` instead.
    """

    units_and_gates: Callable[[Any], tuple[Array, dict[str, Array]]]
    """`units_and_gates(cache)` → the units' activations [T, B, H], and the gates by name, each [T, B, H].

    Only the reference engine has it. Call it before `backward`.
    """


class Embedding(Protocol):
    """The first layer's input: rows of W_ih, looked up. Raises `IndexError` for an id outside the vocabulary."""

    def forward(self, ids: Ids, W_ih: Array, b: Array, workspace: Workspace, /) -> Array:
        """x [T, B, G·H] for ids [T, B], with W_ih [V, G·H] and b [G·H].

        An engine may return rows that are not looked up yet, which its cells take, and of which NumPy makes an array.
        """

    def backward(self, dx: Array, ids: Ids, V: int, workspace: Workspace, /) -> Array:
        """dW_ih [V, G·H], from dx [T, B, G·H] and ids [T, B]; db is the sum of its rows."""


class Dropout(Protocol):
    """The masks of dropout, forward and backward: see `layers.dropout`."""

    def drop(self, x: Array, out: Array, dropped: float, seed: int, rows: Indices, /) -> None:
        """Writes x times the masks of rows [N] to out [N, C]; x is [N, C], or [1, C] for N equal rows; contiguous."""


class Linear(Protocol):
    """y = x W + b. The precision is that of the products, as in a cell."""

    def forward(self, x: Array, W: Array, b: Array, workspace: Workspace, /, precision: str = "float32") -> Array:
        """y [N, out] for x [N, in], W [in, out] and b [out]; contiguous."""

    def backward(
        self, dy: Array, x: Array, W: Array, workspace: Workspace, /, precision: str = "float32"
    ) -> tuple[Array, Array, Array]:
        """dx [N, in], dW [in, out] and db [out], from dy [N, out]; contiguous."""


class Softmax(Protocol):
    """Softmax and cross-entropy. Raises `IndexError` for a target outside the vocabulary."""

    def log_softmax(self, logits: Array, /) -> Array:
        """The log-probabilities [..., V] of logits [..., V], which it leaves as they are."""

    def token_nll(self, logits: Array, targets: Ids, /) -> Array:
        """-log p of each of the targets [N], in nats. Overwrites the logits [N, V]."""

    def cross_entropy(self, logits: Array, targets: Ids, /) -> tuple[float, Array]:
        """The summed loss in nats, and its gradient d_logits [N, V], which overwrites the logits [N, V]."""


class Attention(Protocol):
    """Attention of the steps of a decoder to those of a source: see `layers.attention`.

    The cache refers to the arguments: they must not change before `backward`.
    """

    def forward(
        self, h: Array, encoded: Array, lengths: Indices, W_a: Array, W_c: Array, b_c: Array, workspace: Workspace, /
    ) -> tuple[Array, Any]:
        """The outputs [Td, B, H] and a cache: `project`, then `attend`."""

    def project(
        self, encoded: Array, lengths: Indices, W_a: Array, W_c: Array, b_c: Array, workspace: Workspace, /
    ) -> Any:
        """What `attend` reads: encoded [Ts, B, E], of which lengths [B] steps count, and the parameters.

        W_a is [E, H], W_c [H + E, H] and b_c [H]; encoded and they must not change while the result is in use.
        It is valid until `project` or `forward` is called again with the workspace. Raises `ValueError` for a length
        outside 1 to Ts. Steps that do not count have no influence, whatever their values.
        """

    def attend(self, h: Array, source: Any, workspace: Workspace, /) -> tuple[Array, Any]:
        """The outputs [Td, B, H] for h [Td, B, H] and what `project` returned; and a cache, as `forward` returns it.

        Raises `ValueError` if h does not have a row for each source.
        """

    def weights(self, cache: Any, /) -> Array:
        """The weights [Td, B, Ts], a view of the cache: 0 beyond each row's length; their sum over the source is 1."""

    def backward(
        self, d_outputs: Array, cache: Any, workspace: Workspace, /
    ) -> tuple[Array, Array, Array, Array, Array]:
        """dh [Td, B, H], d_encoded [Ts, B, E], dW_a, dW_c and db_c, from d_outputs [Td, B, H]; contiguous."""


class CharDecoder(Protocol):
    """Draws the characters of B texts, each of them independent of the others in the batch."""

    @property
    def state(self) -> Array:
        """The state [L, S, B, H] before the last character drawn."""

    def set_state(self, state: Array) -> None:
        """Goes on with other texts, of any number B, whose states are [L, S, B, H]."""

    def run(
        self,
        context: Ids,
        u: Array,
        temps: Sequence[float] | Array,
        settings: Sequence[float] | Sequence[Sequence[float]],
        mask: Mask | None = None,
        recent: Ids | None = None,
        contexts: Ids | None = None,
    ) -> tuple[Ids, Array]:
        """Draws one character for each of the random numbers u [N, B], after the characters `context` [B].

        `temps` are N temperatures, and `settings` the result of `sampling.filters.settings`; or both are given for each
        text, as [N, B] and as B results. `mask` [B, V] and `recent` [B, LOOKBACK] are as in `sampling.filters.apply`.
        `contexts` [B, K] are those of the table of n-grams, if there is one. Returns ids [N, B] and the model's own
        log-probabilities of them, [N, B].
        """


class Factors(NamedTuple):
    """The factors of a parameter's steps [R, C], or [C], in its rows and columns: see `scoring.learner.step`."""

    row_steps: Array
    """[R]; [1] for a parameter [C]. Negative."""
    column_steps: Array
    """[C]"""
    row_pulls: Array
    """[R]; [1]"""
    column_pulls: Array
    """[C]"""
    max_length: float
    """The largest norm of the first part of a step."""


class Engine(Protocol):
    """A module with the cells, the other layers and the loss, and faster paths if it has any."""

    rnn: Cell
    rnn_relu: Cell
    """`rnn` with ReLU in place of tanh."""
    gru: Cell
    lstm: Cell
    embedding: Embedding
    dropout: Dropout
    linear: Linear
    softmax: Softmax
    attention: Attention
    Decoder: Callable[..., CharDecoder] | None
    """`Decoder(cell, params, state, threads=1, precision="float32", ngrams=None)`, from a state [L, S, B, H].

    The precision is that of the weights, one of `config.WEIGHT_PRECISIONS`: see `layers.narrow`. `ngrams` is a
    `model.ngrams.NgramTable`, whose predictions are mixed in. None: it has none.

    Without one, sampling calls `step` for each character: `sampling.decoder` is the reference implementation.
    """
    Learner: Callable[..., Any] | None
    """`Learner(cell, params, state, factors, segment, boost)`, a faster `scoring.learner.Learner`.

    `factors` has the `Factors` of each parameter, `boost` is that of `scoring.learner`. None: the engine has none.
    """
    adam: Callable[..., None] | None
    """A faster `training.optimizers.adam`, with the same arguments; None: the engine has none."""
