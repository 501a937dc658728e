"""The mathematics, a page each, in NumPy: this is the reference engine, the one to read."""

from charrnn.cells import embedding, gru, linear, lstm, rnn, softmax

Sampler = None

__all__ = ["Sampler", "embedding", "gru", "linear", "lstm", "rnn", "softmax"]
