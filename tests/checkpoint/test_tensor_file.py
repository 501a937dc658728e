"""The file of tensors: it comes back bit by bit, and a file that is not one of ours is refused."""

import errno
import json
import os
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from charrnn.checkpoint import tensor_file as module
from charrnn.checkpoint.tensor_file import FORMAT, TensorFile, write
from charrnn.errors import CheckpointError
from support.checkpoints import checkpoint_error

TENSORS = {
    "b": np.array([-0.0, 1e-45, 3.4028235e38], np.float32),
    "W": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "state": np.ones((2, 1, 3, 1), np.float32),
}
SQUARE = np.arange(16, dtype=np.float32).reshape(4, 4)
METADATA = {"model": {"cell": "lstm", "H": 2}, "text": ["\ud800", "é", "\n", '"'], "lr": 0.1, "none": None}
SHAPES = {name: tensor.shape for name, tensor in TENSORS.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def file_of(header, data=b""):
    """The bytes of a safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


# Writing


def test_tensors_and_metadata_come_back(path):
    write(path, TENSORS, METADATA)
    file = TensorFile(path)
    found = file.tensors(SHAPES)
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == np.float32
        assert found[name].tobytes() == tensor.tobytes()
    assert {key: file.json(key) for key in METADATA} == METADATA
    assert file.json("charrnn") == FORMAT
    assert file.has("lr")
    assert not file.has("charm")


def test_a_lack_of_memory_is_found_before_the_library_ends_the_process(path, monkeypatch):
    write(path, TENSORS, METADATA)
    monkeypatch.setattr(module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(MemoryError):
        TensorFile(path).tensors(SHAPES)


def test_the_safetensors_library_reads_the_file(path):
    write(path, TENSORS, METADATA)
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert file.get_tensor(name).tobytes() == tensor.tobytes()
        assert json.loads(file.metadata()["model"]) == METADATA["model"]
        assert file.metadata()["charrnn"] == str(FORMAT) == "2"


def test_the_tensors_begin_at_a_multiple_of_eight_bytes(path):
    for name in ("a", "ab", "abc", "abcd", "abcdefgh"):
        write(path, TENSORS, {name: 1})
        assert struct.unpack("<Q", path.read_bytes()[:8])[0] % 8 == 0


def test_the_same_contents_give_the_same_bytes(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, TENSORS, METADATA)
    for _ in range(5):
        write(second, dict(reversed(TENSORS.items())), dict(reversed(METADATA.items())))
        assert second.read_bytes() == first.read_bytes()
    write(second, TENSORS, METADATA | {"lr": 0.2})
    assert second.read_bytes() != first.read_bytes()


def has_no_pair(text):
    """Whether no two surrogates are side by side that JSON can't tell from the character they are the halves of."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") == text


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"])).filter(has_no_pair),
        lambda inner: st.lists(inner),
    )
)
def test_every_json_value_comes_back(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "json.safetensors"
    write(path, {}, {"value": value})
    assert TensorFile(path).json("value") == value


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray(SQUARE),
        SQUARE.T,
        SQUARE[::-1],
        SQUARE[:, ::-1],
        SQUARE[::2, 1::2],
        SQUARE[1:, :2],
        np.broadcast_to(SQUARE[:, :1], (4, 3)),
        SQUARE.reshape(2, 2, 2, 2).swapaxes(0, 3),
        SQUARE.astype(">f4"),
    ],
    ids=["fortran", "transposed", "upside-down", "mirrored", "strided", "corner", "repeated", "swapped", "big-endian"],
)
def test_views_are_written_in_their_own_order_not_in_that_of_memory(path, view):
    write(path, {"view": view, "other": SQUARE}, {})
    found = TensorFile(path).tensors({"view": view.shape, "other": SQUARE.shape})
    np.testing.assert_array_equal(found["view"], view)
    np.testing.assert_array_equal(found["other"], SQUARE)


