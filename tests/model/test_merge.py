"""The merge of several models: it predicts the geometric mean of what they predict."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.layers.softmax import log_softmax
from charrnn.model.merge import merge
from support.random_models import random_model


def other(model, seed):
    """A model of the same kind with other weights."""
    rng = np.random.default_rng(seed)
    params = {name: p + rng.normal(scale=0.2, size=p.shape).astype(np.float32) for name, p in model.params.items()}
    return replace(model, params=params)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_merged_model_predicts_the_geometric_mean(cell, engine):
    small, wide = (random_model(cell, hidden_size=H, engine=engine) for H in (5, 8))
    models = [small, wide, other(small, 1)]
    merged = merge(models)
    assert merged.config.hidden_size == 18
    ids = np.random.default_rng(2).integers(len(small.vocabulary), size=(9, 2)).astype(np.uint8)

    def log_p(model):
        logits, state = model.forward(ids[:4], model.zero_state(2))
        logits = np.concatenate((logits.copy(), model.forward(ids[4:], state)[0]))
        return log_softmax(logits.astype(np.float64))

    wanted = log_softmax(np.mean([log_p(model) for model in models], axis=0))
    np.testing.assert_allclose(log_p(merged), wanted, atol=2e-5)
    assert {name: p.shape for name, p in merged.params.items()} == merged.language_model.param_shapes
    assert all(p.dtype == np.float32 and p.flags.c_contiguous for p in merged.params.values())


def test_a_model_merged_with_itself_predicts_the_same():
    model = random_model()
    ids = np.arange(6, dtype=np.uint8)[:, None]
    found, wanted = (m.forward(ids, m.zero_state(1))[0] for m in (merge([model, model]), model))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("fields", [{"cell": "gru"}, {"layers": 1}, {"characters": "\nab"}, {"layout": "lines"}])
def test_models_of_different_kinds_are_refused(fields):
    with pytest.raises(ConfigError, match="can't be merged"):
        merge([random_model(), random_model(**fields)])
