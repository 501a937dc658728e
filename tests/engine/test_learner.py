"""The compiled learner: it reads and learns what the reference does, whatever the cell, the sizes and the texts."""

import importlib.util
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.engine.threads import Threads
from charrnn.layers.workspace import CACHE_LINE_BYTES
from charrnn.model.model import Model
from charrnn.scoring.gradient_scale import measure
from charrnn.scoring.learner import AdaptationConfig, Learner, boost, factors
from charrnn.scoring.passage import Passage, passage
from support.boards import PATIENCE, recorded_boards
from support.cells import CELLS
from support.processes import python
from support.random_models import random_model

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
SEGMENT = 12


def pair(model: Model, **settings: float) -> tuple[Learner, Learner]:
    """The reference and the compiled learner of a model."""
    by = factors(measure(model, SEGMENT), AdaptationConfig(segment=SEGMENT, **settings))
    compiled = engines.load("numba").Learner
    assert compiled is not None
    start = model.config.cell_name, model.params, model.zero_state(1)
    return Learner(model, by, SEGMENT), compiled(*start, by, SEGMENT, boost)


def calm_model(cell: str, layers: int = 2, hidden_size: int = 20) -> Model:
    """A model in which rounding errors fade, also after it has learned."""
    scale = {"rnn_relu": 0.1, "rnn": 0.2}.get(cell, 0.3)  # units without a limit or gates explode the sooner
    model = random_model(cell, layers=layers, hidden_size=hidden_size, scale=scale)
    return replace(model, params={name: p / (2 if "W_hh" in name else 1) for name, p in model.params.items()})


def text(model: Model, segments: int, seed: int = 0) -> Passage:
    """Texts of all lengths, one after the other, some of a single character and one that begins with a segment."""
    rng, n = np.random.default_rng(seed), segments * SEGMENT
    ids = rng.integers(0, len(model.vocabulary), n).astype(model.vocabulary.dtype)
    resets = rng.random(n) < 0.1
    resets[[0, 5, 6, 7, 2 * SEGMENT]] = True
    return passage(ids, model.start, resets, model.start)


@pytest.mark.parametrize(("layers", "hidden_size"), [(1, 1), (1, 33), (2, 20), (3, 70)])
@pytest.mark.parametrize("cell", CELLS)
def test_it_predicts_and_learns_as_the_reference_does(cell: str, layers: int, hidden_size: int) -> None:
    model = calm_model(cell, layers, hidden_size)
    reference, compiled = pair(model, rate=0.002, pull=0.02)
    read = text(model, 8)
    np.testing.assert_allclose(compiled.read(read), reference.read(read), rtol=0, atol=1e-4)
    np.testing.assert_allclose(compiled.state, reference.state, rtol=0, atol=1e-4)
    assert {*compiled.params} == {*model.params}
    for name, p in reference.params.items():
        np.testing.assert_allclose(compiled.params[name], p, rtol=0, atol=1e-4, err_msg=name)
        assert np.abs(p - model.params[name]).max() > 0.0003, name  # far more than that


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 2), ("gru", 3), ("rnn", 1)])
def test_with_a_partner_it_learns_the_same_to_the_bit(cell: str, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from charrnn.engine.kernels import partner

    boards = recorded_boards(monkeypatch)
    model = calm_model(cell, layers, 40)
    (_, alone), (_, both), read = pair(model), pair(model), text(model, 200)
    end = time.monotonic() + PATIENCE
    with Threads(2) as threads:
        while sum(board[partner.HELPED] for board in boards) <= 10:
            np.testing.assert_array_equal(both.read(read, threads=threads), alone.read(read))
            np.testing.assert_array_equal(both.state, alone.state)
            for name, p in alone.params.items():
                np.testing.assert_array_equal(both.params[name], p, err_msg=name)
            assert time.monotonic() < end, "the partner did nothing"
    assert all(board[partner.DONE] == board[partner.TAKEN] for board in boards)


def test_what_it_does_not_learn_from_changes_its_state_alone() -> None:
    model = random_model("gru")
    reference, compiled = pair(model)
    read = text(model, 3).part(0, 2 * SEGMENT + 5)  # the last segment is shorter
    for _ in range(2):
        np.testing.assert_allclose(compiled.read(read, learns=False), reference.read(read, learns=False), atol=1e-4)
    np.testing.assert_allclose(compiled.state, reference.state, rtol=0, atol=1e-4)
    for name, p in model.params.items():
        np.testing.assert_array_equal(compiled.params[name], p)


def test_it_forgets_all_that_it_has_learned() -> None:
    model = random_model("lstm")
    _, compiled = pair(model)
    read = text(model, 4)
    first = compiled.read(read)
    assert not np.array_equal(compiled.read(read), first)
    compiled.forget()
    np.testing.assert_array_equal(compiled.params["W_hh1"], model.params["W_hh1"])
    np.testing.assert_array_equal(compiled.read(read), first)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_forgets_where_what_it_has_learned_makes_no_sense(cell: str) -> None:
    model = calm_model(cell)
    learners = pair(model)
    read = text(model, 6)
    for learner in learners:
        learner.read(read.part(0, SEGMENT))
    reference, compiled = learners
    reference.params["W_out"][0] = np.inf  # as after a step that went too far
    compiled.weights[2].now[...] = np.inf  # type: ignore[attr-defined]
    rest = read.part(SEGMENT, 6 * SEGMENT)
    with np.errstate(all="ignore"):
        found, wanted = compiled.read(rest), reference.read(rest)
    assert not np.isfinite(found[:SEGMENT].sum())
    assert np.isfinite(found[SEGMENT:]).all()
    np.testing.assert_allclose(found[SEGMENT:], wanted[SEGMENT:], rtol=0, atol=1e-4)


def test_its_weights_begin_at_a_line_of_the_caches() -> None:
    compiled = pair(calm_model("lstm"))[1]
    for reader in (compiled, compiled.fresh(), compiled.fresh().fresh(), compiled.trained_reader()):
        for weights in reader.weights:
            assert all(array.ctypes.data % CACHE_LINE_BYTES == 0 for array in (weights.now, weights.trained))


def test_ids_outside_the_vocabulary_are_an_error() -> None:
    _, compiled = pair(random_model("rnn"))
    ids = np.full(SEGMENT, 9, np.uint8)
    with pytest.raises(IndexError, match="out of range for a vocabulary of 9 characters"):
        compiled.read(Passage(ids, ids, np.zeros(SEGMENT, bool)))


LEARN = """
import sys
import numpy as np
from charrnn.engine.kernels import simd
from engine.test_learner import calm_model, pair, text

assert simd.REGISTER_BYTES == int(sys.argv[1])
model = calm_model("rnn", 3, 70)
reference, compiled = pair(model, rate=0.002, pull=0.02)
read = text(model, 8)
np.testing.assert_allclose(compiled.read(read), reference.read(read), rtol=0, atol=1e-3)
for name, p in reference.params.items():
    np.testing.assert_allclose(compiled.params[name], p, rtol=0, atol=1e-3, err_msg=name)
print("learned")
"""


@pytest.mark.parametrize(("features", "register"), [("", 16), ("+avx2,+fma", 32)])
def test_processors_with_narrower_registers_learn_the_same(features: str, register: int, tmp_path: Path) -> None:
    from charrnn.engine.kernels import simd

    if not {feature[1:] for feature in features.split(",") if feature} <= simd.CPU_FEATURES:
        pytest.skip("this processor lacks one of the features")
    env = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    assert python(LEARN, register, **env, PYTHONPATH=str(Path(__file__).parents[1])) == "learned\n"
