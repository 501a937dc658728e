"""Changes checkpoints at random, and checks that each one loads or raises the right error.

    python tests/bench/fuzz.py --mutations 100000

The files are small ones of every kind. It changes their bytes, the length of the header, the tensors in it, and the
metadata, as JSON or as text. Each file must load, or raise `CheckpointError` with one line, within two seconds, and
with one and a half times its size plus 64 MB of memory. Failures are printed with the seed that repeats them:
`--seed N --mutations 1`.
"""

import argparse
import json
import random
import struct
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import charrnn
from charrnn.checkpoint import model_file, training_file
from charrnn.config import PAIR_LAYOUTS
from charrnn.errors import CheckpointError

LINES = "".join(f"name {n}\n" for n in range(60))
PAIRS = "".join(f"{'ab'[n % 2]}{n % 7}\t{'xy'[n % 2]}{n % 3}\n" for n in range(180))
"""Sources and targets of two characters: texts, labels or tags."""
KINDS: tuple[dict[str, Any], ...] = (
    {"cell": "lstm", "layers": 2, "ema_decay": 0.9},
    {"cell": "gru", "optimizer": "sgd"},
    {"cell": "rnn", "nonlinearity": "relu", "layout": "lines"},
    {"layout": "pairs", "attention": False},
    {"layout": "translations", "cell": "gru", "layers": 2},
    {"layout": "labels"},
    {"layout": "tags", "cell": "lstm"},
)
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 65536, 2**31, 2**53, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, 1e-320,
    "", "x", "\n", "\x1b[31m", "\ud800", "lstm", "numba", "F32", "I64", "bytes", "9" * 400, "ж" * 1000,
    [], {}, [[]], [0], [-1, 2**62], [[[[[[[[]]]]]]]], {"a": {}}, {"steps": 1}, ["a", "a"], [None] * 50,
)  # fmt: skip
ODD_JSON = (
    "NaN",
    "Infinity",
    "[" * 5000,
    "{" * 200,
    '"' + "\\ud800" * 50 + '"',
    "1e999",
    "",
    "[0," * 3000,
    "[" + "0," * 99999 + "0]",
)
OTHER_TYPES = {"BF16": "", "F16": "<f2", "F64": "<f8"}
"""The floating-point types in which other programs save tensors, by NumPy's names; it has none for bfloat16."""
MAX_SECONDS, MAX_EXTRA_BYTES = 2.0, 64 << 20
"""The most time to read a file, and the most memory besides one and a half times its size."""


def originals(folder: Path) -> list[bytes]:
    """A model and a training state of each kind, and a model in each of the other floating-point types."""
    files = []
    for options in KINDS:
        defaults = {
            "hidden_size": 4,
            "layers": 1,
            "steps": 3,
            "batch_size": 2,
            "seq_length": 4,
            "seed": 1,
            "threads": 1,
        }
        text = PAIRS if options.get("layout", "lines") in PAIR_LAYOUTS else LINES * 3
        run = charrnn.train(text, **defaults | {"engine": "numpy", "eval_every": 1} | options)
        for _ in run:
            pass
        path = folder / "one.safetensors"
        model_file.save(path, model_file.Checkpoint.from_trainer(run))
        files.append(path.read_bytes())
        training_file.save_state(path, run.state)
        files.append(path.read_bytes())
    return files + [stored_as(dtype, files[0]) for dtype in OTHER_TYPES]


def stored_as(dtype: str, content: bytes) -> bytes:
    """A file of float32 tensors as another program saves it, in another floating-point type."""
    parts = parse(content)
    assert parts is not None
    header, rest = parts
    data = b""
    for name in sorted(header.keys() - {"__metadata__"}, key=lambda name: header[name]["data_offsets"]):
        begin, end = header[name]["data_offsets"]
        values = np.frombuffer(rest[begin:end], "<f4")
        raw = values.astype(OTHER_TYPES[dtype]) if OTHER_TYPES[dtype] else (values.view("<u4") >> 16).astype("<u2")
        header[name] |= {"dtype": dtype, "data_offsets": [len(data), len(data) + raw.nbytes]}
        data += raw.tobytes()
    return join(header, data)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        mutations = (change_bytes, change_length, change_header, change_metadata, change_metadata, change_metadata)
        content = rng.choice(mutations)(content, rng)
    return content


def change_bytes(content: bytes, rng: random.Random) -> bytes:
    """Changes, removes or inserts some bytes, or cuts the file."""
    data, start, n = bytearray(content), rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 8, 64, 1000))
    match rng.randrange(4):
        case 0:
            for k in range(start, min(start + n, len(data))):
                data[k] = rng.randrange(256)
        case 1:
            del data[start : start + n]
        case 2:
            data[start:start] = rng.randbytes(n)
        case _:
            del data[start:]
    return bytes(data)