def test_a_new_file_replaces_the_old_one(path):
    write(path, TENSORS, {"n": 1})
    write(path, {"W": np.zeros(3)}, {"n": 2})
    assert TensorFile(path).json("n") == 2
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_value_that_json_does_not_have_leaves_the_old_file_and_nothing_else(path):
    write(path, TENSORS, {"n": 1})
    old = path.read_bytes()
    with pytest.raises((ValueError, CheckpointError)):
        write(path, TENSORS, {"n": float("nan")})
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_sees_the_old_file_or_the_new_one(path):
    def write_number(n):
        write(path, {"W": np.full(20_000, n, np.float32)}, {"n": n})

    def write_until_stopped():
        n = 0
        while not stop.is_set():
            write_number(n := n + 1)

    stop, seen = threading.Event(), set()
    write_number(0)
    writer = threading.Thread(target=write_until_stopped)
    writer.start()
    try:
        while len(seen) < 20 and writer.is_alive():
            file = TensorFile(path)
            n = file.json("n")
            assert (file.tensors({"W": (20_000,)})["W"] == n).all()
            seen.add(n)
    finally:
        stop.set()
        writer.join()
    assert len(seen) == 20


# Files that are not as they should be


def test_a_missing_file_and_a_folder_are_checkpoint_error(tmp_path):
    assert checkpoint_error(lambda: TensorFile(tmp_path / "nowhere")) == f"there is no {tmp_path / 'nowhere'}"
    assert checkpoint_error(lambda: TensorFile(tmp_path)) == f"{tmp_path} is not a file"


def test_a_file_without_permission_is_said_to_be_that(tmp_path, monkeypatch):
    def forbidden(path, mode):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "secret.safetensors"
    write(path, {"W": np.zeros(1, np.float32)}, {})
    monkeypatch.setattr(type(path), "open", forbidden)
    assert checkpoint_error(lambda: TensorFile(path)) == f"can't read {path}: Permission denied"


@given(st.binary(max_size=200))
def test_random_bytes_are_checkpoint_error(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "random.safetensors"
    path.write_bytes(raw)
    assert "is not a checkpoint, or damaged" in checkpoint_error(lambda: TensorFile(path))


W_HEADER = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80\x04\x95 a pickle",
        b"PK\x03\x04 a zip archive of PyTorch's",
        file_of(b"{"),
        file_of(b"\xff\xfe"),
        file_of(b"[]"),
        file_of(b"null"),
        file_of(b"[" * 10_000),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        file_of({"__metadata__": {"charrnn": 1}}),
        file_of({"__metadata__": "charrnn"}),
        file_of({"W": W_HEADER}),
        file_of({"W": W_HEADER}, bytes(12)),
        file_of({"W": W_HEADER | {"data_offsets": [8, 0]}}, bytes(8)),
        file_of({"W": W_HEADER | {"data_offsets": [0, 2**62]}}, bytes(8)),
        file_of({"W": W_HEADER | {"shape": [2**40, 2**40]}}, bytes(8)),
        file_of({"W": W_HEADER | {"shape": [-2]}}, bytes(8)),
        file_of({"W": W_HEADER | {"dtype": "PICKLE"}}, bytes(8)),
        file_of({"W": W_HEADER, "X": W_HEADER}, bytes(8)),
    ],
)
def test_a_file_that_is_not_safetensors_is_checkpoint_error(path, raw):
    path.write_bytes(raw)
    assert "is not a checkpoint, or damaged" in checkpoint_error(lambda: TensorFile(path))


def test_a_file_cut_short_anywhere_is_checkpoint_error(path):
    write(path, TENSORS, METADATA)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        assert "is not a checkpoint, or damaged" in checkpoint_error(lambda: TensorFile(path))


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_a_file_of_another_program_is_checkpoint_error(path, metadata):
    save_file(TENSORS, path, metadata)
    assert "not written for charrnn" in checkpoint_error(lambda: TensorFile(path))


