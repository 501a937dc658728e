"""The embedding of every engine, against the naive reference and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.layers.workspace import Workspace
from support import naive


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(1, 9), st.integers(0, 2**32))
def test_forward_equals_the_naive_reference(engine, V, T, B, columns, seed):
    rng = np.random.default_rng(seed)
    ids, W_ih, b = rng.integers(V, size=(T, B), dtype=np.uint8), rng.normal(size=(V, columns)), rng.normal(size=columns)
    np.testing.assert_allclose(
        engine.embedding.forward(ids, W_ih, b, Workspace()), naive.embedding(ids, W_ih, b), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_backward_equals_finite_differences(engine, dtype):
    rng = np.random.default_rng(3)
    ids, W_ih, b = rng.integers(4, size=(3, 2)).astype(dtype), rng.normal(size=(5, 6)), rng.normal(size=6)
    dx = rng.normal(size=(3, 2, 6))
    wanted = naive.gradient(lambda: (dx * naive.embedding(ids, W_ih, b)).sum(), W_ih)
    dW_ih = engine.embedding.backward(dx, ids, 5, Workspace())
    np.testing.assert_allclose(dW_ih, wanted, rtol=0, atol=1e-9)
    assert (dW_ih[4] == 0).all()  # a character that was never read
    np.testing.assert_allclose(dW_ih.sum(axis=0), dx.sum(axis=(0, 1)), rtol=0, atol=1e-12)  # db


@pytest.mark.parametrize("V", [299, 300, 301, 2000])
def test_backward_is_the_same_for_small_and_large_vocabularies(engine, V):
    rng = np.random.default_rng(V)
    ids, dx = rng.integers(V, size=(9, 7)).astype(np.uint16), rng.normal(size=(9, 7, 5))
    wanted = np.zeros((V, 5))
    np.add.at(wanted, ids.ravel(), dx.reshape(-1, 5))
    np.testing.assert_allclose(engine.embedding.backward(dx, ids, V, Workspace()), wanted, rtol=0, atol=1e-14)


def test_the_ids_may_be_a_transposed_view(engine):
    rng = np.random.default_rng(4)
    ids, W_ih, b = rng.integers(5, size=(2, 7), dtype=np.uint8).T, rng.normal(size=(5, 3)), rng.normal(size=3)
    np.testing.assert_allclose(
        engine.embedding.forward(ids, W_ih, b, Workspace()), naive.embedding(ids, W_ih, b), rtol=0, atol=1e-14
    )
    dx = rng.normal(size=(7, 2, 3))
    np.testing.assert_allclose(
        engine.embedding.backward(dx, ids, 5, Workspace()),
        engine.embedding.backward(dx, ids.copy(), 5, Workspace()),
        rtol=0,
        atol=1e-14,
    )


@pytest.mark.parametrize("wrong", [5, 200])
def test_an_id_outside_the_vocabulary_is_an_error(engine, wrong):
    ids, rng = np.array([[1, wrong]], np.uint8), np.random.default_rng(1)
    with pytest.raises(IndexError, match="out of range for a vocabulary of 5 characters"):
        engine.embedding.forward(ids, rng.normal(size=(5, 3)), np.zeros(3), Workspace())


def test_a_reused_workspace_changes_no_result(engine):
    workspace, rng = Workspace(), np.random.default_rng(0)
    for V, T, B, G in ((5, 4, 3, 8), (3, 2, 2, 5), (9, 5, 7, 20)):
        ids, W, b = rng.integers(V, size=(T, B), dtype=np.uint8), rng.normal(size=(V, G)), rng.normal(size=G)
        dx = rng.normal(size=(T, B, G))
        for used, fresh in (
            (engine.embedding.forward(ids, W, b, workspace), engine.embedding.forward(ids, W, b, Workspace())),
            (engine.embedding.backward(dx, ids, V, workspace), engine.embedding.backward(dx, ids, V, Workspace())),
        ):
            np.testing.assert_array_equal(used, fresh)
