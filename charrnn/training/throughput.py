"""The throughput: how many characters per second this machine learns from."""

import statistics
import time

import numpy as np

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.vocabulary import smallest_type
from charrnn.engine import Engine
from charrnn.engine.threads import Threads
from charrnn.layers.workspace import Workspace
from charrnn.model.forms import network_for
from charrnn.model.initialization import initial_params
from charrnn.model.masks import Masks
from charrnn.resources import blas
from charrnn.training import optimizers
from charrnn.training.parallel import Shards

MEASURE_SECONDS = 0.5
"""The seconds of a measurement, after a first step that may compile."""
MIN_STEPS = 3
"""The fewest steps of a measurement: the process may be stopped in one of them, which the median then leaves out."""


def measure_throughput(
    engine: Engine, threads: int, model: ModelConfig, B: int, T: int, config: TrainingConfig | None = None
) -> float:
    """The characters per second that this machine learns from, with such a network and B rows of T in each thread.

    It is the median over half a second of steps, whole ones of a training with this configuration: with the masks of
    dropout, the sum of the threads' gradients, clipping, and the update. Without a configuration, which is enough to
    compare machines, it covers the products, the gates and the loss alone.
    """
    rng = np.random.default_rng(0)
    network = network_for(model, engine)
    params, batch = initial_params(network, rng), _random_batch(model, T, threads * B, rng)
    shards, state = Shards(network, threads * B, threads), network.zero_state(threads * B)
    moments = {} if config is None else optimizers.initial_moments(params, config)

    def forward_backward(rows: slice, workspace: Workspace) -> None:
        network.loss_and_gradients(params, batch.shard(rows), state[:, :, rows], None, workspace)

    def step(pool: Threads) -> None:
        if config is None:
            pool.map(forward_backward, shards.rows, shards.workspaces)
            return
        masks = Masks.draw(network, rng)
        _, grads, norm, _ = shards.loss_and_gradients(params, batch, state, masks, pool)
        optimizers.clip(grads, norm, config)
        shards.update(params, grads, moments, 0.0, 1, config, pool)  # a rate of 0: all steps have the same weights

    with blas.limit(), shards.threads() as pool:
        step(pool)
        network.loss(params, batch.shard(shards.rows[0]), state[:, :, shards.rows[0]], shards.workspaces[0])
        took: list[float] = []  # by now all is compiled that evaluations need too
        while sum(took) < MEASURE_SECONDS or len(took) < MIN_STEPS:
            began = time.perf_counter()
            step(pool)
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
