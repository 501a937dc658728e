"""Dropout: what is left out of a training step, of the outputs and of the recurrent weights."""

from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Engine
from charrnn.model.network import cell_of
from charrnn.types import Array


def dropout_masks(
    config: ModelConfig, T: int, B: int, rng: np.random.Generator, dtype: Any = np.float32
) -> Array | None:
    """What the outputs of each layer are multiplied by in training: [L, T, B, H] of 0 and 1 / (1 - dropout), or None.

    Inverted dropout (N. Srivastava et al., 2014): scaled here, so that sampling has nothing to scale. It acts between
    layers and before the decoder, not on the way from one step to the next (W. Zaremba et al., 2014). A locked mask,
    [L, 1, B, H], leaves out the same units for the whole chunk (variational dropout, Y. Gal, Z. Ghahramani, 2016).
    """
    if not config.dropout:
        return None
    return _mask((config.layers, 1 if config.locked else T, B, config.hidden_size), config.dropout, rng, dtype)


def dropconnect_masks(
    config: ModelConfig, engine: Engine, rng: np.random.Generator, dtype: Any = np.float32
) -> dict[str, Array]:
    """What the recurrent weights are multiplied by in a step of training, each [H, G·H]; none without `drop_connect`.

    DropConnect (L. Wan et al., 2013) on W_hh, the same for all rows and steps of time (S. Merity et al., 2018).
    """
    if not config.drop_connect:
        return {}
    shape = (config.hidden_size, cell_of(config, engine).GATES * config.hidden_size)
    return {f"W_hh{layer}": _mask(shape, config.drop_connect, rng, dtype) for layer in range(config.layers)}


def _mask(shape: tuple[int, ...], dropped: float, rng: np.random.Generator, dtype: Any) -> Array:
    """Zeros, a share `dropped` of all, among numbers that keep the mean at 1; the share is one of 65,536ths."""
    threshold = min(round(dropped * 65536), 65535)  # sixteen bits are drawn five times as fast as a float32
    kept = rng.integers(65536, size=shape, dtype=np.uint16) >= threshold
    mask: Array = kept * np.asarray(65536 / (65536 - threshold), dtype)
    return mask
