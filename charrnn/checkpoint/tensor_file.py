"""A file of tensors and JSON, in the safetensors format: written whole or not at all, and distrusted when read."""

import json
import math
import struct
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from charrnn.checkpoint.atomic_file import AtomicFile
from charrnn.errors import CheckpointError
from charrnn.types import Array, Params

SPARE_BYTES = 32 << 20
"""Bytes that are to be free beside those of the tensors when these are read."""
FORMAT = 1
"""The version of what charrnn writes; a reader refuses higher ones."""
FLOATS = ("F16", "F32", "F64")
MAX_BRACKETS, MAX_COMMAS = 100_000, 1_200_000
"""Brackets and commas that a piece of metadata may have: a hundred thousand evaluations, and all of Unicode."""


def create(path: Path, tensors: Params, metadata: Mapping[str, Any], like: Path | None = None) -> AtomicFile:
    """A file that holds the tensors, and the metadata as JSON. The same contents give the same bytes.

    Not by the library's own writer: that shuffles the metadata, takes three times the memory, and ends the process
    where there isn't as much.
    """
    texts = {key: json.dumps(value, allow_nan=False) for key, value in metadata.items()}
    texts |= {"charrnn": str(FORMAT), "version": json.dumps(_version())}
    header: dict[str, Any] = {"__metadata__": dict(sorted(texts.items()))}
    parts = []
    end = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):  # so that each is aligned
        tensor = np.ascontiguousarray(tensors[name], tensors[name].dtype.newbyteorder("<"))
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": f"F{8 * tensor.itemsize}", "shape": tensor.shape, "data_offsets": (begin, end)}
        parts.append(tensor.ravel().view(np.uint8).data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return AtomicFile(path, struct.pack("<Q", len(text)) + text, *parts, like=like)


def write(path: Path, tensors: Params, metadata: Mapping[str, Any]) -> None:
    """Writes such a file: whole, or not at all."""
    with create(path, tensors, metadata) as file:
        file.publish()


@cache
def _version() -> str:
    try:
        return version("charrnn")
    except PackageNotFoundError:  # run from its sources, without having been installed
        return "unknown"


class TensorFile:
    """An open file, which is believed in nothing: each thing is checked when it is asked for.

    Raises `CheckpointError`, here and in the methods, for all that is not as it should be.
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise CheckpointError(f"{path} is no file" if path.exists() else f"there is no {path}")
        try:
            self.file = safe_open(path, framework="numpy")
            self.metadata = self.file.metadata() or {}
        except (SafetensorError, ValueError) as error:
            raise CheckpointError(f"{path} is no checkpoint, or damaged: {_one_line(error)}") from None
        except OSError as error:
            raise CheckpointError(f"can't read {path}: {error.strerror or error}") from None
        if "charrnn" not in self.metadata:
            raise CheckpointError(f"{path} was not written for charrnn: its metadata lack the key `charrnn`")
        written = self.json("charrnn")
        if type(written) is not int or written < 1:
            raise self.damaged("charrnn")
        if written > FORMAT:
            raise CheckpointError(f"{path} was written by a newer charrnn (format {written}): upgrade to read it")

    def damaged(self, key: str) -> CheckpointError:
        """The error for metadata that are not what they should be."""
        return CheckpointError(f"{self.path} is damaged: its {key!r} is not what it should be")

    def has(self, key: str) -> bool:
        return key in self.metadata

    def json(self, key: str) -> Any:
        """The metadata under a key, as data. What would take much more memory than its text does is refused unread."""
        text = self.metadata.get(key, "")
        if text.count("[") + text.count("{") > MAX_BRACKETS or text.count(",") > MAX_COMMAS:
            raise self.damaged(key)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self.damaged(key) from None

    def generator(self, key: str) -> np.random.Generator:
        """The random generator whose state is under a key."""
        rng = np.random.default_rng(0)
        try:
            rng.bit_generator.state = self.json(key)
        except (TypeError, ValueError, KeyError, OverflowError):
            raise self.damaged(key) from None
        return rng

    def tensors(self, shapes: Mapping[str, tuple[int, ...]], dtype: Any = np.float32) -> Params:
        """All tensors of the file, which must be these, of these shapes, of floating-point type and finite.

        Names, types and shapes are compared before any memory is taken.
        """
        try:
            found = set(self.file.keys())
            for name in sorted(found ^ set(shapes)):
                what = "lacks" if name in shapes else "has an unexpected"
                raise CheckpointError(f"{self.path} does not fit its configuration: it {what} tensor {name!r}")
            for name, shape in shapes.items():
                part = self.file.get_slice(name)
                if tuple(part.get_shape()) != tuple(shape) or part.get_dtype() not in FLOATS:
                    raise CheckpointError(
                        f"{self.path} does not fit its configuration: tensor {name!r} is {part.get_dtype()} "
                        f"{part.get_shape()}, not floating-point {list(shape)}"
                    )
            # Raises MemoryError where there is no such room; in the library that would end the process
            np.empty(sum(map(math.prod, shapes.values())) * np.dtype(dtype).itemsize + SPARE_BYTES, np.uint8)
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
                tensors = {name: self._tensor(name).astype(dtype, copy=False) for name in shapes}
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{self.path} is damaged: {_one_line(error)}") from None
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all():
                raise CheckpointError(f"{self.path} is damaged: tensor {name!r} holds values that are no numbers")
        return tensors

    def _tensor(self, name: str) -> Array:
        tensor: Array = self.file.get_tensor(name)
        return tensor


def _one_line(error: Exception) -> str:
    """What an error of another library says, in one line: it may quote the file."""
    return " ".join(str(error).split())
