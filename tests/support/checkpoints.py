"""Checkpoint files for tests: loaded, taken apart and changed."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from safetensors import safe_open

from charrnn.checkpoint import model_file, training_file
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.types import Params

SMALL_FILES = ("small", "small_lines", "small_pairs", "small_translations", "small_labels", "small_tags")
"""The fixtures with the files of a small training in each layout."""
LOAD: dict[str, Any] = {"model": model_file.load, "training": training_file.load_state}
"""The function that reads each kind of file."""


def checkpoint_error(call: Callable[[], object]) -> str:
    """The message of the error that a call raises: one line."""
    with pytest.raises(CheckpointError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


def load_error(kind: str, path: Path) -> str:
    """The message of the error for a file of a kind that can't be loaded: one line that names the file."""
    text = checkpoint_error(lambda: LOAD[kind](path))
    assert str(path) in text
    return text


def parts_of(path: Path) -> tuple[Params, dict[str, str]]:
    """The tensors and the metadata of a file."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118


def save_as_bfloat16(tensors: Params, path: Path, metadata: dict[str, str], dtype: str = "BF16") -> None:
    """Writes float32 tensors, rounded towards zero to bfloat16, as PyTorch saves that type."""
    header: dict[str, Any] = {"__metadata__": metadata}
    data = b""
    for name in sorted(tensors):
        raw = (np.ascontiguousarray(tensors[name], "<f4").view("<u4") >> 16).astype("<u2").tobytes()
        offsets = (len(data), len(data) + len(raw))
        header[name] = {"dtype": dtype, "shape": tensors[name].shape, "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def same_arrays(one: Params, other: Params) -> bool:
    """Whether two dictionaries hold the same arrays, bit by bit."""
    return one.keys() == other.keys() and all(
        a.dtype == other[name].dtype and a.shape == other[name].shape and a.tobytes() == other[name].tobytes()
        for name, a in one.items()
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
"""JSON values, and NaN and infinite numbers, which Python's JSON allows too."""


def with_anything(metadata: dict[str, str], anything: Any, data: st.DataObject) -> dict[str, str]:
    """The metadata with `anything` as one of its values, or as a part of one."""
    key = data.draw(st.sampled_from(sorted(metadata)))
    value = json.loads(metadata[key])
    if isinstance(value, dict) and data.draw(st.booleans()):
        value[data.draw(st.sampled_from(sorted(value)))] = anything
    else:
        value = anything
    return metadata | {key: json.dumps(value)}


def check_read_or_refused(kind: str, path: Path) -> None:
    """Reads a file; any error must be one of charrnn's, with a message of one line."""
    try:
        LOAD[kind](path)
    except CharRNNError as error:
        assert "\n" not in str(error)  # noqa: PT017