@pytest.mark.parametrize("written", ["", "x", "0", "-1", "1.0", "true", "null", '"1"', "[1]", "NaN", "1" * 5000])
def test_a_format_that_is_not_a_positive_number_is_checkpoint_error(path, written):
    save_file(TENSORS, path, {"charrnn": written})
    assert "its 'charrnn' is invalid" in checkpoint_error(lambda: TensorFile(path))


@pytest.mark.parametrize("written", range(1, FORMAT + 1))
def test_every_format_so_far_is_read(path, written):
    save_file(TENSORS, path, {"charrnn": str(written)})
    assert TensorFile(path).format == written


@pytest.mark.parametrize("written", ["3", "1000"])
def test_a_newer_format_is_checkpoint_error(path, written):
    save_file(TENSORS, path, {"charrnn": written})
    assert f"newer charrnn (format {written}): upgrade" in checkpoint_error(lambda: TensorFile(path))


@pytest.mark.parametrize("text", ["", "x", "{", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "'a'"])
def test_metadata_that_are_not_json_are_checkpoint_error(path, text):
    save_file(TENSORS, path, {"charrnn": str(FORMAT), "model": text})
    file = TensorFile(path)
    assert "its 'model' is invalid" in checkpoint_error(lambda: file.json("model"))
    assert "its 'missing' is invalid" in checkpoint_error(lambda: file.json("missing"))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (TENSORS | {"extra": np.zeros(1)}, "it has an unexpected tensor 'extra'"),
        ({name: TENSORS[name] for name in ("b", "W")}, "it lacks tensor 'state'"),
        ({}, "it lacks tensor"),
        (TENSORS | {"W": TENSORS["W"].T.copy()}, "tensor 'W' is F32 [3, 2], not floating-point [2, 3]"),
        (TENSORS | {"W": TENSORS["W"].ravel()}, "tensor 'W' is F32 [6], not floating-point [2, 3]"),
        (TENSORS | {"W": TENSORS["W"][None]}, "tensor 'W' is F32 [1, 2, 3]"),
        (TENSORS | {"W": np.zeros((2, 0), np.float32)}, "tensor 'W' is F32 [2, 0]"),
        (TENSORS | {"W": np.zeros((2, 3), np.int32)}, "tensor 'W' is I32"),
        (TENSORS | {"W": np.zeros((2, 3), np.uint8)}, "tensor 'W' is U8"),
        (TENSORS | {"W": np.zeros((2, 3), bool)}, "tensor 'W' is BOOL"),
        (TENSORS | {"W": np.full((2, 3), np.nan, np.float32)}, "tensor 'W' has NaN or infinite values"),
        (TENSORS | {"b": np.array([0, -np.inf, 0], np.float64)}, "tensor 'b' has NaN or infinite values"),
        (TENSORS | {"b": np.array([0, 0, np.inf], np.float16)}, "tensor 'b' has NaN or infinite values"),
        (TENSORS | {"b": np.array([0, 1e39, 0])}, "tensor 'b' has NaN or infinite values"),
        (TENSORS | {"b": np.array([0, -1e308, 0])}, "tensor 'b' has NaN or infinite values"),
    ],
)
def test_tensors_that_do_not_fit_are_checkpoint_error(path, tensors, message):
    save_file(tensors, path, {"charrnn": str(FORMAT)})
    assert message in checkpoint_error(lambda: TensorFile(path).tensors(SHAPES))


def test_the_shape_is_checked_before_memory_is_taken(path):
    save_file(TENSORS, path, {"charrnn": str(FORMAT)})
    assert "tensor 'W'" in checkpoint_error(lambda: TensorFile(path).tensors(SHAPES | {"W": (2**30, 2**30)}))


BFLOAT16 = np.array([0x0000, 0x8000, 0x3F80, 0xC049, 0x0001, 0x7F7F, 0xFF7F, 0x3DCC], np.uint16)
"""The bits of ±0, 1, -3.140625, the smallest number, the largest two, and nearly 0.1."""


