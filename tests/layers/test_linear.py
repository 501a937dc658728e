"""The linear layer of every engine, against the same sums written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.layers.workspace import Workspace

TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("N", "into", "out"), [(0, 3, 5), (1, 1, 1), (7, 3, 5), (13, 20, 70), (6, 131, 64), (50, 2, 129), (600, 131, 33)]
)
def test_forward_and_backward_equal_the_sums_written_out(engine, N, into, out, dtype):
    rng = np.random.default_rng(N)
    x, W, b, dy = (rng.normal(size=shape).astype(dtype) for shape in ((N, into), (into, out), (out,), (N, out)))
    kept = [array.copy() for array in (x, W, b, dy)]
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype] * max(N, 1) ** 0.5}
    y = engine.linear.forward(x, W, b, Workspace())
    dx, dW, db = engine.linear.backward(dy, x, W, Workspace())
    assert {array.dtype for array in (y, dx, dW, db)} == {np.dtype(dtype)}
    for array, copy in zip((x, W, b, dy), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    x, W, b, dy = (array.astype(np.float64) for array in kept)
    np.testing.assert_allclose(y, np.einsum("ni,io->no", x, W) + b, **tolerance)
    np.testing.assert_allclose(dx, np.einsum("no,io->ni", dy, W), **tolerance)
    np.testing.assert_allclose(dW, np.einsum("ni,no->io", x, dy), **tolerance)
    np.testing.assert_allclose(db, dy.sum(axis=0), **tolerance)


@given(st.integers(1, 14), st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**32))
def test_each_gradient_times_its_array_is_what_that_array_adds_to_a_linear_loss(engine, N, into, out, seed):
    rng = np.random.default_rng(seed)
    x, W, b, dy = (rng.normal(size=shape) for shape in ((N, into), (into, out), (out,), (N, out)))
    loss = (dy * engine.linear.forward(x, W, b, Workspace())).sum()
    dx, dW, db = engine.linear.backward(dy, x, W, Workspace())
    # The loss is linear in x and in W
    assert (dx * x).sum() + (db * b).sum() == pytest.approx(loss, rel=1e-9, abs=1e-9)
    assert (dW * W).sum() + (db * b).sum() == pytest.approx(loss, rel=1e-9, abs=1e-9)


def test_a_reused_workspace_changes_no_result(engine):
    workspace, rng = Workspace(), np.random.default_rng(0)
    for N, into, out in ((12, 5, 8), (4, 3, 5), (35, 9, 20)):
        x, W, b = rng.normal(size=(N, into)), rng.normal(size=(into, out)), rng.normal(size=out)
        dy = rng.normal(size=(N, out))
        used = engine.linear.forward(x, W, b, workspace), *engine.linear.backward(dy, x, W, workspace)
        fresh = engine.linear.forward(x, W, b, Workspace()), *engine.linear.backward(dy, x, W, Workspace())
        for array, wanted in zip(used, fresh, strict=True):
            np.testing.assert_array_equal(array, wanted)
