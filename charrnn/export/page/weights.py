"""The weights of the page: rounded to a precision, and packed as text for its script."""

import base64
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charrnn.layers.narrow import round_weights, whole_numbers
from charrnn.model.model import Model
from charrnn.model.narrow_weights import LOOKED_UP
from charrnn.types import Array

PRECISIONS = ("int8", "bfloat16")
"""The formats of the weights of a page; the first is the default."""


class PackedWeights(NamedTuple):
    """The weights as text: deflated and in base64. First come all float32 numbers, whose count is `floats`."""

    text: str
    floats: int


def rounded_model(model: Model, precision: str) -> Model:
    """The model that the page computes with: that of `Model.with_precision`, with the look-up rounded too.

    `sample` leaves the look-up in float32, which costs it no time; here it would be a third of the bytes.
    """
    narrow = model.with_precision(precision)
    return replace(narrow, params=narrow.params | {LOOKED_UP: round_weights(model.params[LOOKED_UP], precision)})


def pack_weights(model: Model, precision: str) -> PackedWeights:
    """The weights of a language model in the order in which `networkOf` of `worker/network.js` reads them."""
    floats: list[Array] = []
    numbers: list[bytes] = []
    for name, p in _in_order(model):
        if p.ndim == 1:
            floats.append(p)
            continue
        narrow = p
        if precision == "int8":
            narrow, steps = whole_numbers(p)
            floats.append(steps)
        if name != LOOKED_UP:  # so that each sum of a product reads neighbours, as the look-up reads a row
            narrow = np.ascontiguousarray(narrow.T)
        if precision == "int8":
            numbers.append(narrow.astype(np.int8).tobytes())
        else:  # the upper halves of float32; all their lower bytes first, which deflates better
            halves = (round_weights(narrow, precision).view(np.uint32) >> 16).astype("<u2")
            numbers.append(halves.view(np.uint8).reshape(-1, 2).T.tobytes())
    first = np.concatenate(floats).astype("<f4")
    deflate = zlib.compressobj(9, zlib.DEFLATED, memLevel=9, strategy=zlib.Z_HUFFMAN_ONLY)  # weights don't repeat
    packed = deflate.compress(first.tobytes() + b"".join(numbers)) + deflate.flush()
    return PackedWeights(base64.b64encode(packed).decode(), len(first))


def _in_order(model: Model) -> Iterator[tuple[str, Array]]:
    """The parameters by name, layer by layer, and then those of the output."""
    for layer in range(model.config.layers):
        for name in ("W_ih", "b", "W_hh", "b_hn"):
            if f"{name}{layer}" in model.params:
                yield f"{name}{layer}", model.params[f"{name}{layer}"]
    yield "W_out", model.params["W_out"]
    yield "b_out", model.params["b_out"]
