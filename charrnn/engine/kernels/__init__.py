"""The numba engine: compiled versions of the layers, with the names and signatures of `charrnn.layers`."""

from charrnn.engine.kernels import attention, dropout, embedding, gru, linear, lstm, rnn, rnn_relu, softmax
from charrnn.engine.kernels.adam import adam
from charrnn.engine.kernels.decoder import Decoder
from charrnn.engine.kernels.learner import Learner

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
