"""The numba engine: the cells compiled for the registers of the host, with the names and signatures of `cells`."""

from charrnn.cells.compiled import embedding, gru, linear, lstm, rnn, softmax
from charrnn.cells.compiled.adam import adam
from charrnn.cells.compiled.sampler import Sampler

__all__ = ["Sampler", "adam", "embedding", "gru", "linear", "lstm", "rnn", "softmax"]
