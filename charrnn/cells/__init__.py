"""The mathematics, a page each, in NumPy: this is the reference engine, the one to read."""

from charrnn.cells import embedding, gru, linear, lstm, rnn, softmax

Sampler = adam = None
"""Found where the engine has a faster way: see `charrnn.engine.Engine`."""

__all__ = ["Sampler", "adam", "embedding", "gru", "linear", "lstm", "rnn", "softmax"]
