"""The naive reference: the textbook equations as loops over time, rows and units, in float64; slow but obvious."""

import math

import numpy as np


def sigma(a):
    """1 / (1 + e^-a), in the form that cannot overflow."""
    return 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(a) / (1 + math.exp(a))


def product(h, W, column):
    """One entry of h @ W: Σ_k h_k W[k, column]."""
    return sum(h[k] * W[k, column] for k in range(len(h)))


def rnn(x, W_hh, state, f=math.tanh):
    """h_t = f(x_t + h_{t-1} W_hh), for x [T, B, H]; returns the outputs and the last state [1, B, H]."""
    T, B, H = x.shape
    outputs, last = np.zeros((T, B, H)), np.zeros((1, B, H))
    for row in range(B):
        h = [float(value) for value in state[0, row]]
        for t in range(T):
            h = [f(x[t, row, j] + product(h, W_hh, j)) for j in range(H)]
            outputs[t, row] = h
        last[0, row] = h
    return outputs, last


def rnn_relu(x, W_hh, state):
    """The same with ReLU."""
    return rnn(x, W_hh, state, f=lambda a: a if a > 0 else 0.0)


def gru(x, W_hh, b_hn, state):
    """The GRU whose reset gate acts after the recurrent product, for x [T, B, 3H] with the gates r, z, n."""
    T, B, H = x.shape[0], x.shape[1], x.shape[2] // 3
    outputs, last = np.zeros((T, B, H)), np.zeros((1, B, H))
    for row in range(B):
        h = [float(value) for value in state[0, row]]
        for t in range(T):
            new = []
            for j in range(H):
                r = sigma(x[t, row, j] + product(h, W_hh, j))
                z = sigma(x[t, row, H + j] + product(h, W_hh, H + j))
                n = math.tanh(x[t, row, 2 * H + j] + r * (product(h, W_hh, 2 * H + j) + b_hn[j]))
                new.append((1 - z) * n + z * h[j])
            h = new
            outputs[t, row] = h
        last[0, row] = h
    return outputs, last


def lstm(x, W_hh, state):
    """The LSTM with a forget gate, for x [T, B, 4H] with the gates i, f, g, o; the state [2, B, H] is h and c."""
    T, B, H = x.shape[0], x.shape[1], x.shape[2] // 4
    outputs, last = np.zeros((T, B, H)), np.zeros((2, B, H))
    for row in range(B):
        h, c = ([float(value) for value in part[row]] for part in state)
        for t in range(T):
            new_h, new_c = [], []
            for j in range(H):
                i = sigma(x[t, row, j] + product(h, W_hh, j))
                f = sigma(x[t, row, H + j] + product(h, W_hh, H + j))
                g = math.tanh(x[t, row, 2 * H + j] + product(h, W_hh, 2 * H + j))
                o = sigma(x[t, row, 3 * H + j] + product(h, W_hh, 3 * H + j))
                new_c.append(f * c[j] + i * g)
                new_h.append(o * math.tanh(new_c[j]))
            h, c = new_h, new_c
            outputs[t, row] = h
        last[0, row], last[1, row] = h, c
    return outputs, last


