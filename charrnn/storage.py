"""A file of tensors and JSON, in the safetensors format: written whole or not at all, and distrusted when read."""

import glob
import json
import math
import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open

from charrnn.errors import CheckpointError
from charrnn.types import Array, Params

ROOM = 32 << 20
"""Bytes that are to be free beside those of the tensors when these are read."""
OURS, ANYBODY = 0o600, 0o777
"""Permissions: what the owner always may do with a file, and all that there are."""
FORMAT = 1
"""The version of what charrnn writes; a reader refuses higher ones."""
FLOATS = ("F16", "F32", "F64")
NESTED, LISTED = 100_000, 1_200_000
"""Brackets and commas that a piece of metadata may have: a hundred thousand evaluations, and all of Unicode."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises `CheckpointError`, which names the path, for what the system says: the disk is full, the folder gone, …"""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"can't write {path}: {error.strerror or error}") from None


class Draft:
    """A file as it is to be, flushed to disk beside the place that it will take. Left unpublished, it goes again.

        with Draft(path, content) as draft:
            draft.publish()

    Whoever reads finds the old file or the new one, which others may read as they could the old one, or, where there is
    none, the one that it is to be `like`. A symbolic link stays one: what it leads to is written. Raises
    `CheckpointError` where the disk won't have it, and the old file then stays, or for what is no file, such as a
    folder or a device.
    """

    def __init__(self, path: Path, *parts: bytes | memoryview, like: Path | None = None):
        with writing(path):  # the working folder may be gone
            self.path = Path(os.path.realpath(path))
        with writing(self.path):
            _check_file(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.token = secrets.token_hex(4)
            self.temporary = draft_path(self.path, self.token)
            try:
                with open(self.temporary, "xb") as file:
                    for model in filter(None, (like, self.path)):
                        with suppress(OSError):
                            os.chmod(self.temporary, os.stat(model).st_mode & ANYBODY | OURS)
                    for part in parts:
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                self._discard()
                raise

    def publish(self) -> None:
        """Gives the file its name, in one step, and has that last through a power cut."""
        with writing(self.path):
            os.replace(self.temporary, self.path)
            _flush_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _discard(self) -> None:
        with suppress(OSError):  # it may have its name already; or be in nobody's way, and is swept later
            os.unlink(self.temporary)


def draft(path: Path, tensors: Params, metadata: Mapping[str, Any], like: Path | None = None) -> Draft:
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
    return Draft(path, struct.pack("<Q", len(text)) + text, *parts, like=like)


def write(path: Path, tensors: Params, metadata: Mapping[str, Any]) -> None:
    """Writes such a file: whole, or not at all."""
    with draft(path, tensors, metadata) as file:
        file.publish()


def write_bytes(path: Path, content: bytes) -> None:
    """Writes any file as `write` does."""
    with Draft(path, content) as file:
        file.publish()


def sweep(path: Path) -> None:
    """Removes what processes that were killed have left of drafts of a file."""
    for left in _siblings(path, "tmp"):
        with suppress(OSError):
            left.unlink()


def set_aside(path: Path, token: str) -> None:
    """Gives a file, if there is one, a hidden name with a token, until `settle` is called.

    Raises `CheckpointError` where that can't be done, or for what is no file.
    """
    with writing(path), suppress(FileNotFoundError):
        _check_file(path)
        os.replace(os.path.realpath(path), _sibling(path, token, "old"))


def settle(path: Path, token: str, temporary: Path) -> None:
    """Removes a file that was set aside for what a draft was to be, or puts it back where the draft is one still.

    That is so as long as its temporary file is there.
    """
    old, real = _sibling(path, token, "old"), os.path.realpath(path)
    with suppress(OSError):  # there was none
        if os.path.exists(temporary) and not os.path.exists(real):
            os.replace(old, real)
        else:
            os.unlink(old)


def tokens_aside(path: Path) -> list[str]:
    """Those with which a file was set aside by processes that were killed before they had settled it."""
    return [old.name.split(".")[-2] for old in _siblings(path, "old")]


def draft_path(path: Path, token: str) -> Path:
    """Where the draft with that token lies."""
    return _sibling(path, token, "tmp")


def _sibling(path: Path, token: str, suffix: str) -> Path:
    """A hidden name beside a file, or beside what it leads to."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.{token}.{suffix}")


def _siblings(path: Path, suffix: str) -> list[Path]:
    """The files that have such names, with whatever token."""
    real = Path(os.path.realpath(path))
    return list(real.parent.glob(f".{glob.escape(real.name)}.{'[0-9a-f]' * 8}.{suffix}"))


def _check_file(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"can't write {path}: it is no file that could be replaced")


@cache
def _version() -> str:
    try:
        return version("charrnn")
    except PackageNotFoundError:  # run from its sources, without having been installed
        return "unknown"


def _flush_folder(folder: Path) -> None:
    """Makes a rename last through a power cut, where the system has a way to; the rename is done in any case."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # some file systems of a network know no such thing
            descriptor = os.open(folder, os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class Reader:
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
            raise CheckpointError(f"{path} is no checkpoint, or damaged: {_line(error)}") from None
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
        if text.count("[") + text.count("{") > NESTED or text.count(",") > LISTED:
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
            np.empty(sum(map(math.prod, shapes.values())) * np.dtype(dtype).itemsize + ROOM, np.uint8)
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
                tensors = {name: self._tensor(name).astype(dtype, copy=False) for name in shapes}
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{self.path} is damaged: {_line(error)}") from None
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all():
                raise CheckpointError(f"{self.path} is damaged: tensor {name!r} holds values that are no numbers")
        return tensors

    def _tensor(self, name: str) -> Array:
        tensor: Array = self.file.get_tensor(name)
        return tensor


def _line(error: Exception) -> str:
    """What an error of another library says, in one line: it may quote the file."""
    return " ".join(str(error).split())
