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
from charrnn.memory import Memory
from charrnn.notation import Array, Ids, Params, Places

HELD = 1 - 1e-6
"""The value next to 1 at which a unit can be held."""


def cell_of(config: ModelConfig, engine: Engine) -> Cell:
    """The cell, of that engine, which the model is made of."""
    cell: Cell = getattr(engine, config.cell)
    return cell


def shapes(config: ModelConfig, cell: Cell) -> dict[str, tuple[int, ...]]:
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


def initial_params(config: ModelConfig, engine: Engine, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Fresh parameters.

    W_hh: each gate's H×H block orthogonal, so that the recurrence neither shrinks nor stretches a state (A. Saxe,
    J. McClelland, S. Ganguli, 2014). W_ih and W_out: uniform within ±√(6 / (in + out)) of a gate (X. Glorot,
    Y. Bengio, 2010); but of the first layer within ±√3, whose variance is 1: it is a look-up, which adds up a single
    row, however many there are, and with less the network can't tell the characters apart at first. Biases zero, but
    for the LSTM's forget gate, which starts at 1: open, so that the memory lasts before anything is learned (F. Gers et
    al., 2000; R. Jozefowicz et al., 2015).
    """
    cell, H = cell_of(config, engine), config.hidden_size
    params: Params = {}
    for name, shape in shapes(config, cell).items():
        if name.startswith("W_hh"):
            blocks = []
            for _ in range(cell.GATES):
                q, r = np.linalg.qr(rng.standard_normal((H, H)))
                blocks.append(q * np.sign(np.diag(r)))  # the sign makes it uniform over all rotations
            params[name] = np.concatenate(blocks, axis=1).astype(dtype)
        elif name.startswith("W"):
            fan_out = shape[1] if name == "W_out" else H
            limit = np.sqrt(3 if name == "W_ih0" else 6 / (shape[0] + fan_out))
            params[name] = rng.uniform(-limit, limit, shape).astype(dtype)
        else:
            params[name] = np.zeros(shape, dtype)
    if config.cell == "lstm":
        for layer in range(config.layers):
            params[f"b{layer}"][H : 2 * H] = 1
    return params


def hold(params: Params, config: ModelConfig, values: Array) -> tuple[Params, Array]:
    """Weights with which some units stay where they are, and the state [L, S, 1, H] they stay in, NaN for the others.

    `values` [L, H] has where they are held, between -1 and 1, and NaN for the others: as `look_inside` has it, that is
    tanh c of an LSTM and h of the others. Nothing of what runs the network has to know of it: the unit hears nothing
    but biases, with which its value is where it comes to rest. A GRU's candidate is the value itself; an LSTM's memory
    loses a sixteenth at every step, and gets as much back.
    """
    H, kept = config.hidden_size, np.clip(values, -HELD, HELD)
    fixed = {name: p.copy() for name, p in params.items()}
    state = np.full_like(zero_state(config, load("numpy"), 1, params["W_out"].dtype), np.nan)
    for layer, index in np.argwhere(~np.isnan(values)):
        value, inverse = kept[layer, index], np.arctanh(kept[layer, index])
        if config.cell == "lstm":  # i = 1/2, f = 15/16 and g = c/8, so that f c + i g = c
            biases = {index: 0.0, H + index: np.log(15), 2 * H + index: np.arctanh(inverse / 8)}
        elif config.cell == "gru":  # n = h, so that (1 - z) n + z h = h, whatever z is
            biases = {2 * H + index: inverse}
            fixed[f"b_hn{layer}"][index] = 0
        else:
            biases = {index: inverse}
        for column, bias in biases.items():
            fixed[f"W_ih{layer}"][:, column] = fixed[f"W_hh{layer}"][:, column] = 0
            fixed[f"b{layer}"][column] = bias
        state[layer, -1, 0, index] = inverse if config.cell == "lstm" else value
    return fixed, state


def zero_state(config: ModelConfig, engine: Engine, B: int, dtype: Any = np.float32) -> Array:
    """The state [L, S, B, H] before anything was read."""
    return np.zeros((config.layers, cell_of(config, engine).STATES, B, config.hidden_size), dtype)


def dropout_masks(
    config: ModelConfig, T: int, B: int, rng: np.random.Generator, dtype: Any = np.float32
) -> Array | None:
    """What the outputs of each layer are multiplied by in training: [L, T, B, H] of 0 and 1 / (1 - dropout), or None.

    Inverted dropout (N. Srivastava et al., 2014): scaled here, so that sampling has nothing to scale. It acts between
    layers and before the decoder, not on the way from one step to the next (W. Zaremba et al., 2014). A locked mask,
    [L, 1, B, H], leaves out the same units for the whole chunk (variational dropout, Y. Gal, Z. Ghahramani, 2016).
    """
    if not config.dropout:
        return None
    return _mask((config.layers, 1 if config.locked else T, B, config.hidden_size), config.dropout, rng, dtype)


def recurrent_masks(
    config: ModelConfig, engine: Engine, rng: np.random.Generator, dtype: Any = np.float32
) -> dict[str, Array]:
    """What the recurrent weights are multiplied by in a step of training, each [H, G·H]; none without `drop_connect`.

    DropConnect (L. Wan et al., 2013) on W_hh, the same for all rows and steps of time (S. Merity et al., 2018).
    """
    if not config.drop_connect:
        return {}
    shape = (config.hidden_size, cell_of(config, engine).GATES * config.hidden_size)
    return {f"W_hh{layer}": _mask(shape, config.drop_connect, rng, dtype) for layer in range(config.layers)}


def _mask(shape: tuple[int, ...], dropped: float, rng: np.random.Generator, dtype: Any) -> Array:
    """Zeros, a share `dropped` of all, among numbers that keep the mean at 1; the share is one of 65,536ths."""
    threshold = min(round(dropped * 65536), 65535)  # sixteen bits are drawn five times as fast as a float32
    kept = rng.integers(65536, size=shape, dtype=np.uint16) >= threshold
    mask: Array = kept * np.asarray(65536 / (65536 - threshold), dtype)
    return mask


def _run(
    params: Params,
    inputs: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    masks: Array | None,
    memory: Memory,
) -> tuple[Array, Array, list[Any], list[Array]]:
    """Runs all layers; returns the last one's outputs [T, B, H], the next state, the caches and each layer's input."""
    cell = cell_of(config, engine)
    next_state, caches, below = np.empty_like(state), [], []
    x = engine.embedding.forward(inputs, params["W_ih0"], params["b0"], memory)
    for layer in range(config.layers):
        recurrent = (params[f"{name}{layer}"] for name in cell.RECURRENT)
        room = memory.part(f"layer {layer}")
        h, next_state[layer], cache = cell.forward(x, *recurrent, state[layer], room)
        if masks is not None:
            h = np.multiply(h, masks[layer], out=room.empty("dropped out", h.shape, h.dtype))
        caches.append(cache)
        below.append(h)
        if layer + 1 < config.layers:
            x = _linear(h, params[f"W_ih{layer + 1}"], params[f"b{layer + 1}"], engine, room)
    return h, next_state, caches, below


def _linear(x: Array, W: Array, b: Array, engine: Engine, memory: Memory) -> Array:
    """x W + b over all steps and rows: [T, B, in] → [T, B, out]."""
    T, B, _ = x.shape
    return engine.linear.forward(x.reshape(T * B, -1), W, b, memory).reshape(T, B, -1)


def _gathered(h: Array, targets: Ids, real: Places | None, memory: Memory) -> tuple[Array, Ids]:
    """The outputs [N, H] and the targets [N] at the N places that count, of h [T, B, H] and targets [T, B]."""
    h, targets = h.reshape(-1, h.shape[-1]), targets.ravel()
    if real is None:
        return h, targets
    places = np.flatnonzero(real)
    # mode="clip" lets take write to `out` at once; the places are within bounds
    found = np.take(h, places, axis=0, out=memory.empty("real", (len(places), h.shape[1]), h.dtype), mode="clip")
    return found, targets[places]


def _scattered(d: Array, shape: tuple[int, ...], real: Places | None, memory: Memory) -> Array:
    """Undoes `_gathered`: the gradient [T, B, H] of all outputs, from that of those that count; the others' is zero."""
    if real is None:
        return d.reshape(shape)
    dh = memory.zeros("d_real", shape, d.dtype)
    dh[real] = d
    return dh