CELLS = {"rnn": rnn, "rnn_relu": rnn_relu, "gru": gru, "lstm": lstm}
GATES = {"rnn": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
STATES = {"rnn": 1, "rnn_relu": 1, "gru": 1, "lstm": 2}


def attention(h, encoded, lengths, W_a, W_c, b_c):
    """Luong's attention with the general score, through contexts: the outputs [Td, B, H] and weights [Td, B, Ts]."""
    Td, B, H = h.shape
    Ts, _, E = encoded.shape
    outputs, weights = np.zeros((Td, B, H)), np.zeros((Td, B, Ts))
    for row in range(B):
        steps = [[float(value) for value in encoded[s, row]] for s in range(lengths[row])]
        for t in range(Td):
            query = [float(value) for value in h[t, row]]
            scores = [sum(query[j] * product(e, W_a, j) for j in range(H)) for e in steps]
            weights[t, row, : len(steps)] = [math.exp(p) for p in log_softmax(scores)]
            context = [sum(weights[t, row, s] * e[i] for s, e in enumerate(steps)) for i in range(E)]
            outputs[t, row] = [math.tanh(product(query + context, W_c, j) + b_c[j]) for j in range(H)]
    return outputs, weights


def embedding(ids, W_ih, b):
    """onehot(id) W_ih + b, for ids [T, B], with the one-hot vector written out."""
    T, B = ids.shape
    x = np.zeros((T, B, W_ih.shape[1]))
    for t in range(T):
        for row in range(B):
            onehot = np.array([float(v == ids[t, row]) for v in range(len(W_ih))])
            x[t, row] = onehot @ W_ih + b
    return x


def log_softmax(logits):
    """y_v - log Σ_w e^{y_w} for one row of logits [V], computed from y - max y."""
    highest = max(logits)
    total = math.log(math.fsum(math.exp(y - highest) for y in logits))
    return [y - highest - total for y in logits]


def network(params, inputs, state, cell, layers, masks=None):
    """The logits [T, B, V] and the next state of the whole network, layer by layer, for inputs [T, B]."""
    h, next_state = None, np.zeros_like(state)
    for layer in range(layers):
        W_ih, W_hh, b = (params[f"{name}{layer}"] for name in ("W_ih", "W_hh", "b"))
        x = embedding(inputs, W_ih, b) if layer == 0 else h @ W_ih + b
        recurrent = (W_hh, params[f"b_hn{layer}"]) if cell == "gru" else (W_hh,)
        h, next_state[layer] = CELLS[cell](x, *recurrent, state[layer])
        if masks is not None:
            h = h * masks[layer]
    return h @ params["W_out"] + params["b_out"], next_state


def encoder(params, ids, cell, layers, masks=None):
    """The outputs [N, H] of the last layer's two cells, each in the order of its steps, for a single text, ids [N].

    `masks` [L, N, 2H] are for the outputs of the forward cell and of the reverse cell, in that order of steps.
    """
    read = ids, ids[::-1]
    for layer in range(layers):
        outputs = []
        for half, direction in enumerate(("", "_reverse")):
            W_ih, W_hh, b = (params[f"{name}{layer}{direction}"] for name in ("W_ih", "W_hh", "b"))
            x = embedding(read[half][:, None], W_ih, b) if layer == 0 else (read[half] @ W_ih + b)[:, None]
            recurrent = (W_hh, params[f"b_hn{layer}{direction}"]) if cell == "gru" else (W_hh,)
            h, _ = CELLS[cell](x, *recurrent, np.zeros((STATES[cell], 1, len(W_hh))))
            mask = 1 if masks is None else np.split(masks[layer], 2, axis=1)[half]
            outputs.append(h[:, 0] * mask)
        y = np.concatenate((outputs[0], outputs[1][::-1]), axis=1)
        read = y, y[::-1]
    return outputs


def classifier(params, ids, cell, layers, masks=None):
    """The logits [outputs] of a single text, ids [N]; the biases if it is empty."""
    if not len(ids):
        return params["b_out"]
    h, h_reverse = encoder(params, ids, cell, layers, masks)
    pooled = np.concatenate((sum(h) / len(ids), sum(h_reverse) / len(ids), h[-1], h_reverse[-1]))
    return pooled @ params["W_out"] + params["b_out"]


def tagger(params, ids, cell, layers, masks=None):
    """The logits [N, outputs] of a single text, ids [N]."""
    if not len(ids):
        return np.zeros((0, len(params["b_out"])))
    h, h_reverse = encoder(params, ids, cell, layers, masks)
    return np.concatenate((h, h_reverse[::-1]), axis=1) @ params["W_out"] + params["b_out"]


def translator(params, source, inputs, cell, layers, masks=None):
    """The logits [N, V] after each of the inputs [N] of the decoder, beside a single source, ids [M].

    `masks` [L, M + N, 2H] are those of the encoder, then those of the decoder, which has the first H columns.
    """
    M, H = len(source), len(params["b_c"])
    encoder_masks, decoder_masks = (None, None) if masks is None else (masks[:, :M], masks[:, None, M:, :H])
    h, h_reverse = encoder(params, source, cell, layers, encoder_masks)
    e = np.concatenate((h, h_reverse[::-1]), axis=1)
    state = np.zeros((layers, STATES[cell], 1, H))
    names = ("W_ih", "W_hh", "b") + ("b_hn",) * (cell == "gru")
    decoder = {f"{name}{layer}": params[f"{name}{layer}_decoder"] for name in names for layer in range(layers)}
    identity = {"W_out": np.eye(H), "b_out": np.zeros(H)}
    decoder_masks = None if masks is None else decoder_masks.swapaxes(1, 2)
    outputs, _ = network(decoder | identity, inputs[:, None], state, cell, layers, decoder_masks)
    a, _ = attention(outputs, e[:, None], [M], params["W_a"], params["W_c"], params["b_c"])
    return a[:, 0] @ params["W_out"] + params["b_out"]


def loss(logits, targets):
    """-Σ log p of the targets [T, B], given logits [T, B, V]."""
    T, B = targets.shape
    return -sum(log_softmax(logits[t, row])[targets[t, row]] for t in range(T) for row in range(B))


def gradient(f, array, eps=1e-5):
    """∂f/∂array by central differences: each entry of the array is changed in place in turn, and restored."""
    d = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + eps
        above = f()
        array[index] = kept - eps
        below = f()
        array[index] = kept
        d[index] = (above - below) / (2 * eps)
    return d


def mixed_nats(learned, trained, before, update_every):
    """-log p of characters of which two say this: mixed by a unit, and the result with the second by fixed share."""
    theta, biases, share, found = [0.0, 1.0, 1.0, 1.0, 4.0], {}, 0.5, []
    advantages = [max(-2.0, min(2.0, b - a)) for a, b in zip(learned, trained, strict=True)]
    changes = []
    for n, (a, b, v) in enumerate(zip(learned, trained, before, strict=True)):
        f = [1.0, *(sum(advantages[max(0, n - span) : n]) / span for span in (2, 8, 32, 128))]
        logit = sum(x * y for x, y in zip(theta, f, strict=True)) + biases.get(v, 0.0)
        w = sigma(max(-8.0, min(8.0, logit)))
        unit = w * math.exp(-a) + (1 - w) * math.exp(-b)
        p = share * unit + (1 - share) * math.exp(-b)
        found.append(-math.log(p))
        share *= unit / p
        changes.append((w * math.exp(-a) / unit - w, f, v))
        if len(changes) == update_every:
            for change, f, v in changes:
                theta = [x + 0.15 * change * y for x, y in zip(theta, f, strict=True)]
                biases[v] = biases.get(v, 0.0) + 0.15 * change
            changes, share = [], 0.99 * share + 0.005
    return found
