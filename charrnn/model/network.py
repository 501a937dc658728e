"""The network: from ids to the loss and its gradients, as pure functions of parameters and state.

    x₀ = W_ih[ids] + b            the first layer reads characters: a look-up
    hₗ = cell(xₗ, W_hh)           the same weights at every step of time
    xₗ = hₗ₋₁ W_ih + b            the layers above read the outputs of the one below
    y  = h W_out + b_out          the decoder: a logit for each character that may come next

The parameters are `W_ih0, b0, W_hh0, …` for the layers from 0, and `W_out, b_out`. The state [L, S, B, H] holds every
layer's h (and c). A function takes the state and returns the next one; nothing is kept in between.
"""

from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Cell, Engine, load
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids, Mask, Params


def cell_of(config: ModelConfig, engine: Engine) -> Cell:
    """The cell, of that engine, which the model is made of."""
    cell: Cell = getattr(engine, config.cell)
    return cell


def param_shapes(config: ModelConfig, cell: Cell) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter, in the order in which they are made."""
    V, H, GH = config.vocab_size, config.hidden_size, cell.GATES * config.hidden_size
    found: dict[str, tuple[int, ...]] = {}
    for layer in range(config.layers):
        found[f"W_ih{layer}"] = (H if layer else V, GH)
        found[f"W_hh{layer}"] = (H, GH)
        found[f"b{layer}"] = (GH,)
        if "b_hn" in cell.RECURRENT:
            found[f"b_hn{layer}"] = (H,)
    return found | {"W_out": (H, V), "b_out": (V,)}


def zero_state(config: ModelConfig, engine: Engine, B: int, dtype: Any = np.float32) -> Array:
    """The state [L, S, B, H] before anything was read."""
    return np.zeros((config.layers, cell_of(config, engine).STATES, B, config.hidden_size), dtype)


def _forward_layers(
    params: Params,
    inputs: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    masks: Array | None,
    workspace: Workspace,
) -> tuple[Array, Array, list[Any], list[Array]]:
    """Runs all layers; returns the last one's outputs [T, B, H], the next state, the caches and each layer's input."""
    cell = cell_of(config, engine)
    next_state, caches, below = np.empty_like(state), [], []
    x = engine.embedding.forward(inputs, params["W_ih0"], params["b0"], workspace)
    for layer in range(config.layers):
        recurrent = (params[f"{name}{layer}"] for name in cell.RECURRENT)
        room = workspace.scope(f"layer {layer}")
        h, next_state[layer], cache = cell.forward(x, *recurrent, state[layer], room)
        if masks is not None:
            h = np.multiply(h, masks[layer], out=room.empty("dropped out", h.shape, h.dtype))
        caches.append(cache)
        below.append(h)
        if layer + 1 < config.layers:
            x = _linear(h, params[f"W_ih{layer + 1}"], params[f"b{layer + 1}"], engine, room)
    return h, next_state, caches, below


def _linear(x: Array, W: Array, b: Array, engine: Engine, workspace: Workspace) -> Array:
    """x W + b over all steps and rows: [T, B, in] → [T, B, out]."""
    T, B, _ = x.shape
    return engine.linear.forward(x.reshape(T * B, -1), W, b, workspace).reshape(T, B, -1)


def select_masked(h: Array, targets: Ids, real: Mask | None, workspace: Workspace) -> tuple[Array, Ids]:
    """The outputs [N, H] and the targets [N] at the N places that count, of h [T, B, H] and targets [T, B]."""
    h, targets = h.reshape(-1, h.shape[-1]), targets.ravel()
    if real is None:
        return h, targets
    places = np.flatnonzero(real)
    # mode="clip" lets take write to `out` at once; the places are within bounds
    found = np.take(h, places, axis=0, out=workspace.empty("real", (len(places), h.shape[1]), h.dtype), mode="clip")
    return found, targets[places]


def unselect_masked(d: Array, shape: tuple[int, ...], real: Mask | None, workspace: Workspace) -> Array:
    """Undoes `select_masked`: the gradient [T, B, H] of all outputs, from that of those that count; the others' is zero."""
    if real is None:
        return d.reshape(shape)
    dh = workspace.zeros("d_real", shape, d.dtype)
    dh[real] = d
    return dh


def forward(
    params: Params, inputs: Ids, state: Array, config: ModelConfig, engine: Engine, workspace: Workspace | None = None
) -> tuple[Array, Array]:
    """Predicts: logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state.

    The logits are in the memory, if one is given, and hold until that is used again.
    """
    workspace = workspace or Workspace()
    h, state, _, _ = _forward_layers(params, inputs, state, config, engine, None, workspace)
    return _linear(h, params["W_out"], params["b_out"], engine, workspace), state


def step(params: Params, ids: Ids, state: Array, config: ModelConfig, engine: Engine) -> tuple[Array, Array]:
    """`forward` for one character of each row [B], by the NumPy engine: logits [B, V], and the next state.

    It is what is left of it where a sequence is a single step, for there all that is around the mathematics costs more.
    """
    cell = cell_of(config, engine)
    after = np.empty_like(state)
    x = params["W_ih0"][ids] + params["b0"]
    for layer in range(config.layers):
        recurrent = (params[f"{name}{layer}"] for name in cell.RECURRENT)
        after[layer] = cell.step(x, *recurrent, state[layer])
        W, b = (f"W_ih{layer + 1}", f"b{layer + 1}") if layer + 1 < config.layers else ("W_out", "b_out")
        x = after[layer, 0] @ params[W]
        x += params[b]
    return x, after


