"""The buffers of the compiled learner: memory that each segment overwrites."""

from typing import Any, NamedTuple

from charrnn.engine.kernels.dot import BLOCK_COLUMNS
from charrnn.engine.kernels.tile import panel_width
from charrnn.layers.workspace import aligned_zeros
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
    da: Array
    """[L, T, G·H]: the gradient of h W_hh, where that is not the one of x."""
    d: Array
    """[T, 1, H]: the gradient of a layer's outputs."""
    y: Array
    """[T, V]: the logits, and then their gradients."""
    sums: Array
    """[T, padded]: a product."""
    rows: Array
    """[3, padded]: a bias, a bias of zeros, and the product of a step."""
    row: Array
    """[padded]: a row of `multiply_back`."""
    left: Array
    """[2, T · H], [2, T · padded] and [2, 2, T, ≥ T]: what steps of weights overwrite, in the text's thread and in its
    partner."""
    right: Array
    products: Array

    @classmethod
    def of(cls, L: int, T: int, H: int, GH: int, V: int, dtype: Any) -> "Buffers":
        """The buffers of a network's sizes."""
        width = panel_width(dtype)
        padded = max(-(-n // width) * width for n in (GH, H, V))
        shapes = {
            "h": (L, 2 * T + 1, 1, H),
            "before": (L, T, H),
            "outputs": (L, T, H),
            "x": (T, GH),
            "da": (L, T, GH),
            "d": (T, 1, H),
            "y": (T, V),
            "sums": (T, padded),
            "rows": (3, padded),
            "row": (padded,),
            "left": (2, T * H),
            "right": (2, T * padded),
            "products": (2, 2, T, -(-T // BLOCK_COLUMNS) * BLOCK_COLUMNS),
        }
        return cls(**{name: aligned_zeros(shape, dtype) for name, shape in shapes.items()})
