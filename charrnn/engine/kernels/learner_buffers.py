"""The buffers of the compiled learner: memory that each segment overwrites."""

from typing import Any, NamedTuple

import numpy as np

from charrnn.engine.kernels.dot import BLOCK_COLUMNS
from charrnn.engine.kernels.tile import panel_width
from charrnn.types import Array


class Buffers(NamedTuple):
    """What each segment of T steps overwrites; `padded` is a width of whole panels."""

    h: Array
    """[L, 2T + 1, 1, H]: see `learner_cells`."""
    before: Array
    """[L, T, H]: what each step reads of the one before it."""
    outputs: Array
    """[L, T, H]"""
    x: Array
    """[T, G·H]: the projected inputs of a layer."""
    dx: Array
    """[T, G·H]"""
    da: Array
    """[T, G·H]: the gradient of h W_hh."""
    d: Array
    """[T, 1, H]: the gradient of a layer's outputs."""
    y: Array
    """[T, V]: the logits, and their gradients."""
    sums: Array
    """[T, padded]: a product."""
    rows: Array
    """[3, padded]: a bias, a bias of zeros, and the product of a step."""
    W_hh_T: Array
    """Panels of W_hh transposed, and of the next two."""
    W_ih_T: Array
    W_out_T: Array
    left: Array
    """[T · H], [T · padded] and [2, T, ≥ T]: what `learn_matrix` overwrites."""
    right: Array
    products: Array

    @classmethod
    def of(cls, L: int, T: int, H: int, GH: int, V: int, dtype: Any) -> "Buffers":
        """The buffers of a network's sizes."""
        width = panel_width(dtype)
        padded, panels = max(-(-n // width) * width for n in (GH, H, V)), -(-H // width)
        shapes = {
            "h": (L, 2 * T + 1, 1, H),
            "before": (L, T, H),
            "outputs": (L, T, H),
            "x": (T, GH),
            "dx": (T, GH),
            "da": (T, GH),
            "d": (T, 1, H),
            "y": (T, V),
            "sums": (T, padded),
            "rows": (3, padded),
            "W_hh_T": (panels, GH, width),
            "W_ih_T": (panels, GH, width),
            "W_out_T": (panels, V, width),
            "left": (T * H,),
            "right": (T * padded,),
            "products": (2, T, -(-T // BLOCK_COLUMNS) * BLOCK_COLUMNS),
        }
        return cls(**{name: np.zeros(shape, dtype) for name, shape in shapes.items()})
