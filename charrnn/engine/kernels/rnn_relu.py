"""The compiled version of `layers.rnn_relu`: `rnn` with ReLU."""

from functools import partial

from charrnn.engine.kernels import rnn
from charrnn.engine.kernels.rnn import GATES, RECURRENT, STATES, backward

forward = partial(rnn.forward, nonlinearity="relu")

__all__ = ["GATES", "RECURRENT", "STATES", "backward", "forward"]