def forward_with_activations(
    params: Params, inputs: Ids, state: Array, config: ModelConfig, workspace: Workspace | None = None
) -> tuple[Array, Array, list[dict[str, Array]], Array]:
    """`forward` by the NumPy engine, with what happens on the way.

    Returns the logits [T, B, V]; what each unit stands at [L, T, B, H], which is tanh c of an LSTM and h of the others;
    the gates of each layer by name, [T, B, H]; and the next state.
    """
    workspace, engine = workspace or Workspace(), load("numpy")
    h, state, caches, _ = _forward_layers(params, inputs, state, config, engine, None, workspace)
    units, gates = zip(*map(cell_of(config, engine).units_and_gates, caches), strict=True)
    return _linear(h, params["W_out"], params["b_out"], engine, workspace), np.stack(units), list(gates), state


def token_nll(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    workspace: Workspace | None = None,
) -> tuple[Array, Array]:
    """The loss of each of the targets [T, B] after the inputs [T, B], in nats [T, B]; and the next state."""
    logits, state = forward(params, inputs, state, config, engine, workspace)
    nats = engine.softmax.token_nll(logits.reshape(-1, config.vocab_size), targets.ravel())
    return nats.reshape(targets.shape), state


def loss(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    workspace: Workspace | None = None,
    real: Mask | None = None,
) -> tuple[float, Array]:
    """The loss of the targets [T, B] after the inputs [T, B], summed, in nats; and the next state.

    With `real` [T, B] only the targets at those places count.
    """
    workspace = workspace or Workspace()
    h, state, _, _ = _forward_layers(params, inputs, state, config, engine, None, workspace)
    h, targets = select_masked(h, targets, real, workspace)
    logits = engine.linear.forward(h, params["W_out"], params["b_out"], workspace)
    return float(engine.softmax.token_nll(logits, targets).sum(dtype=np.float64)), state


def loss_and_gradients(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    masks: Array | None = None,
    workspace: Workspace | None = None,
    real: Mask | None = None,
) -> tuple[float, Params, Array]:
    """The summed loss in nats, its gradient for every parameter, and the next state.

    inputs and targets [T, B]; state [L, S, B, H]; masks [L, T, B, H] of `dropout_masks`, or None. Sums, not means, so
    that shards of the batch can be added up. Backpropagation stops at the state that came in: that is the truncation
    of truncated BPTT (R. Williams, J. Peng, 1990). The gradients are in the memory, if one is given, and hold until
    that is used again.

    With `real` [T, B] only the targets at those places count: texts that end before others of their batch are filled
    up with anything at all. There may be none in a shard.
    """
    workspace = workspace or Workspace()
    total, grads, next_state, _ = _forward_backward(
        params, inputs, targets, state, config, engine, masks, workspace, real
    )
    return total, grads, next_state


def state_gradient(
    params: Params, inputs: Ids, targets: Ids, state: Array, config: ModelConfig, engine: Engine
) -> Array:
    """The gradient [L, S, B, H] of the loss of the last targets alone with respect to the state before the inputs.

    inputs [T, B]; targets [B]. It is the ∂loss_t/∂h_{t-k}, and for an LSTM ∂loss_t/∂c_{t-k}, of which backpropagation
    through time is made: what vanishes, or doesn't (Y. Bengio, P. Simard, P. Frasconi, 1994).
    """
    real = np.zeros(inputs.shape, bool)
    real[-1] = True
    everywhere = np.broadcast_to(targets, inputs.shape)
    return _forward_backward(params, inputs, everywhere, state, config, engine, None, Workspace(), real)[3]


def _forward_backward(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    masks: Array | None,
    workspace: Workspace,
    real: Mask | None,
) -> tuple[float, Params, Array, Array]:
    """`loss_and_gradients`, and last the gradient of the state."""
    cell, V = cell_of(config, engine), config.vocab_size
    T, B = inputs.shape
    h, next_state, caches, below = _forward_layers(params, inputs, state, config, engine, masks, workspace)
    h_real, targets = select_masked(h, targets, real, workspace)
    logits = engine.linear.forward(h_real, params["W_out"], params["b_out"], workspace)
    total, d_logits = engine.softmax.cross_entropy(logits, targets)

    grads: Params = {}
    d_state = np.empty_like(state)

    def undo(dy: Array, x: Array, W: str, b: str) -> Array:
        dx, grads[W], grads[b] = engine.linear.backward(dy, x, params[W], workspace.scope(W))
        return dx

    # logits = h_real W_out + b_out
    d_real = undo(d_logits, h_real, "W_out", "b_out")
    # h_real = h[real]
    dh = unselect_masked(d_real, h.shape, real, workspace)
    for layer in reversed(range(config.layers)):
        # h = h * masks[layer]
        if masks is not None:
            dh *= masks[layer]
        # h, state, cache = cell.forward(x, …)
        dx, *recurrent, d_state[layer] = cell.backward(dh, caches[layer], workspace.scope(f"layer {layer}"))
        grads.update((f"{name}{layer}", d) for name, d in zip(cell.RECURRENT, recurrent, strict=True))
        if layer:
            # x = below W_ih + b
            x = below[layer - 1]
            dh = undo(dx.reshape(T * B, -1), x.reshape(T * B, -1), f"W_ih{layer}", f"b{layer}").reshape(x.shape)
        else:
            # x = (W_ih + b)[inputs]
            grads["W_ih0"] = engine.embedding.backward(dx, inputs, V, workspace)
            grads["b0"] = grads["W_ih0"].sum(axis=0)
    return total, {name: grads[name] for name in params}, next_state, d_state
