"""Optimizers: each descends, and those with a wrong sign are found; clipping; the moving average of the weights.

`layers/test_torch_parity.py` compares the steps with PyTorch's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charrnn import config as settings
from charrnn.config import OPTIMIZERS, TrainingConfig
from charrnn.engine import Engine
from charrnn.training import optimizers
from charrnn.training.optimizers import Optimizer
from charrnn.types import Array
from support.descent import assert_learns, assert_minimizes
from support.trainings import flat, start_in

# Descent


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_comes_near_a_minimum(optimizer: str, engine: Engine) -> None:
    assert_minimizes(optimizer, engine)


def lion(p: Array, d: Array, m: Array, rate: float, t: int, config: TrainingConfig) -> None:
    """p ← p - rate · sign(β₁ m + (1 - β₁) d);  m ← β₂ m + (1 - β₂) d (Chen et al., 2023)."""
    p -= rate * np.sign(0.9 * m + 0.1 * d)
    m *= 0.99
    m += 0.01 * d


def adadelta(p: Array, d: Array, n: Array, s: Array, rate: float, t: int, config: TrainingConfig) -> None:
    """n ← ρ n + (1 - ρ) d²;  Δ = √(s + ε) / √(n + ε) d;  s ← ρ s + (1 - ρ) Δ²;  p ← p - rate · Δ (Zeiler, 2012)."""
    n *= 0.95
    n += 0.05 * d * d
    step = np.sqrt((s + 1e-6) / (n + 1e-6)) * d
    s *= 0.95
    s += 0.05 * step * step
    p -= rate * step


def adamax(p: Array, d: Array, m: Array, u: Array, rate: float, t: int, config: TrainingConfig) -> None:
    """m ← β₁ m + (1 - β₁) d;  u ← max(β₂ u, |d|);  p ← p - rate / (1 - β₁ᵗ) · m / u (Kingma & Ba, 2015)."""
    m *= 0.9
    m += 0.1 * d
    np.maximum(0.999 * u, np.abs(d), out=u)
    p -= rate / (1 - 0.9**t) * m / (u + 1e-8)


def nesterov(p: Array, d: Array, v: Array, rate: float, t: int, config: TrainingConfig) -> None:
    """v ← μ v + d;  p ← p - rate · (d + μ v) (Nesterov, 1983)."""
    v *= 0.9
    v += d
    p -= rate * (d + 0.9 * v)


NEW = {
    "rmsprop": Optimizer(optimizers.rmsprop, ("n",)),
    "adagrad": Optimizer(optimizers.adagrad, ("n",)),
    "lion": Optimizer(lion, ("m",)),
    "adadelta": Optimizer(adadelta, ("n", "s")),
    "adamax": Optimizer(adamax, ("m", "u")),
    "nesterov": Optimizer(nesterov, ("v",)),
}
"""Optimizers that a contributor may add."""
RATES = {"rmsprop": 2e-3, "adagrad": 1e-1, "lion": 1e-4}
"""Default rates; that of Lion is usual, and lower than those of the others."""


def uphill(update: Callable[..., None]) -> Callable[..., None]:
    """The optimizer with the sign of its step wrong."""

    def step(p: Array, d: Array, *rest: Any) -> None:
        *moments, rate, t, config = rest
        update(p, d, *moments, -rate, t, config)

    return step


def against(update: Callable[..., None]) -> Callable[..., None]:
    """The optimizer with the sign of its gradient wrong."""
    return lambda p, d, *rest: update(p, -d, *rest)


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Callable[[Optimizer, float], str]:
    """Adds an optimizer with a default rate, as a contributor does, and returns its name."""

    def add(optimizer: Optimizer, rate: float) -> str:
        monkeypatch.setitem(optimizers.OPTIMIZERS, "new", optimizer)
        monkeypatch.setitem(settings.LEARNING_RATES, "new", rate)
        monkeypatch.setattr(settings, "OPTIMIZERS", (*OPTIMIZERS, "new"))
        return "new"

    return add


@pytest.mark.parametrize("name", NEW)
def test_a_new_optimizer_passes_and_one_with_a_wrong_sign_fails(name: str, engine: Engine, add: Any) -> None:
    update, moments = NEW[name]
    assert_minimizes(add(Optimizer(update, moments), 1.0), engine)
    for wrong in (uphill(update), against(update)):
        with pytest.raises(AssertionError, match="new reaches no minimum at any rate: is a sign wrong"):
            assert_minimizes(add(Optimizer(wrong, moments), 1.0), engine)


@pytest.mark.parametrize("name", RATES)
def test_a_network_learns_with_a_new_optimizer_unless_a_sign_is_wrong(name: str, add: Any) -> None:
    update, moments = NEW[name]
    assert_learns(add(Optimizer(update, moments), RATES[name]))
    for wrong in (uphill(update), against(update)):
        with pytest.raises(AssertionError, match="new raises the loss"):
            assert_learns(add(Optimizer(wrong, moments), RATES[name]))


# Clipping and averages


def clipped(**options: Any) -> tuple[float, dict[str, list[float]]]:
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([[-4.0]])}
    norm = optimizers.global_norm(grads.values())
    optimizers.clip(grads, norm, TrainingConfig(steps=1, **options))
    return norm, {name: d.ravel().tolist() for name, d in grads.items()}


def test_clipping_by_norm_scales_all_together() -> None:
    norm, grads = clipped(clip=1)
    assert norm == 5
    assert grads == {"a": pytest.approx([0.6, 0]), "b": pytest.approx([-0.8])}
    assert clipped(clip=5) == clipped(clip=6) == clipped(clip=0) == (5, {"a": [3, 0], "b": [-4]})


def test_clipping_by_value_keeps_each_within_bounds() -> None:
    assert clipped(clip=3.5, clip_by="value") == (5, {"a": [3, 0], "b": [-3.5]})
    assert clipped(clip=1, clip_by="value") == (5, {"a": [1, 0], "b": [-1]})
    assert clipped(clip=0, clip_by="value") == (5, {"a": [3, 0], "b": [-4]})


def test_the_average_of_the_weights_is_that_of_the_formula() -> None:
    trainer = start_in("stream", steps=9, ema_decay=0.6)
    expected = {name: p.copy() for name, p in trainer.state.params.items()}
    for progress in trainer:
        if progress.chars:
            alpha = min(0.6, (1 + progress.step) / (10 + progress.step))
            for name, p in trainer.state.params.items():
                expected[name] = alpha * expected[name] + (1 - alpha) * p
    np.testing.assert_allclose(flat(trainer.state.ema), flat(expected), rtol=1e-4, atol=1e-6)
