"""The classifier: a label of each text, and which characters speak for it."""

import numpy as np
import pytest

from charrnn.config import CELLS, ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.layers.workspace import Workspace
from charrnn.model.classifier import Classifier
from support import naive
from support.ragged import LENGTHS, naive_logits, problem
from support.slopes import slope_along


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_logits_equal_the_naive_reference(engine, cell, layers, lengths):
    case = problem(engine, "classifier", cell, layers, lengths)
    logits = case.network.logits(case.params, case.batch.inputs, case.batch.lengths)
    np.testing.assert_allclose(logits, naive_logits(case), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_label_of_an_empty_text_follows_from_the_biases(engine, cell):
    network, params, batch, state, _ = problem(engine, "classifier", cell, 2, [3, 0, 5])
    np.testing.assert_array_equal(network.logits(params, batch.inputs, batch.lengths)[1], params["b_out"])
    alone = batch._replace(mask=np.array([[False, True, False]]))
    loss, grads, _ = network.loss_and_gradients(params, alone, state)
    label, log_p = batch.targets[0, 1], np.array(naive.log_softmax(params["b_out"]))
    assert loss == pytest.approx(-log_p[label], rel=1e-12)
    np.testing.assert_allclose(grads["b_out"], np.exp(log_p) - np.eye(3)[label], rtol=0, atol=1e-12)
    assert not any(d.any() for name, d in grads.items() if name != "b_out")


@pytest.mark.parametrize("cell", CELLS)
def test_without_a_mask_every_row_counts(engine, cell):
    case = problem(engine, "classifier", cell, 1, [3, 1, 5])
    (loss, grads), (same, same_grads) = (
        case.loss_and_gradients(batch=case.batch._replace(mask=mask)) for mask in (None, np.ones((1, 3), bool))
    )
    assert loss == same
    for name, d in grads.items():
        np.testing.assert_array_equal(d, same_grads[name])


# Gradient × input


def distinct_characters(engine, cell, layers, lengths):
    """A classifier, random parameters, and inputs [T, B] in which no character occurs twice, so that each has a row."""
    T, B = max(lengths), len(lengths)
    network, rng = Classifier(ModelConfig(T * B, cell, 4, layers, form="classifier", outputs=3), engine), None
    rng = np.random.default_rng(layers)
    params = {name: rng.normal(scale=0.5, size=shape) for name, shape in network.param_shapes.items()}
    return network, params, rng.permutation(T * B).astype(np.uint8).reshape(T, B), np.array(lengths)


def log_p(network, params, inputs, lengths, row, label):
    """The log-probability of a label of a row."""
    return naive.log_softmax(network.logits(params, inputs, lengths)[row])[label]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_gradient_times_input_is_the_slope_along_what_is_looked_up(engine, cell, layers):
    network, params, inputs, lengths = distinct_characters(engine, cell, layers, [3, 1, 0, 4])
    labels = np.array([2, 0, 1, 1])
    found = network.input_gradient(params, inputs, lengths, labels)
    assert found.shape == inputs.shape
    for t, row in np.ndindex(inputs.shape):

        def scaled(eps, t=t, row=row):
            grown = {name: params[name].copy() for name in ("W_ih0", "W_ih0_reverse")}
            for W in grown.values():
                W[inputs[t, row]] *= 1 + eps
            return log_p(network, params | grown, inputs, lengths, row, labels[row])

        if t < lengths[row]:
            assert found[t, row] == pytest.approx(slope_along(scaled), rel=1e-6, abs=1e-10)
        else:
            assert found[t, row] == 0


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_times_input_of_a_row_depends_on_no_other(engine, cell):
    network, params, inputs, lengths = distinct_characters(engine, cell, 2, [3, 1, 5])
    found, workspace = network.input_gradient(params, inputs, lengths, np.array([2, 0, 1])), Workspace()
    for row, (n, label) in enumerate(zip(lengths, [2, 0, 1], strict=True)):
        alone = network.input_gradient(params, inputs[:n, [row]], None, np.array([label]), workspace)
        np.testing.assert_allclose(alone[:, 0], found[:n, row], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradients_times_inputs_of_all_labels_cancel_weighted_by_probability(engine, cell):
    network, params, batch, _, _ = problem(engine, "classifier", cell, 1, [6, 2])
    p = np.exp([naive.log_softmax(y) for y in network.logits(params, batch.inputs, batch.lengths)])  # [B, outputs]
    total = sum(
        p[:, label] * network.input_gradient(params, batch.inputs, batch.lengths, np.full(2, label))
        for label in range(3)
    )  # Σ p ∂ log p = ∂ Σ p = 0
    np.testing.assert_allclose(total, 0, atol=1e-12)


def test_a_label_that_does_not_exist_is_refused(engine):
    network, params, batch, state, _ = problem(engine, "classifier", "rnn", 1, [2, 3])
    with pytest.raises(IndexError):
        network.loss(params, Batch(batch.inputs, np.array([[1, 3]], np.uint8), lengths=batch.lengths), state)
