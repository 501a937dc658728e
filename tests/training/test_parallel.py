"""Shards: the rows of a batch in threads, whose losses and gradients add up to those of the whole batch."""

import numpy as np
import pytest

from charrnn.config import OPTIMIZERS, ModelConfig, TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.engine import Engine
from charrnn.model.initialization import initial_params
from charrnn.model.masks import Masks
from charrnn.model.network import Network
from charrnn.training import optimizers, parallel
from charrnn.training.parallel import Shards

T, B, V = 5, 7, 6
MASK = np.arange(T)[:, None] < np.array([5, 5, 1, 0, 0, 2, 4])


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_the_shards_of_a_batch_give_its_mean_loss_and_the_gradient_of_that(
    n: int, mask: np.ndarray | None, engine: Engine
) -> None:
    config, rng = ModelConfig(V, "gru", 4, 2, dropout=0.3, drop_connect=0.4), np.random.default_rng(1)
    network = Network(config, engine)
    params = initial_params(network, rng, np.float64)
    inputs, targets = rng.integers(V, size=(2, T, B), dtype=np.uint8)
    batch = Batch(inputs, targets, mask=mask, weight=0.75)
    state = rng.uniform(-0.9, 0.9, network.zero_state(B).shape)
    masks = Masks.draw(network, rng)
    assert masks is not None
    shards = Shards(network, B, n)
    assert len(shards) == min(n, B)
    with shards.threads() as threads:
        loss, grads, norm, next_state = shards.loss_and_gradients(params, batch, state, masks, threads)
        grads = {name: d.copy() for name, d in grads.items()}  # they are in the workspaces of the shards
        again, grads_again, *_ = shards.loss_and_gradients(params, batch, state, masks, threads)
    assert loss == again
    for name, d in grads.items():
        np.testing.assert_array_equal(d, grads_again[name])
    dropout, of_weights = masks.of_outputs(T, B, slice(0, B), dtype=np.float64), {}
    for k, name in enumerate(("W_hh0", "W_hh1")):
        of_weights[name] = np.ones_like(params[name])
        masks.drop_weights(k, of_weights[name], slice(0, 4), of_weights[name])
        assert 0 < (of_weights[name] == 0).mean() < 1
    dropped = params | {name: params[name] * mask for name, mask in of_weights.items()}
    nats, wanted, wanted_state = network.loss_and_gradients(dropped, batch, state, dropout)
    assert loss == pytest.approx(nats / batch.chars, rel=1e-12)
    for name, d in wanted.items():
        scaled = 0.75 * d * of_weights.get(name, 1) / batch.chars
        np.testing.assert_allclose(grads[name], scaled, rtol=0, atol=1e-12)
    assert norm == pytest.approx(optimizers.global_norm(grads.values()), rel=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_update_in_parts_is_that_of_the_whole(
    optimizer: str, n: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "MIN_PART", 8)
    network, rng = Network(ModelConfig(V, "lstm", 5), engine), np.random.default_rng(1)
    config = TrainingConfig(1, optimizer=optimizer, weight_decay=0.1)
    params = initial_params(network, rng)
    grads = {name: rng.standard_normal(p.shape, np.float32) for name, p in params.items()}
    wanted, found = ({name: p.copy() for name, p in params.items()} for _ in "ab")
    moments, same_moments = optimizers.initial_moments(params, config), optimizers.initial_moments(params, config)
    shards = Shards(network, B, n)
    assert len(shards.parts) == n
    with shards.threads() as threads:
        for t in (1, 2):
            optimizers.update(wanted, grads, moments, 0.01, t, config, engine)
            total = shards.update(found, grads, same_moments, 0.01, t, config, threads)
            assert total == pytest.approx(sum(float(p.sum()) for p in found.values()), rel=1e-5)
    for name, p in wanted.items():
        np.testing.assert_array_equal(found[name], p)
        assert not np.array_equal(p, params[name])
    for name, m in moments.items():
        np.testing.assert_array_equal(same_moments[name], m)