def forward(
    params: Params, inputs: Ids, state: Array, config: ModelConfig, engine: Engine, memory: Memory | None = None
) -> tuple[Array, Array]:
    """Predicts: logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state.

    The logits are in the memory, if one is given, and hold until that is used again.
    """
    memory = memory or Memory()
    h, state, _, _ = _run(params, inputs, state, config, engine, None, memory)
    return _linear(h, params["W_out"], params["b_out"], engine, memory), state


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


def look_inside(
    params: Params, inputs: Ids, state: Array, config: ModelConfig, memory: Memory | None = None
) -> tuple[Array, Array, list[dict[str, Array]], Array]:
    """`forward` by the NumPy engine, with what happens on the way.

    Returns the logits [T, B, V]; what each unit stands at [L, T, B, H], which is tanh c of an LSTM and h of the others;
    the gates of each layer by name, [T, B, H]; and the next state.
    """
    memory, engine = memory or Memory(), load("numpy")
    h, state, caches, _ = _run(params, inputs, state, config, engine, None, memory)
    units, gates = zip(*map(cell_of(config, engine).inside, caches), strict=True)
    return _linear(h, params["W_out"], params["b_out"], engine, memory), np.stack(units), list(gates), state


def surprises(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    memory: Memory | None = None,
) -> tuple[Array, Array]:
    """The loss of each of the targets [T, B] after the inputs [T, B], in nats [T, B]; and the next state."""
    logits, state = forward(params, inputs, state, config, engine, memory)
    nats = engine.softmax.surprises(logits.reshape(-1, config.vocab_size), targets.ravel())
    return nats.reshape(targets.shape), state


