"""The numba engine: the cells compiled for the registers of the host, with the names and signatures of `cells`."""

from charrnn.cells import softmax
from charrnn.cells.compiled import embedding, gru, linear, lstm, rnn
from charrnn.cells.compiled.sampler import Sampler

__all__ = ["Sampler", "embedding", "gru", "linear", "lstm", "rnn", "softmax"]
