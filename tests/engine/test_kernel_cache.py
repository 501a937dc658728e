"""The stored code of a kernel: kept, read by others, and done without where a folder is full, closed or damaged."""

import errno
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.engine import compile_cache

if importlib.util.find_spec("numba") is None:
    pytest.skip("needs numba", allow_module_level=True)

from numba import typeof
from numba.core.caching import IndexDataCacheFile

from charrnn.engine.kernels import tile
from charrnn.engine.kernels.kernel import ending, kernel


class Calls:
    """What the compile cache told."""

    def __init__(self) -> None:
        self.compiled = 0
        self.failed: list[tuple[Path, int]] = []

    def begin(self) -> None:
        self.compiled += 1

    def end(self) -> None:
        pass

    def fail(self, folder: Path, error: OSError) -> None:
        assert error.errno is not None
        self.failed.append((folder, error.errno))


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The two folders of a cache."""
    found = [tmp_path / name / "charrnn" / "numba-0123456789abcdef" for name in ("first", "second")]
    monkeypatch.setattr(compile_cache, "folders", lambda: tuple(found))
    monkeypatch.setattr(compile_cache, "_parents", lambda: [folder.parent for folder in found])
    monkeypatch.setattr(compile_cache, "failures", {})
    monkeypatch.setattr(compile_cache, "listeners", [])
    return found


def run(new_process: bool = True) -> Calls:
    """What happens when a process calls a kernel for the first time."""
    calls = Calls()
    if new_process:
        compile_cache.failures.clear()
    compile_cache.listeners[:] = [compile_cache.Listener(calls.begin, calls.end, calls.fail)]
    assert kernel(tile.vectors_for.py_func)(5, 64) == tile.vectors_for.py_func(5, 64)
    return calls


def _first(values: Any, others: Any) -> Any:
    return values[0]


def files(folder: Path) -> list[str]:
    """The ends of the names of the files with code."""
    return sorted(path.suffix for path in folder.iterdir() if path.name != compile_cache.ORIGIN)


def test_code_is_compiled_once(folders: list[Path]) -> None:
    assert run().compiled == 1
    assert files(folders[0]) == [".nbc", ".nbi"]
    assert not folders[1].exists()
    assert compile_cache.compiled() == {"tile.vectors_for"}
    assert run().compiled == 0
    assert run(new_process=False).compiled == 0


def test_code_for_pairs_has_a_name_of_its_own(folders: list[Path]) -> None:
    for dtypes, ends in (
        ([np.float32], [""]),
        ([np.float64, np.float32], [""]),
        ([np.uint32], ["", ".bfloat16"]),
        ([np.float32, np.uint32, np.float64], ["", ".bfloat16"]),
    ):
        for dtype in dtypes:
            again = kernel(_first)
            assert again(np.array([3, 4], dtype), np.zeros(1, np.float32)) == 3
            assert again(np.array([5, 4], np.float32), np.zeros(1, dtype)) == 5
        assert compile_cache.compiled() == {f"test_kernel_cache._first{end}" for end in ends}
    run()
    calls = run()
    assert calls.compiled == 0
    for dtype in (np.float32, np.float64, np.uint32):
        kernel(_first)(np.array([3], dtype), np.zeros(1, np.float32))
    assert calls.compiled == 0


def test_code_for_narrow_panels_is_named_after_their_precision_wherever_they_are() -> None:
    floats, ids = np.zeros((2, 3, 4), np.float32), np.zeros((5, 6), np.uint16)
    for dtype, end in ((np.float32, ""), (np.uint16, ".bfloat16"), (np.int32, ".int8"), (np.uint8, "")):
        for panels in (np.zeros((2, 3, 4), dtype), np.zeros((1, 2, 3, 4), dtype)):
            for arguments in ((floats, ids, panels), (3, (ids, (panels, floats))), ((panels,),)):
                assert ending(tuple(map(typeof, arguments))) == end
    assert ending((typeof(ids), typeof(ids.astype(np.int32)))) == ""


def test_code_is_read_from_a_folder_that_can_not_be_written_to(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run().compiled == 1
    monkeypatch.setattr(compile_cache, "writable_folder", lambda: pytest.fail("it is complete"))
    for path in (*folders[0].iterdir(), folders[0]):
        path.chmod(0o555)
    assert run().compiled == 0
    folders[0].chmod(0o755)
    folders[0].rename(folders[0].parent.parent / "moved")
    folders[1].parent.mkdir(parents=True)
    (folders[0].parent.parent / "moved").rename(folders[1])
    assert run().compiled == 0  # from the second folder


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[str], bool], number: int) -> Iterator[None]:
    """Lets writes fail half-way, as on a full disk."""
    before = IndexDataCacheFile._open_for_write

    @contextmanager
    def write(self: Any, path: str) -> Iterator[Any]:
        with before(self, path) as file:
            if fails(path):
                file.write(b"half")
                raise OSError(number, os.strerror(number), path)
            yield file

    with monkeypatch.context() as patch:
        patch.setattr(IndexDataCacheFile, "_open_for_write", write)
        yield


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_folder_that_is_full_gives_way_to_the_next(
    suffix: str, number: int, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, lambda path: path.startswith(str(folders[0])) and path.endswith(suffix), number):
        calls = run()
        assert (calls.compiled, calls.failed) == (1, [(folders[0], number)])
        assert files(folders[1]) == [".nbc", ".nbi"]
        assert ".nbc" not in files(folders[0])
        assert not any("tmp" in path.name for path in folders[0].iterdir())
        calls = run()
        assert (calls.compiled, calls.failed) == (0, [])
    assert run().compiled == 0


def test_without_a_folder_the_code_is_for_this_process_alone(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, lambda path: True, errno.ENOSPC):
        calls = run()
        assert (calls.compiled, calls.failed) == (1, [(folder, errno.ENOSPC) for folder in folders])
        calls = run(new_process=False)  # which does not try again
        assert (calls.compiled, calls.failed) == (1, [])
    assert run().compiled == 1
    assert run().compiled == 0


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05nonsense", None], ids=["empty", "nonsense", "cut"])
def test_damaged_code_is_compiled_again(suffix: str, content: bytes | None, folders: list[Path]) -> None:
    run()
    (path,) = folders[0].glob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    assert run().compiled == 1
    assert run().compiled == 0


def test_code_of_another_version_of_numba_is_compiled_again(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    with monkeypatch.context() as patch:
        patch.setattr("numba.__version__", "0.1")
        assert run().compiled == 1
        assert run().compiled == 0
    assert run().compiled == 1


def test_code_that_goes_away_while_it_is_used_is_compiled_again(folders: list[Path]) -> None:
    run()
    for path in folders[0].iterdir():
        if path.suffix == ".nbc":
            path.unlink()
    assert run().compiled == 1
    for path in folders[0].iterdir():
        path.unlink()
    folders[0].rmdir()
    assert run().compiled == 1
    assert run().compiled == 0


def test_the_folder_that_numba_is_set_to_is_the_configured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("/some/where", ""):
        monkeypatch.setattr("numba.config.CACHE_DIR", folder)
        assert compile_cache.configured_folder() == folder
    monkeypatch.setitem(sys.modules, "numba", None)  # not imported yet: it is known from the environment
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/some/where/else")
    assert compile_cache.configured_folder() == "/some/where/else"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert compile_cache.configured_folder() == ""