def loss(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    memory: Memory | None = None,
    real: Places | None = None,
) -> tuple[float, Array]:
    """The loss of the targets [T, B] after the inputs [T, B], summed, in nats; and the next state.

    With `real` [T, B] only the targets at those places count.
    """
    memory = memory or Memory()
    h, state, _, _ = _run(params, inputs, state, config, engine, None, memory)
    h, targets = _gathered(h, targets, real, memory)
    logits = engine.linear.forward(h, params["W_out"], params["b_out"], memory)
    return float(engine.softmax.surprises(logits, targets).sum(dtype=np.float64)), state


def loss_and_gradients(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    masks: Array | None = None,
    memory: Memory | None = None,
    real: Places | None = None,
) -> tuple[float, Params, Array]:
    """The summed loss in nats, its gradient for every parameter, and the next state.

    inputs and targets [T, B]; state [L, S, B, H]; masks [L, T, B, H] of `dropout_masks`, or None. Sums, not means, so
    that shards of the batch can be added up. Backpropagation stops at the state that came in: that is the truncation
    of truncated BPTT (R. Williams, J. Peng, 1990). The gradients are in the memory, if one is given, and hold until
    that is used again.

    With `real` [T, B] only the targets at those places count: texts that end before others of their batch are filled
    up with anything at all. There may be none in a shard.
    """
    memory = memory or Memory()
    total, grads, next_state, _ = _there_and_back(params, inputs, targets, state, config, engine, masks, memory, real)
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
    return _there_and_back(params, inputs, everywhere, state, config, engine, None, Memory(), real)[3]


def _there_and_back(
    params: Params,
    inputs: Ids,
    targets: Ids,
    state: Array,
    config: ModelConfig,
    engine: Engine,
    masks: Array | None,
    memory: Memory,
    real: Places | None,
) -> tuple[float, Params, Array, Array]:
    """`loss_and_gradients`, and last the gradient of the state."""
    cell, V = cell_of(config, engine), config.vocab_size
    T, B = inputs.shape
    h, next_state, caches, below = _run(params, inputs, state, config, engine, masks, memory)
    h_real, targets = _gathered(h, targets, real, memory)
    logits = engine.linear.forward(h_real, params["W_out"], params["b_out"], memory)
    total, d_logits = engine.softmax.cross_entropy(logits, targets)

    grads: Params = {}
    d_state = np.empty_like(state)

    def undo(dy: Array, x: Array, W: str, b: str) -> Array:
        dx, grads[W], grads[b] = engine.linear.backward(dy, x, params[W], memory.part(W))
        return dx

    # logits = h_real W_out + b_out
    d_real = undo(d_logits, h_real, "W_out", "b_out")
    # h_real = h[real]
    dh = _scattered(d_real, h.shape, real, memory)
    for layer in reversed(range(config.layers)):
        # h = h * masks[layer]
        if masks is not None:
            dh *= masks[layer]
        # h, state, cache = cell.forward(x, …)
        dx, *recurrent, d_state[layer] = cell.backward(dh, caches[layer], memory.part(f"layer {layer}"))
        grads.update((f"{name}{layer}", d) for name, d in zip(cell.RECURRENT, recurrent, strict=True))
        if layer:
            # x = below W_ih + b
            x = below[layer - 1]
            dh = undo(dx.reshape(T * B, -1), x.reshape(T * B, -1), f"W_ih{layer}", f"b{layer}").reshape(x.shape)
        else:
            # x = (W_ih + b)[inputs]
            grads["W_ih0"] = engine.embedding.backward(dx, inputs, V, memory)
            grads["b0"] = grads["W_ih0"].sum(axis=0)
    return total, {name: grads[name] for name in params}, next_state, d_state
