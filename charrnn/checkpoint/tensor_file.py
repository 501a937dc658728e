"""A file of tensors and JSON metadata, in the safetensors format; its reader trusts nothing in it."""

import json
import math
import os
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from charrnn.checkpoint.atomic_file import AtomicFile
from charrnn.checkpoint.paths import SUFFIX
from charrnn.errors import CheckpointError, closed_folder, why
from charrnn.layers.matmul import from_bfloat16
from charrnn.types import Array, Indices, Params
from charrnn.version import VERSION

FORMAT = 2
"""The format version that is written. All earlier versions are read; later ones are an error."""
SPARE_BYTES = 32 << 20
"""The bytes of memory that must be free when tensors are read, in addition to those of the tensors."""
WHOLE = ("U8", "U16", "U32")
"""The types of tensors of whole numbers."""
TYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
"""The types of tensors that are read, by their names in the file: single precision holds any of the first three."""
MAX_BRACKETS, MAX_COMMAS = 100_000, 1_200_000
"""The most brackets and commas of a metadata value: enough for 100,000 evaluations, and for all of Unicode."""


def create(path: Path, tensors: Params, metadata: Mapping[str, Any], like: Path | None = None) -> AtomicFile:
    """A file of the tensors, and the metadata as JSON, to be committed. The same contents give the same bytes.

    The library's own writer shuffles the metadata, takes three times the memory, and kills the process if there is not
    enough.
    """
    header: dict[str, Any] = {"__metadata__": metadata_texts(metadata)}
    parts = []
    end = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):  # so that each is aligned
        tensor = np.ascontiguousarray(tensors[name], tensors[name].dtype.newbyteorder("<"))
        begin, end = end, end + tensor.nbytes
        kind = "F" if tensor.dtype.kind == "f" else "U"
        header[name] = {"dtype": f"{kind}{8 * tensor.itemsize}", "shape": tensor.shape, "data_offsets": (begin, end)}
        parts.append(tensor.ravel().view(np.uint8).data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return AtomicFile(path, struct.pack("<Q", len(text)) + text, *parts, like=like)


def metadata_texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The metadata as it is written: each value as JSON, the version of the format and that of the package, sorted."""
    texts = {key: json.dumps(value, allow_nan=False) for key, value in metadata.items()}
    texts |= {"charrnn": str(FORMAT), "version": json.dumps(VERSION)}
    return dict(sorted(texts.items()))


def write(path: Path, tensors: Params, metadata: Mapping[str, Any]) -> None:
    """Writes such a file, whole or not at all."""
    with create(path, tensors, metadata) as file:
        file.commit()


class TensorFile:
    """An open file: everything is checked when it is read.

    Raises `CheckpointError`, here and in the methods, for anything that is invalid.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            if not os.path.isfile(path):
                if os.path.exists(path):
                    raise CheckpointError(f"{path} is not a file")
                closed = closed_folder(path)
                raise CheckpointError(f"can't read {path}: {closed}" if closed else f"there is no {path}")
            path.open("rb").close()  # of any file that it can't open, the library says that there is none
            self.file = safe_open(path, framework="numpy")
            self.metadata = self.file.metadata() or {}
        except (SafetensorError, ValueError) as error:
            if path.suffix != SUFFIX:
                raise CheckpointError(f"{path} is not a checkpoint: give a model's file, {SUFFIX}") from None
            raise CheckpointError(f"{path} is not a checkpoint, or damaged: {_one_line(error)}") from None
        except OSError as error:
            raise CheckpointError(f"can't read {path}: {why(error, path)}") from None
        if "charrnn" not in self.metadata:
            raise CheckpointError(f"{path} was not written for charrnn: its metadata lacks the key `charrnn`")
        self.format = self.json("charrnn")
        if type(self.format) is not int or self.format < 1:
            raise self.damaged("charrnn")
        if self.format > FORMAT:
            raise CheckpointError(f"{path} was written by a newer charrnn (format {self.format}): upgrade to read it")

    def damaged(self, key: str) -> CheckpointError:
        """The error for an invalid metadata value."""
        return CheckpointError(f"{self.path} is damaged: its {key!r} is invalid")

    def has(self, key: str) -> bool:
        """Whether the metadata has a key."""
        return key in self.metadata

    def json(self, key: str) -> Any:
        """The metadata value of a key. A value that would take much more memory than its text is not parsed."""
        text = self.metadata.get(key, "")
        if text.count("[") + text.count("{") > MAX_BRACKETS or text.count(",") > MAX_COMMAS:
            raise self.damaged(key)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self.damaged(key) from None

    def generator(self, key: str) -> np.random.Generator:
        """The random generator whose state is the value of a key."""
        rng = np.random.default_rng(0)
        try:
            rng.bit_generator.state = self.json(key)
        except (TypeError, ValueError, KeyError, OverflowError):
            raise self.damaged(key) from None
        return rng

    def stored_types(self) -> dict[str, str]:
        """The type of each tensor in the file, such as `bfloat16`, by the tensor's name."""
        names = self.file.keys()
        return {name: TYPES.get(found := self.file.get_slice(name).get_dtype(), found) for name in names}

    def tensors(
        self, shapes: Mapping[str, tuple[int, ...]], dtype: Any = np.float32, others: Collection[str] = ()
    ) -> Params:
        """All tensors of the file but the `others`, which must have these names and shapes, and be finite numbers.

        Names, types and shapes are compared before any memory is allocated.
        """
        found = set(self._names())
        for name in sorted(found ^ {*shapes, *others}):
            what = "has an unexpected" if name in found else "lacks"
            raise CheckpointError(f"{self.path} does not fit its configuration: it {what} tensor {name!r}")
        tensors = self._read(shapes, TYPES, "floating-point", dtype)
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all():
                raise CheckpointError(f"{self.path} is damaged: tensor {name!r} has NaN or infinite values")
        return tensors

    def integers(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Indices]:
        """Some tensors of whole numbers, which must have these shapes."""
        return self._read(shapes, WHOLE, "whole numbers", None)

    def _names(self) -> list[str]:
        try:
            return [*self.file.keys()]
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{self.path} is damaged: {_one_line(error)}") from None

    def _read(
        self, shapes: Mapping[str, tuple[int, ...]], types: Collection[str], kind: str, dtype: Any
    ) -> dict[str, Any]:
        """Tensors of these shapes, of one of the types, as arrays of a type; None: as they are."""
        try:
            for name, shape in shapes.items():
                part = self.file.get_slice(name)
                if tuple(part.get_shape()) != tuple(shape) or part.get_dtype() not in types:
                    raise CheckpointError(
                        f"{self.path} does not fit its configuration: tensor {name!r} is {part.get_dtype()} "
                        f"{part.get_shape()}, not {kind} {list(shape)}"
                    )
            # Raises MemoryError if there is not enough memory; within the library that would kill the process
            size = np.dtype(dtype or np.uint32).itemsize
            np.empty(sum(map(math.prod, shapes.values())) * size + SPARE_BYTES, np.uint8)
            if dtype is None:
                return {name: self._tensor(name) for name in shapes}
            with np.errstate(over="ignore"):  # a number that is too large becomes infinite: see `tensors`
                return {name: self._tensor(name).astype(dtype, copy=False) for name in shapes}
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{self.path} is damaged: {_one_line(error)}") from None

    def _tensor(self, name: str) -> Array:
        if self.file.get_slice(name).get_dtype() == "BF16":  # a type that NumPy lacks
            return from_bfloat16(self._halves(name))
        tensor: Array = self.file.get_tensor(name)
        return tensor

    def _halves(self, name: str) -> Array:
        """The bytes of a bfloat16 tensor, as unsigned numbers; the library has checked the header."""
        with self.path.open("rb") as raw:
            (length,) = struct.unpack("<Q", raw.read(8))
            place = json.loads(raw.read(length))[name]
            if place["dtype"] != "BF16":
                raise ValueError("it was replaced while it was read")
            raw.seek(8 + length + place["data_offsets"][0])
            return np.fromfile(raw, "<u2", math.prod(place["shape"])).reshape(place["shape"])


def _one_line(error: Exception) -> str:
    """The message of another library's error in one line, since it may quote the file."""
    return " ".join(str(error).split())
