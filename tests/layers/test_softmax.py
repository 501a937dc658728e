"""The loss of every engine, against the naive reference and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import naive

SCALES = st.sampled_from([0.1, 1.0, 30.0, 1e4])


@given(st.integers(1, 6), st.integers(1, 9), SCALES, st.integers(0, 2**32))
def test_log_softmax_equals_the_naive_reference(engine, N, V, scale, seed):
    logits = np.random.default_rng(seed).normal(size=(N, V)) * scale
    kept = logits.copy()
    wanted = [naive.log_softmax(row) for row in logits]
    np.testing.assert_allclose(engine.softmax.log_softmax(logits), wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(logits, kept)


def test_log_softmax_normalises_the_last_axis(engine):
    logits = np.random.default_rng(2).normal(size=(3, 4, 5))
    wanted = [[naive.log_softmax(row) for row in rows] for rows in logits]
    np.testing.assert_allclose(engine.softmax.log_softmax(logits), wanted, rtol=1e-13)
    np.testing.assert_allclose(engine.softmax.log_softmax(logits[0, 0]), wanted[0][0], rtol=1e-13)


@given(st.integers(1, 6), st.integers(1, 9), SCALES, st.integers(0, 2**32))
def test_cross_entropy_equals_the_naive_reference(engine, N, V, scale, seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(N, V)) * scale, rng.integers(V, size=N, dtype=np.uint8)
    rows = [naive.log_softmax(row) for row in logits]
    loss, d_logits = engine.softmax.cross_entropy(logits.copy(), targets)
    assert loss == pytest.approx(-sum(row[v] for row, v in zip(rows, targets, strict=True)), rel=1e-12, abs=1e-12)
    wanted = np.exp(rows) - np.eye(V)[targets]  # p - [v = target]
    np.testing.assert_allclose(d_logits, wanted, rtol=0, atol=1e-13)


@given(st.integers(1, 6), st.integers(1, 9), SCALES, st.integers(0, 2**32))
def test_token_nll_equals_the_naive_reference(engine, N, V, scale, seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(N, V)) * scale, rng.integers(V, size=N, dtype=np.uint8)
    wanted = [-naive.log_softmax(row)[v] for row, v in zip(logits, targets, strict=True)]
    np.testing.assert_allclose(engine.softmax.token_nll(logits, targets), wanted, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_cross_entropy_equals_finite_differences(engine):
    rng = np.random.default_rng(5)
    logits, targets = rng.normal(size=(3, 4)) * 2, np.array([0, 3, 1], np.uint8)
    _, d_logits = engine.softmax.cross_entropy(logits.copy(), targets)
    wanted = naive.gradient(
        lambda: -sum(naive.log_softmax(row)[v] for row, v in zip(logits, targets, strict=True)), logits
    )
    np.testing.assert_allclose(d_logits, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_huge_logits_stay_finite(engine, dtype):
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype)
    logp = engine.softmax.log_softmax(logits.copy())
    half, third = np.log(2), np.log(3)
    wanted = [[0, -2e4, -1e4], [-third, -third, -third], [-half, -half, -2e4 - half]]
    np.testing.assert_allclose(logp, wanted, rtol=1e-6)
    loss, d_logits = engine.softmax.cross_entropy(logits.copy(), np.array([1, 2, 0], np.uint8))
    assert loss == pytest.approx(2e4 + third + half, rel=1e-6)
    np.testing.assert_allclose(d_logits, [[1, -1, 0], [1 / 3, 1 / 3, -2 / 3], [-0.5, 0.5, 0]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("V", [1, 3, 15, 16, 17, 65])  # around the lanes of registers
def test_rows_of_any_width_count_no_value_beyond_them(engine, V):
    logits = (np.random.default_rng(V).normal(size=(4, V)) * 5 - 200).astype(np.float32)
    targets = np.array([0, V - 1, V // 2, 0], np.uint8)
    rows = [naive.log_softmax(row) for row in logits.astype(np.float64)]
    wanted = -sum(row[v] for row, v in zip(rows, targets, strict=True))
    nll = engine.softmax.token_nll(logits.copy(), targets)
    loss, d_logits = engine.softmax.cross_entropy(logits, targets)
    assert loss == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert nll.sum() == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(d_logits, np.exp(rows) - np.eye(V)[targets], rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [5, 200])
def test_a_target_outside_the_vocabulary_is_an_error(engine, wrong):
    targets, logits = np.array([1, wrong], np.uint8), np.random.default_rng(1).normal(size=(2, 5))
    for loss in (engine.softmax.token_nll, engine.softmax.cross_entropy):
        with pytest.raises(IndexError):
            loss(logits.copy(), targets)


def test_a_vocabulary_of_one_character_has_no_loss(engine):
    logits = np.array([[3.0], [-1e4]])
    assert (engine.softmax.log_softmax(logits.copy()) == 0).all()
    loss, d_logits = engine.softmax.cross_entropy(logits.copy(), np.array([0, 0], np.uint8))
    assert loss == 0
    assert (d_logits == 0).all()


def test_no_targets_have_no_loss(engine):
    targets = np.zeros(0, np.uint8)
    loss, d_logits = engine.softmax.cross_entropy(np.zeros((0, 4)), targets)
    assert loss == 0
    assert d_logits.shape == (0, 4)
    assert engine.softmax.token_nll(np.zeros((0, 4)), targets).shape == (0,)
