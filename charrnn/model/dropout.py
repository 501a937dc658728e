"""Dropout: random masks for the outputs of the layers and for the recurrent weights, in training only."""

from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.model.forms import AnyNetwork
from charrnn.types import Array


def dropout_masks(
    config: ModelConfig, T: int, B: int, rng: np.random.Generator, dtype: Any = np.float32
) -> Array | None:
    """The factors [L, T, B, H] of each layer's outputs: 0, or 1 / (1 - dropout); None without dropout.

    [L, T, B, 2H] for a network that reads in both directions; T counts the steps of all that it reads.

    Inverted dropout (N. Srivastava et al., 2014): training scales the outputs, so that sampling does not have to. It
    acts between layers and before the decoder, not from one time step to the next (W. Zaremba et al., 2014). A locked
    mask, [L, 1, B, H], drops the same units for the whole batch (variational dropout, Y. Gal, Z. Ghahramani, 2016); of
    a translator [L, 2, B, 2H], one step for the encoder and one for the decoder.
    """
    if not config.dropout:
        return None
    if config.locked_dropout:
        T = 2 if config.form == "translator" else 1
    width = config.directions * config.hidden_size
    return _mask((config.layers, T, B, width), config.dropout, rng, dtype)


def dropconnect_masks(network: AnyNetwork, rng: np.random.Generator, dtype: Any = np.float32) -> dict[str, Array]:
    """The factors [H, G·H] of the recurrent weights in one training step; empty without `drop_connect`.

    DropConnect (L. Wan et al., 2013) on W_hh, the same for all rows and time steps (S. Merity et al., 2018).
    """
    config = network.config
    if not config.drop_connect:
        return {}
    shape = (config.hidden_size, network.cell.GATES * config.hidden_size)
    return {f"W_hh{suffix}": _mask(shape, config.drop_connect, rng, dtype) for suffix in network.suffixes}


def _mask(shape: tuple[int, ...], dropped: float, rng: np.random.Generator, dtype: Any) -> Array:
    """Zero with probability `dropped`, to the nearest 1/65536, and otherwise the factor that keeps the mean at 1."""
    threshold = min(round(dropped * 65536), 65535)  # 16 bits are drawn five times as fast as a float32
    kept = rng.integers(65536, size=shape, dtype=np.uint16) >= threshold
    mask: Array = kept * np.asarray(65536 / (65536 - threshold), dtype)
    return mask
