"""The mathematics, one page per layer, in NumPy: this is also the reference engine, `numpy`."""

from charrnn.layers import attention, dropout, embedding, gru, linear, lstm, rnn, rnn_relu, softmax

Decoder = Learner = adam = None
"""The faster paths that an engine may offer; the reference has none: see `charrnn.engine.Engine`."""

__all__ = [
    "Decoder",
    "Learner",
    "adam",
    "attention",
    "dropout",
    "embedding",
    "gru",
    "linear",
    "lstm",
    "rnn",
    "rnn_relu",
    "softmax",
]