def bfloat16_file(bits, shape, extra=b"", **others):
    """The bytes of a file with a bfloat16 tensor W between other tensors."""
    header = {"__metadata__": {"charrnn": str(FORMAT)}}
    data = b""
    for name, (dtype, shape_of, raw) in {"A": ("F32", [3], bytes(12)), "W": ("BF16", shape, bits.tobytes())}.items():
        header[name] = {"dtype": dtype, "shape": shape_of, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    header["W"] |= others
    return file_of(header, data + extra)


@pytest.mark.parametrize("shape", [(8,), (2, 4), (4, 1, 2)])
def test_bfloat16_is_widened_exactly(path, shape):
    path.write_bytes(bfloat16_file(BFLOAT16, list(shape)))
    W = TensorFile(path).tensors({"A": (3,), "W": shape})["W"]
    assert W.dtype == np.float32
    assert W.shape == shape
    # float32 with a lower half of zeros, written out: sign, exponent and seven bits of the fraction
    wanted = [0.0, -0.0, 1.0, -3.140625, 2.0**-133, 2.0**127 * (2 - 2**-7), -(2.0**127) * (2 - 2**-7), 0.099609375]
    assert W.tobytes() == np.array(wanted, np.float32).tobytes()
    assert TensorFile(path).stored_types() == {"A": "float32", "W": "bfloat16"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_what_pytorch_saves_in_any_floating_type_is_what_pytorch_widens(path, dtype):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    tensors = {name: torch.randn(5, 7, generator=torch.Generator().manual_seed(n)) for n, name in enumerate("bac")}
    tensors |= {"empty": torch.zeros(0, 3), "one": torch.tensor(1.7)}
    tensors = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors.items()}
    save_torch(tensors, path, {"charrnn": str(FORMAT)})
    file = TensorFile(path)
    found = file.tensors({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor.float().numpy(), strict=True)
    assert file.stored_types() == dict.fromkeys(tensors, dtype)


@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0, 0xFFFF])
def test_bfloat16_that_is_not_finite_is_checkpoint_error(path, bits):
    values = BFLOAT16.copy()
    values[5] = bits
    path.write_bytes(bfloat16_file(values, [8]))
    message = checkpoint_error(lambda: TensorFile(path).tensors({"A": (3,), "W": (8,)}))
    assert "tensor 'W' has NaN or infinite values" in message


@pytest.mark.parametrize(
    ("shape", "others", "extra", "message"),
    [
        ([8], {"data_offsets": [12, 26]}, b"", "is not a checkpoint, or damaged"),
        ([8], {"data_offsets": [14, 30]}, b"", "is not a checkpoint, or damaged"),
        ([8], {"data_offsets": [12, 2**60]}, b"", "is not a checkpoint, or damaged"),
        ([8], {}, b"more", "is not a checkpoint, or damaged"),
        ([9], {}, b"", "is not a checkpoint, or damaged"),
        ([2, 4], {}, b"", "tensor 'W' is BF16 [2, 4], not floating-point [8]"),
        ([8], {"dtype": "I16"}, b"", "tensor 'W' is I16 [8]"),
        ([16], {"dtype": "F8_E4M3"}, b"", "tensor 'W' is F8_E4M3 [16]"),
    ],
)
def test_bfloat16_of_a_wrong_size_is_checkpoint_error(path, shape, others, extra, message):
    path.write_bytes(bfloat16_file(BFLOAT16, shape, extra, **others))
    assert message in checkpoint_error(lambda: TensorFile(path).tensors({"A": (3,), "W": (8,)}))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_floating_point_type_is_read_as_single_precision(path, dtype):
    save_file({"W": np.array([0.5, -1.25, 3], dtype)}, path, {"charrnn": str(FORMAT)})
    W = TensorFile(path).tensors({"W": (3,)})["W"]
    assert W.dtype == np.float32
    np.testing.assert_array_equal(W, [0.5, -1.25, 3])
