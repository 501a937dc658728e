"""The mathematics, a page each, in NumPy: this is the reference engine, the one to read."""

from charrnn.layers import embedding, gru, linear, lstm, rnn, softmax

Decoder = adam = None
"""Found where the engine has a faster way: see `charrnn.engine.Engine`."""

__all__ = ["Decoder", "adam", "embedding", "gru", "linear", "lstm", "rnn", "softmax"]
