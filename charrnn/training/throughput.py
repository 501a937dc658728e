"""The throughput: how many characters a second this machine learns from."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from charrnn.config import ModelConfig
from charrnn.dataset.vocabulary import smallest_type
from charrnn.engine import Engine
from charrnn.layers.workspace import Workspace
from charrnn.model import initialization, network

MEASURE_SECONDS = 0.5
"""Seconds of measuring, after a first step which may compile."""


def measure_throughput(engine: Engine, threads: int, model: ModelConfig, B: int, T: int) -> float:
    """The characters a second that this machine learns from, with such a network and B rows of T in each thread.

    It is the median of half a second of steps, of which the products, the gates and the loss are measured.
    """
    rng = np.random.default_rng(0)
    params = initialization.initial_params(model, engine, rng)
    state = network.zero_state(model, engine, B)
    inputs, targets = rng.integers(model.vocab_size, size=(2, T, B)).astype(smallest_type(model.vocab_size))
    workspaces = [Workspace() for _ in range(threads)]

    def step(workspace: Workspace) -> None:
        network.loss_and_gradients(params, inputs, targets, state, model, engine, None, workspace)

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        list(pool.map(step, workspaces))
        network.loss(
            params, inputs, targets, state, model, engine, workspaces[0]
        )  # which evaluations will want compiled
        took: list[float] = []
        while sum(took) < MEASURE_SECONDS:
            began = time.perf_counter()
            list(pool.map(step, workspaces))
            took.append(time.perf_counter() - began)
    return threads * B * T / statistics.median(took)
