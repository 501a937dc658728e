"""The tagger: a tag for each character, and which characters speak for it."""

import numpy as np
import pytest

from charrnn.config import CELLS
from charrnn.layers.workspace import Workspace
from support import naive
from support.ragged import LENGTHS, naive_logits, problem
from support.slopes import slope_along


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_logits_equal_the_naive_reference_and_are_zero_on_padding(engine, cell, layers, lengths):
    case = problem(engine, "tagger", cell, layers, lengths, T=max(lengths) + 2)
    logits = case.network.logits(case.params, case.batch.inputs, case.batch.lengths)
    assert logits.shape == (max(lengths) + 2, len(lengths), 3)
    for row, wanted in enumerate(naive_logits(case)):
        np.testing.assert_allclose(logits[: lengths[row], row], wanted, rtol=0, atol=1e-12)
        assert not logits[lengths[row] :, row].any()


@pytest.mark.parametrize("cell", CELLS)
def test_without_lengths_and_a_mask_every_character_counts(engine, cell):
    case = problem(engine, "tagger", cell, 2, [4, 4, 4])
    (loss, grads), (same, same_grads) = (
        case.loss_and_gradients(batch=batch) for batch in (case.batch, case.batch._replace(mask=None, lengths=None))
    )
    assert loss == same
    for name, d in grads.items():
        np.testing.assert_array_equal(d, same_grads[name])
    np.testing.assert_array_equal(
        case.network.logits(case.params, case.batch.inputs),
        case.network.logits(case.params, case.batch.inputs, case.batch.lengths),
    )


def test_a_tag_depends_on_what_follows_and_on_what_comes_before(engine):
    network, params, batch, _, _ = problem(engine, "tagger", "gru", 1, [6])
    before = network.logits(params, batch.inputs, batch.lengths).copy()
    for changed in range(6):
        inputs = batch.inputs.copy()
        inputs[changed] = (inputs[changed] + 1) % 7
        assert (network.logits(params, inputs, batch.lengths) != before).any(axis=2).all()


# Gradient × input


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_gradient_times_input_is_the_slope_along_what_is_looked_up(engine, cell, layers):
    network, params, batch, _, _ = problem(engine, "tagger", cell, layers, [3, 0, 4])
    inputs, tags, lengths = batch.inputs, batch.targets, batch.lengths
    for mask in (None, np.arange(4)[:, None] == np.array([1, 0, 3])):  # all tags, or one of each row
        found = network.input_gradient(params, inputs, lengths, tags, Workspace(), mask)
        assert not found[batch.mask == 0].any()
        for character in range(7):  # the slope along its row is the sum over the places where it stands

            def scaled(eps, character=character, mask=mask):
                grown = {name: params[name].copy() for name in ("W_ih0", "W_ih0_reverse")}
                for W in grown.values():
                    W[character] *= 1 + eps
                logits = network.logits(params | grown, inputs, lengths)
                places = np.argwhere(batch.mask if mask is None else mask & batch.mask)
                return sum(naive.log_softmax(logits[t, row])[tags[t, row]] for t, row in places)

            places = (inputs == character) & batch.mask
            assert found[places].sum() == pytest.approx(slope_along(scaled), rel=1e-6, abs=1e-10)
