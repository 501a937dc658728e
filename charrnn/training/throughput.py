"""The throughput: how many characters per second this machine learns from."""

import statistics
import time

import numpy as np

from charrnn.config import ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.vocabulary import smallest_type
from charrnn.engine import Engine
from charrnn.engine.threads import Threads
from charrnn.layers.workspace import Workspace
from charrnn.model.forms import network_for
from charrnn.model.initialization import initial_params
from charrnn.resources import blas

MEASURE_SECONDS = 0.5
"""The seconds of a measurement, after a first step that may compile."""
MIN_STEPS = 3
"""The fewest steps of a measurement: the process may be stopped in one of them, which the median then leaves out."""


def measure_throughput(engine: Engine, threads: int, model: ModelConfig, B: int, T: int) -> float:
    """The characters per second that this machine learns from, with such a network and B rows of T in each thread.

    It is the median over half a second of steps, and covers the products, the gates and the loss.
    """
    rng = np.random.default_rng(0)
    network = network_for(model, engine)
    batch, workspaces = _random_batch(model, T, B, rng), [Workspace() for _ in range(threads)]

    def step(workspace: Workspace) -> None:
        network.loss_and_gradients(params, batch, state, None, workspace)

    with blas.limit(), Threads(threads) as pool:
        params, state = initial_params(network, rng), network.zero_state(B)
        pool.map(step, workspaces)
        network.loss(params, batch, state, workspaces[0])  # evaluations need it compiled
        took: list[float] = []
        while sum(took) < MEASURE_SECONDS or len(took) < MIN_STEPS:
            began = time.perf_counter()
            pool.map(step, workspaces)
            took.append(time.perf_counter() - began)
    return threads * B * T / statistics.median(took)


def _random_batch(model: ModelConfig, T: int, B: int, rng: np.random.Generator) -> Batch:
    """A batch of random ids for a network of any form; a translator reads half of them as sources."""
    outputs = model.outputs or model.vocab_size
    inputs = rng.integers(model.vocab_size, size=(T, B)).astype(smallest_type(model.vocab_size))
    if model.form == "translator":
        sources, inputs = inputs[: -(-T // 2)], inputs[T // 2 :]
        return Batch(inputs, inputs, sources=sources, lengths=np.full(B, len(sources)))
    rows = 1 if model.form == "classifier" else T
    return Batch(inputs, rng.integers(outputs, size=(rows, B)).astype(smallest_type(outputs)))
