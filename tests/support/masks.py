"""The masks of dropout for all rows of a batch."""

from typing import Any

import numpy as np

from charrnn.model.forms import AnyNetwork
from charrnn.model.masks import Masks


def masks_of_outputs(
    network: AnyNetwork, T: int, B: int, rng: np.random.Generator, dtype: Any = np.float32
) -> np.ndarray | None:
    """The masks [L, T, B, H] that a training step with this generator would draw; None without dropout."""
    masks = Masks.draw(network, rng)
    return masks and masks.of_outputs(T, B, slice(0, B), dtype=dtype)
