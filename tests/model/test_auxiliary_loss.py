"""The auxiliary loss of networks that read whole texts, against the textbook equations."""

import numpy as np
import pytest

from charrnn.config import CELLS, ModelConfig
from charrnn.errors import ConfigError
from charrnn.training.parallel import Shards
from support import naive
from support.ragged import LENGTHS, READERS, problem
from support.slopes import moved, slope_along

WEIGHT = 0.7

every_reader = pytest.mark.parametrize("form", READERS)


def naive_auxiliary_loss(case, params, masked=False):
    """λ times -log p of the character after each one but the last, for both cells of the first layer.

    Of a classifier it is the mean over each text, of a tagger the sum.
    """
    config, total = case.network.config, 0.0
    for row, n in enumerate(case.batch.lengths):
        if n < 2:
            continue
        ids, masks = case.batch.inputs[:n, row], case.masks[:1, :n, row] if masked else None
        weight = WEIGHT / (n - 1 if config.form == "classifier" else 1)
        outputs = naive.encoder(params, ids, config.cell, 1, masks)
        for direction, h, read in zip(("", "_reverse"), outputs, (ids, ids[::-1]), strict=True):
            for t in range(n - 1):
                logits = h[t] @ params[f"W_next{direction}"] + params[f"b_next{direction}"]
                total -= weight * naive.log_softmax(logits)[read[t + 1]]
    return total


@every_reader
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize(("layers", "dropout"), [(1, 0.0), (1, 0.4), (3, 0.4)])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_in_random_directions(engine, form, cell, layers, dropout, lengths):
    case = problem(engine, form, cell, layers, lengths, dropout, lm_weight=WEIGHT)
    (_, grads), rng = case.loss_and_gradients(), np.random.default_rng(5)
    assert list(grads) == list(case.params)
    for names in (list(case.params), [name for name in case.params if "next" in name]):
        direction = {name: rng.normal(size=case.params[name].shape) for name in names}

        def objective(eps, direction=direction):
            params = moved(case.params, direction, eps)
            return case.loss_and_gradients(params)[0] + naive_auxiliary_loss(case, params, bool(dropout))

        slope = sum((grads[name] * d).sum() for name, d in direction.items())
        assert slope == pytest.approx(slope_along(objective), rel=1e-6, abs=1e-9)


@every_reader
def test_it_changes_gradients_but_neither_loss_nor_answers_nor_attribution(engine, form):
    case = problem(engine, form, "gru", 1, [3, 7, 1, 5], lm_weight=WEIGHT)
    plain = problem(engine, form, "gru", 1, [3, 7, 1, 5])
    params = {name: case.params[name] for name in plain.params}
    loss, grads = case.loss_and_gradients()
    plain_loss, plain_grads = plain.loss_and_gradients(params, case.batch)
    assert loss == plain_loss
    assert not np.allclose(grads["W_hh0_reverse"], plain_grads["W_hh0_reverse"])
    inputs, lengths = case.batch.inputs, case.batch.lengths
    np.testing.assert_array_equal(
        case.network.logits(case.params, inputs, lengths), plain.network.logits(params, inputs, lengths)
    )
    label = np.zeros(inputs.shape if form == "tagger" else inputs.shape[1], np.uint8)
    np.testing.assert_array_equal(
        case.network.input_gradient(case.params, inputs, lengths, label),
        plain.network.input_gradient(params, inputs, lengths, label),
    )


@every_reader
def test_shards_add_up(engine, form):
    case = problem(engine, form, "lstm", 2, [3, 7, 1, 5, 2, 6], lm_weight=WEIGHT)
    found = []
    for n in (1, 3):
        shards = Shards(case.network, 6, n)
        with shards.threads() as threads:
            found.append(shards.loss_and_gradients(case.params, case.batch, case.state, None, threads)[1])
    for name, d in found[0].items():
        np.testing.assert_allclose(found[1][name], d, rtol=1e-10, atol=1e-12, err_msg=name)


def test_only_networks_that_read_whole_texts_have_it():
    for form in ("language_model", "translator"):
        with pytest.raises(ConfigError, match="lm_weight is only for a classifier or a tagger, not a"):
            ModelConfig(5, form=form, lm_weight=0.5)
