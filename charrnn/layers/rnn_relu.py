"""The vanilla recurrent network with ReLU: `rnn`, which holds the mathematics, with the other of its nonlinearities.

Edits here show with `--engine numpy`. `engine/kernels/rnn_relu.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from functools import partial

from charrnn.layers import rnn
from charrnn.layers.rnn import GATES, RECURRENT, STATES, backward, units_and_gates

forward = partial(rnn.forward, nonlinearity="relu")
step = partial(rnn.step, nonlinearity="relu")

__all__ = ["GATES", "RECURRENT", "STATES", "backward", "forward", "step", "units_and_gates"]
