"""Gradient clipping and the moving average of the weights; the optimizers themselves are compared with PyTorch's."""

from typing import Any

import numpy as np
import pytest

from charrnn.config import TrainingConfig
from charrnn.training import optimizers
from support.trainings import flat, start_in


def clipped(**options: Any) -> tuple[float, dict[str, list[float]]]:
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([[-4.0]])}
    norm = optimizers.clip(grads, TrainingConfig(steps=1, **options))
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