def change_length(content: bytes, rng: random.Random) -> bytes:
    """Changes the length of the header."""
    if len(content) < 8:
        return content
    (length,) = struct.unpack("<Q", content[:8])
    other = rng.choice((0, 1, 7, length - 1, length + 1, length + 8, len(content), 10**8, 10**9, 2**63, 2**64 - 1))
    return struct.pack("<Q", max(0, other) % 2**64) + content[8:]


def parse(content: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The header and the bytes after it, if the header can still be parsed."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        return (header, content[8 + length :]) if isinstance(header, dict) else None
    except (ValueError, struct.error, RecursionError, OverflowError):
        return None


def join(header: dict[str, Any], rest: bytes) -> bytes:
    """Undoes `parse`."""
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + rest


def change_header(content: bytes, rng: random.Random) -> bytes:
    """Changes the name, type, shape or offsets of a tensor in the header."""
    if (parts := parse(content)) is None:
        return change_bytes(content, rng)
    header, rest = parts
    name = rng.choice([*header])
    match rng.randrange(4):
        case 0:
            header[str(rng.choice(ODD_VALUES))] = header.pop(name)
        case 1:
            del header[name]
        case 2:
            header[name] = rng.choice(ODD_VALUES)
        case _:
            change_value(header[name], rng)
    return join(header, rest)


def change_metadata(content: bytes, rng: random.Random) -> bytes:
    """Changes a value somewhere in the metadata."""
    parts = parse(content)
    if parts is None or not isinstance(parts[0].get("__metadata__"), dict) or not parts[0]["__metadata__"]:
        return change_bytes(content, rng)
    metadata = parts[0]["__metadata__"]
    key = rng.choice([*metadata])
    try:
        data = [json.loads(metadata[key])]
    except (ValueError, TypeError, RecursionError):
        data = [None]
    match rng.randrange(5):
        case 0:
            metadata[key] = rng.choice(ODD_JSON)
        case 1:
            metadata[rng.choice([*metadata])] = metadata[key]
        case 2:
            del metadata[key]
        case _:
            change_value(data, rng)
            metadata[key] = json.dumps(data[0])
    return join(*parts)


def change_value(data: Any, rng: random.Random) -> None:
    """Changes one value within nested lists and dictionaries."""
    while isinstance(data, list | dict) and data:
        key = rng.choice([*data] if isinstance(data, dict) else range(len(data)))
        if not isinstance(data[key], list | dict) or not data[key] or rng.random() < 0.15:
            if isinstance(data, dict) and rng.random() < 0.15:
                del data[key]
            else:
                data[key] = rng.choice(ODD_VALUES)
            return
        data = data[key]


def outcome(path: Path, content: bytes) -> tuple[str, str]:
    """The outcome for a file: read, refused or wrong, and the reason if it is wrong."""
    path.write_bytes(content)
    wrong, read = "", 0
    for load in (model_file.load, training_file.load_state):
        tracemalloc.reset_peak()
        before, began = tracemalloc.get_traced_memory()[0], time.process_time()
        try:
            load(path)
            read += 1
        except CheckpointError as error:
            if "\n" in str(error):
                wrong = f"{load.__name__}: a message of more than one line: {error!r}"
        except Exception as error:
            wrong = f"{load.__name__}: {type(error).__name__}: {error}"
        took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1] - before
        if took > MAX_SECONDS:
            wrong = f"{load.__name__}: {took:.1f} s"
        if peak > 1.5 * len(content) + MAX_EXTRA_BYTES:
            wrong = f"{load.__name__}: {peak / 2**20:.0f} MB for {len(content):,} bytes"
    return ("wrong", wrong) if wrong else ("read" if read else "refused", "")


def fuzz(mutations: int, seed: int, report: Callable[[str], None]) -> dict[str, int]:
    """Tries this many changes, each from a seed of its own; returns how many files were read, refused and wrong."""
    found = {"read": 0, "refused": 0, "wrong": 0}
    with tempfile.TemporaryDirectory() as folder:
        files, path = originals(Path(folder)), Path(folder, "changed.safetensors")
        tracemalloc.start()
        for n in range(seed, seed + mutations):
            rng = random.Random(n)
            kind, reason = outcome(path, mutated(rng.choice(files), rng))
            found[kind] += 1
            if reason:
                report(f"seed {n}: {reason[:300]}")
        tracemalloc.stop()
    return found


def main() -> None:
    """Prints the counts as JSON; exits with 1 if any file was wrong."""
    parser = argparse.ArgumentParser(description="Changes checkpoints at random.")
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = fuzz(args.mutations, args.seed, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(found))
    raise SystemExit(bool(found["wrong"]))


if __name__ == "__main__":
    main()
