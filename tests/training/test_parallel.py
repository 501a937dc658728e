"""Shards: the rows of a batch in threads, whose losses and gradients add up to those of the whole batch."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from charrnn.config import ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.engine import Engine
from charrnn.engine.threads import Threads, row_shards
from charrnn.model.dropout import dropout_masks
from charrnn.model.initialization import initial_params
from charrnn.model.network import Network
from charrnn.training.parallel import Shards

# Rows and threads


@pytest.mark.parametrize(
    ("B", "n", "borders"),
    [
        (8, 1, [0, 8]),
        (8, 2, [0, 4, 8]),
        (8, 3, [0, 2, 5, 8]),
        (7, 4, [0, 1, 3, 5, 7]),
        (3, 3, [0, 1, 2, 3]),
        (0, 2, [0, 0, 0]),
    ],
)
def test_rows_are_shared_as_evenly_as_possible(B: int, n: int, borders: list[int]) -> None:
    assert row_shards(B, n) == [slice(a, b) for a, b in pairwise(borders)]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_results_are_in_the_order_of_the_shards(n: int) -> None:
    with Threads(n) as threads:
        assert threads.map(lambda a, b: 10 * a + b, range(7), range(1, 8)) == [11 * a + 1 for a in range(7)]
        assert threads.map(lambda a: a, []) == []


def test_shards_run_side_by_side_each_in_a_thread() -> None:
    everyone = threading.Barrier(3, timeout=30)
    with Threads(3) as threads:
        found = threads.map(lambda _: (everyone.wait(), threading.get_ident())[1], range(3))
    assert len(set(found)) == 3
    assert threading.get_ident() not in found


def test_a_single_shard_runs_in_the_calling_thread() -> None:
    for n in (1, 3):
        with Threads(n) as threads:
            assert threads.map(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]


def test_an_error_in_a_shard_is_raised() -> None:
    with Threads(2) as threads, pytest.raises(ZeroDivisionError):
        threads.map(lambda n: 1 // n, [1, 0])


def test_blas_has_one_thread_within_the_block_and_as_many_as_before_after_it() -> None:
    def counts() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = counts()
    with Threads(2):
        assert set(counts()) <= {1}
    assert counts() == before


# The shards of a batch

T, B, V = 5, 7, 6
MASK = np.arange(T)[:, None] < np.array([5, 5, 1, 0, 0, 2, 4])


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_the_shards_of_a_batch_give_its_mean_loss_and_the_gradient_of_that(
    n: int, mask: np.ndarray | None, engine: Engine
) -> None:
    config, rng = ModelConfig(V, "gru", 4, 2, dropout=0.3), np.random.default_rng(1)
    network = Network(config, engine)
    params = initial_params(network, rng, np.float64)
    inputs, targets = rng.integers(V, size=(2, T, B), dtype=np.uint8)
    batch = Batch(inputs, targets, mask=mask, weight=0.75)
    state = rng.uniform(-0.9, 0.9, network.zero_state(B).shape)
    dropout = dropout_masks(config, T, B, rng, np.float64)
    shards = Shards(network, B, n)
    assert len(shards) == min(n, B)
    with shards.threads() as threads:
        loss, grads, next_state = shards.loss_and_gradients(params, batch, state, dropout, threads)
        grads = {name: d.copy() for name, d in grads.items()}  # they are in the workspaces of the shards
        again, grads_again, _ = shards.loss_and_gradients(params, batch, state, dropout, threads)
    assert loss == again
    for name, d in grads.items():
        np.testing.assert_array_equal(d, grads_again[name])
    nats, wanted, wanted_state = network.loss_and_gradients(params, batch, state, dropout)
    assert loss == pytest.approx(nats / batch.chars, rel=1e-12)
    for name, d in wanted.items():
        np.testing.assert_allclose(grads[name], 0.75 * d / batch.chars, rtol=0, atol=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)
