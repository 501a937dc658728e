"""A model with narrow weights: which of them are rounded, to what, and which models have none."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import WEIGHT_PRECISIONS, ModelConfig
from charrnn.errors import ConfigError
from charrnn.layers.narrow import round_weights
from support.cells import CELLS
from support.random_models import random_model

NARROW = [name for name in WEIGHT_PRECISIONS if name != "float32"]


@pytest.mark.parametrize("precision", NARROW)
@pytest.mark.parametrize("cell", CELLS)
def test_the_matrices_that_are_multiplied_are_rounded_and_no_other_parameter(cell: str, precision: str) -> None:
    model = random_model(cell)
    found = model.with_precision(precision)
    changed = {name for name, p in found.params.items() if not np.array_equal(p, model.params[name])}
    assert changed == {"W_hh0", "W_ih1", "W_hh1", "W_out"}
    for name in changed:
        np.testing.assert_array_equal(found.params[name], round_weights(model.params[name], precision))
    assert (found.precision, model.precision) == (precision, "float32")
    assert replace(found, params=model.params, precision="float32") == model


@pytest.mark.parametrize("precision", NARROW)
def test_it_reads_with_the_rounded_weights(engine, precision: str) -> None:
    model = random_model(engine=engine)
    found, ids = model.with_precision(precision), np.arange(7, dtype=np.uint8)[:, None]
    wanted, _ = replace(model, params=found.params).forward(ids, model.zero_state(1))
    np.testing.assert_array_equal(found.forward(ids, model.zero_state(1))[0], wanted)
    assert 1e-4 < np.abs(wanted - model.forward(ids, model.zero_state(1))[0]).max() < 0.5


def test_weights_are_rounded_once_and_never_back() -> None:
    model = random_model()
    assert model.with_precision("float32") is model
    narrow = model.with_precision("int8")
    assert narrow.with_precision("int8") is narrow
    for other in ("float32", "bfloat16"):
        with pytest.raises(ConfigError, match="rounded to int8: load the model anew"):
            narrow.with_precision(other)


@pytest.mark.parametrize("name", ["float16", "", "INT8", "auto"])
def test_an_unknown_precision_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="choose one of float32, bfloat16, int8"):
        random_model().with_precision(name)


@pytest.mark.parametrize("form", ["classifier", "tagger", "translator"])
def test_only_a_language_model_has_one(form: str) -> None:
    model, outputs = random_model(), 0 if form == "translator" else 2
    other = replace(model, config=ModelConfig(9, form=form, outputs=outputs))
    with pytest.raises(ConfigError, match=f"only a language model has a precision, and this model is a {form}"):
        other.with_precision("int8")


@pytest.mark.parametrize("precision", NARROW)
def test_clamped_units_stay_clamped(engine, precision: str) -> None:
    model = random_model(engine=engine).clamp_units({(0, 3): 0.5, (1, 7): -0.25}).with_precision(precision)
    state = model.read(np.arange(9, dtype=np.uint8), model.zero_state(1))
    np.testing.assert_allclose(np.tanh(state[[0, 1], 1, 0, [3, 7]]), [0.5, -0.25], atol=1e-5)
