"""Compressors at their strongest setting, as far as they are installed: xz and bzip2 always are."""

import bz2
import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

Compressor = Callable[[bytes], int]
"""The size in bytes of what is left of some bytes."""

PPMD_ORDER, PPMD_MEMORY = 10, 256 << 20
"""The longest context of PPMd, in bytes, and the bytes of RAM for its model."""


def installed() -> Iterator[tuple[str, Compressor]]:
    """The name of each compressor, and the function that applies it."""
    yield "xz -9e", lambda data: len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    yield "bzip2 -9", lambda data: len(bz2.compress(data, 9))
    if brotli := _optional("brotli"):
        yield "brotli -q 11 -w 24", lambda data: len(brotli.compress(data, quality=11, lgwin=24))
    if zstd := _optional("compression.zstd") or _optional("backports.zstd"):
        yield "zstd --ultra -22", lambda data: len(zstd.compress(data, 22))
    elif zstandard := _optional("zstandard"):
        yield "zstd --ultra -22", lambda data: len(zstandard.ZstdCompressor(22).compress(data))
    if pyppmd := _optional("pyppmd"):
        name = f"PPMd, order {PPMD_ORDER}, {PPMD_MEMORY >> 20} MB"
        yield name, lambda data: len(pyppmd.compress(data, max_order=PPMD_ORDER, mem_size=PPMD_MEMORY))
    if zpaq := shutil.which("zpaq"):
        yield "zpaq -m5", lambda data: _zpaq(zpaq, data)


def bits_per_character(compressor: Compressor, text: bytes) -> float:
    """The bits of the compressed text, headers included, for each of its characters."""
    return 8 * compressor(text) / len(text)


def _optional(name: str) -> ModuleType | None:
    """A module, if it is installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _zpaq(program: str, data: bytes) -> int:
    """The size of an archive of zpaq with one file."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "text").write_bytes(data)
        command = [program, "add", "archive.zpaq", "text", "-m5"]
        subprocess.run(command, cwd=name, check=True, capture_output=True)
        return Path(name, "archive.zpaq").stat().st_size
