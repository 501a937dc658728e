"""The compile cache: where it is, where that can't be written, and what is removed; what is still to be compiled."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn import engine as engines
from charrnn.engine import compile_cache, compile_time
from charrnn.engine.precision import problem_with_bfloat16
from charrnn.engine.selection import MAX_NUMPY_CHARS, MIN_TIME_PER_COMPILE_TIME, SCORING_SPEED
from support.processes import environment, posix

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
DAY = 86400


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Sources of two kernels in an installed package, and a home; nothing of the tests' own cache is touched."""
    kernels = tmp_path / "site-packages" / "charrnn" / "engine" / "kernels"
    kernels.mkdir(parents=True)
    (kernels / "lstm.py").write_text("forward = 1")
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(compile_cache, "KERNELS", kernels)
    monkeypatch.setattr(compile_cache, "failures", {})
    monkeypatch.setattr(compile_cache, "_target", lambda: ("x86",))
    monkeypatch.setattr(compile_cache, "configured_folder", lambda: os.environ.get("NUMBA_CACHE_DIR", ""))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    forget()
    yield tmp_path
    monkeypatch.undo()
    forget()


def forget() -> None:
    """As in a new process."""
    compile_cache.folders.cache_clear()
    compile_cache._version.cache_clear()


def parents(folder: Path) -> list[str]:
    """The parents of the cache's folders, relative to a folder."""
    forget()
    return [path.parent.relative_to(folder).as_posix() for path in compile_cache.folders()]


# Where it is


@posix
def test_an_installed_package_has_its_cache_in_the_home_of_the_user(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parents(fresh) == [{"darwin": "home/Library/Caches/charrnn"}.get(sys.platform, "home/.cache/charrnn")]
    if sys.platform != "darwin":
        monkeypatch.setenv("XDG_CACHE_HOME", str(fresh / "caches"))
        assert parents(fresh) == ["caches/charrnn"]
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which is to be ignored
        assert parents(fresh) == ["home/.cache/charrnn"]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "numba"))
    assert parents(fresh) == ["numba/charrnn"]


@posix
@pytest.mark.parametrize("home", ["", "/", "/no/such/home", "relative"])
def test_without_a_home_there_is_no_cache(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    assert compile_cache.folders() == ()
    assert compile_cache.writable_folder() is None
    assert compile_cache.compiled() == set()
    assert not Path(home, ".cache").is_dir() or home == "/"


@posix
def test_a_clone_has_its_cache_beside_the_sources(fresh: Path) -> None:
    (fresh / "site-packages" / "pyproject.toml").touch()
    beside, *others = parents(fresh)
    assert beside == "site-packages/charrnn/engine/kernels/__pycache__"
    assert len(others) == 1


def test_whatever_the_code_depends_on_changes_the_folder(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def name() -> str:
        forget()
        return compile_cache.folders()[0].name

    names = [name()]
    assert name() == names[0]
    (compile_cache.KERNELS / "lstm.py").write_text("forward = 2")
    names.append(name())
    (compile_cache.KERNELS / "gru.py").touch()
    (compile_cache.KERNELS / "gru.py").write_text("x")
    names.append(name())
    monkeypatch.setattr(compile_cache, "_target", lambda: ("x87",))
    names.append(name())
    monkeypatch.setattr(compile_cache, "_numba_version", lambda: "0.1")
    names.append(name())
    moved = fresh / "elsewhere"
    compile_cache.KERNELS.rename(moved)
    monkeypatch.setattr(compile_cache, "KERNELS", moved)
    names.append(name())
    assert len(set(names)) == len(names) == 6
    assert all(compile_cache.FOLDER_NAME.fullmatch(each) for each in names)


# Writing


def test_the_next_folder_is_written_to_if_one_fails(fresh: Path) -> None:
    (fresh / "site-packages" / "pyproject.toml").touch()
    (compile_cache.KERNELS / "__pycache__").touch()  # a file in its place: nobody, not even root, can write there
    first, second = compile_cache.folders()
    assert compile_cache.writable_folder() == second
    assert second.is_dir()
    assert {*compile_cache.failures} == {first}
    told = []
    compile_cache.on_compilation(print, print, lambda *args: told.append(args))
    try:
        compile_cache.give_up(second, error := OSError(28, "No space left on device"))
        assert told == [(second, error)]
    finally:
        compile_cache.listeners.pop()
    assert compile_cache.writable_folder() is None


def test_an_open_folder_is_known_without_creating_it(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compile_cache.is_open()
    assert not list((fresh / "home").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: Path(path) != fresh / "home")
        assert not compile_cache.is_open()
    (fresh / "file").touch()
    monkeypatch.setattr(compile_cache, "folders", lambda: (fresh / "file" / "numba",))
    assert not compile_cache.is_open()
    monkeypatch.setattr(compile_cache, "folders", tuple)
    assert not compile_cache.is_open()


def test_what_is_compiled_is_known_from_names(fresh: Path) -> None:
    folder = compile_cache.writable_folder()
    assert folder is not None
    assert compile_cache.compiled() == set()
    for name in ("lstm._forward-55.py311.1.nbc", "lstm._forward-55.py311.nbi", "gru._forward-3.py311.nbi"):
        (folder / name).write_bytes(b"12")
    assert compile_cache.compiled() == {"lstm._forward"}
    assert compile_cache.size() == 6 + (folder / compile_cache.ORIGIN).stat().st_size


def test_other_folders_are_removed_when_a_version_is_new_and_they_have_not_been_used(fresh: Path) -> None:
    own = fresh / "home" / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "charrnn"
    sources = {"kernels": str(compile_cache.KERNELS), "sources": compile_cache.sources_digest(compile_cache.KERNELS)}
    folders = {  # the days since their last use, and what they say of their sources
        "numba-0000000000000001": (2, sources | {"sources": "changed"}),
        "numba-0000000000000002": (2, sources | {"kernels": str(fresh / "gone")}),
        "numba-0000000000000003": (2, None),  # of an older version of charrnn
        "numba-0000000000000004": (61, sources),
        "numba-0000000000000005": (0, sources | {"sources": "changed"}),
        "numba-0000000000000006": (2, sources),
        "numba-0000000000000007": (-2, sources | {"sources": "changed"}),
        "numba-other": (100, None),
        "other": (100, None),
    }
    beside = compile_cache.KERNELS / "__pycache__"
    for parent in (own, beside):
        for name, (days, origin) in folders.items():
            (parent / name).mkdir(parents=True)
            (parent / name / "lstm._forward-1.py311.1.nbc").touch()
            if origin is not None:
                (parent / name / compile_cache.ORIGIN).write_text(json.dumps(origin))
            used = time.time() - days * DAY
            for path in (parent / name / compile_cache.ORIGIN, parent / name):
                if path.exists():
                    os.utime(path, (used, used))
    (own / "numba-0000000000000008").symlink_to(fresh / "home")
    folder = compile_cache.writable_folder()
    assert folder is not None
    kept = {*list(folders)[4:], "numba-0000000000000008"}
    assert {path.name for path in own.iterdir()} == {*kept, folder.name}
    # A package that is installed keeps nothing: it would still be there when the package is uninstalled
    assert {path.name for path in beside.iterdir()} == {"numba-other", "other"}
    # Only a new version removes: what is then out of use stays until the next one
    os.utime(own / "numba-0000000000000005" / compile_cache.ORIGIN, (0, 0))
    assert compile_cache.writable_folder() == folder
    assert (own / "numba-0000000000000005").exists()


def test_a_clone_keeps_its_cache_when_another_folder_is_named(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fresh / "site-packages" / "pyproject.toml").touch()
    beside = compile_cache.writable_folder()
    assert beside is not None
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(fresh / "named"))
    forget()
    named = compile_cache.writable_folder()
    assert named == fresh / "named" / "charrnn" / beside.name
    assert beside.is_dir()


# What is still to compile


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The functions in the cache, which a test may change, on a machine like that of the table."""
    names: set[str] = set()
    monkeypatch.setattr(compile_cache, "compiled", lambda: names)
    monkeypatch.setattr(compile_time, "_slowness", lambda: 1.0)
    return names


@needs_numba
def test_the_compile_time_is_that_of_what_is_missing(compiled: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = compile_time.training("gru", samples=True)
    whole = compile_time.to_compile(kernels)
    assert whole == pytest.approx(sum(compile_time.SECONDS[name] for name in kernels))
    monkeypatch.setattr(compile_time, "_slowness", lambda: 3.0)
    assert compile_time.to_compile(kernels) == pytest.approx(3 * whole)
    compiled |= kernels - {"decoder._run"}
    assert compile_time.to_compile(kernels) == pytest.approx(3 * compile_time.SECONDS["decoder._run"])
    compiled |= kernels
    assert compile_time.to_compile(kernels) == 0
    compiled.clear()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert compile_time.to_compile(kernels) == 0
    monkeypatch.delenv("NUMBA_DISABLE_JIT")
    monkeypatch.setattr(compile_time, "is_installed", lambda name: False)
    assert compile_time.to_compile(kernels) == 0


@needs_numba
def test_auto_compiles_only_where_it_pays(compiled: set[str]) -> None:
    kernels = compile_time.scoring("lstm")
    seconds = compile_time.to_compile(kernels)
    most = int(MAX_NUMPY_CHARS + SCORING_SPEED * seconds)
    scoring = {"speed": SCORING_SPEED, "kernels": kernels}
    assert most == int(engines.max_numpy_chars("auto", **scoring))
    assert engines.choose("auto", most, **scoring) == ("numpy", pytest.approx(seconds))
    assert engines.choose("auto", most + 1, **scoring) == ("numba", 0)
    assert engines.choose("auto", MAX_NUMPY_CHARS, **scoring) == ("numpy", 0)  # whatever is compiled
    shortest = MIN_TIME_PER_COMPILE_TIME * seconds
    assert engines.choose("auto", seconds=shortest - 0.01, kernels=kernels) == ("numpy", pytest.approx(seconds))
    assert engines.choose("auto", seconds=shortest + 0.01, kernels=kernels) == ("numba", 0)
    assert engines.choose("auto", kernels=kernels).engine == "numba"  # a run by steps does not depend on the cache
    assert engines.choose("numba", 1, seconds=1, kernels=kernels).engine == "numba"
    assert engines.choose("numpy", seconds=1000, kernels=kernels) == ("numpy", 0)
    compiled |= kernels
    assert engines.choose("auto", MAX_NUMPY_CHARS + 1, **scoring).engine == "numba"
    assert engines.choose("auto", seconds=1, kernels=kernels).engine == "numba"
    assert engines.max_numpy_chars("auto", **scoring) == MAX_NUMPY_CHARS
    assert engines.max_numpy_chars("numba", **scoring) == 0


def test_the_table_of_compile_times_has_only_kernels() -> None:
    for name in compile_time.SECONDS:
        module, function, *_ = name.split(".")
        path = Path(compile_time.__file__).parent / "kernels" / f"{module}.py"
        functions = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
        (found,) = (node for node in functions if node.name == function)
        assert any("kernel" in ast.unparse(decorator) for decorator in found.decorator_list)


COUNTED = """
import charrnn
from charrnn.engine import compile_time, load
from charrnn.engine.kernels.kernel import ending
from charrnn.engine.precision import problem_with_bfloat16
from numba.core.dispatcher import Dispatcher
import sys

def called():
    '''The kernels that have been called since the last time.'''
    found = set()
    for name, module in list(sys.modules.items()):
        if name.startswith("charrnn.engine.kernels."):
            for key, value in vars(module).items():
                if isinstance(value, Dispatcher) and value.__module__ == name:
                    for types in value.signatures:
                        found.add(f"{name.rpartition('.')[2]}.{key}{ending(types)}")
    return found
"""
CALLED = """
small = {"hidden_size": 8, "batch_size": 4, "seq_length": 8, "steps": 2, "seed": 0, "threads": 1, "engine": "numba"}
small["dropout"] = 0.1

def trainer(text, cell="lstm", **options):
    return charrnn.train(text, cell=cell, **small, **options)

before, is_check = set(), sys.argv[1] == "check"
def check(name, expected):
    if not is_check:
        return
    global before
    now = called()
    assert now - before == expected - before, (name, now - before, expected - before)
    before = now

STREAM, PAIRS = "ab" * 100, "".join(f"{n * chr(97)}\\t{n * chr(98)}\\n" for n in range(1, 30))
model = trainer(STREAM).latest
charrnn.score(model, "abab")
check("score", compile_time.scoring("lstm"))
"".join(charrnn.generate(model, length=2, seed=0))
check("sample", compile_time.sampling())
for precision in ("bfloat16", "int8"):
    "".join(charrnn.generate(model.with_precision(precision), length=2, seed=0))
    check(f"sample in {precision}", compile_time.sampling(precision))
charrnn.adapt(model, STREAM)
check("adapt", compile_time.adapting("lstm"))
list(trainer(STREAM))
check("train", compile_time.training("lstm", samples=True))
list(trainer(STREAM, "gru", layers=2))
check("train gru", compile_time.training("gru"))
list(trainer(STREAM, "rnn", nonlinearity="relu"))
check("train rnn", compile_time.training("rnn"))
for cell in ("gru", "rnn"):
    charrnn.adapt(trainer(STREAM, cell).latest, STREAM)
    check(f"adapt {cell}", compile_time.adapting(cell))
list(trainer(PAIRS, layout="translations"))
check("translations", compile_time.training("lstm", "translator"))
run = trainer("ab\\tx\\nabb\\ty\\n" * 20, "gru", layout="labels")
list(run)
list(charrnn.classify(run.best, ["ab"]))
run = trainer("ab\\txy\\nabb\\txyy\\n" * 20, "gru", layout="tags")
list(run)
list(charrnn.tag(run.best, ["ab"]))
check("whole texts", set())
if problem_with_bfloat16():
    expected = {name for name in compile_time.SECONDS if not name.endswith(compile_time.IN_BFLOAT16)}
    expected |= compile_time.sampling("bfloat16")
else:
    expected = set(compile_time.SECONDS)
    for cell in ("lstm", "gru", "rnn"):
        list(trainer(STREAM, cell, layers=2, precision="bfloat16"))
        check(f"train {cell} in bfloat16", compile_time.training(cell, precision="bfloat16"))
    list(trainer(PAIRS, layout="translations", precision="bfloat16"))
    check("translations in bfloat16", set())
assert not is_check or called() == expected, called() ^ expected
print("all")
"""


@needs_numba
def test_the_kernels_of_a_job_are_those_that_it_calls() -> None:
    # What is compiled for another kernel looks as if it had been called: so all that the cache lacks is compiled first
    kernels = {*compile_time.SECONDS}
    if problem_with_bfloat16():
        trained = {name for name in kernels if name.endswith(compile_time.IN_BFLOAT16)}
        kernels -= trained - compile_time.sampling("bfloat16")
    for mode in ("check",) if kernels <= compile_cache.compiled() else ("compile", "check"):
        command = [sys.executable, "-c", COUNTED + CALLED, mode]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
        assert done.stdout == "all\n", done.stderr


CALLED_IN_TIME = """
from charrnn.training import autoconfig

options = {"cell": "gru", "precision": sys.argv[1], "engine": "numba", "drop_connect": 0.1}
for _ in charrnn.train("abcdefgh" * 500, time=2.0, hidden_size=8, threads=1, seed=0, **options):
    pass
kernels = autoconfig.kernels(options, None)
assert called() <= kernels, called() - kernels
assert kernels - called() <= {"lstm._pack_and_forward"}, kernels - called()  # the reference network is not evaluated
print("all")
"""


@needs_numba
@pytest.mark.parametrize("precision", sorted({"auto", "float32", engines.precision_to_compile("auto")}))
def test_the_kernels_of_a_given_time_are_those_that_it_calls_and_measures(precision: str) -> None:
    for _ in range(2):  # first all that the cache lacks is compiled: it looks as if it had been called
        command = [sys.executable, "-c", COUNTED + CALLED_IN_TIME, precision]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
        if done.stdout == "all\n":
            break
    assert done.stdout == "all\n", done.stderr


@needs_numba
def test_a_training_in_bfloat16_compiles_after_one_in_float32(compiled: set[str]) -> None:
    compiled |= compile_time.training("lstm", samples=True)
    for cell, form in (("lstm", "language_model"), ("gru", "tagger"), ("rnn", "translator")):
        kernels = compile_time.training(cell, form, samples=True, precision="bfloat16")
        compiled |= compile_time.training(cell, form)
        seconds = compile_time.to_compile(kernels)
        shared = sum(seconds for name, seconds in compile_time.SECONDS.items() if name.startswith(compile_time.SHARED))
        assert 1 < seconds < shared
        own = {f"{cell}._pack_and_forward.bfloat16", f"{cell}._pack_and_backward.bfloat16"}
        assert own < kernels - compiled
        compiled |= own
        assert compile_time.to_compile(kernels) == pytest.approx(
            seconds - sum(compile_time.SECONDS[name] for name in own)
        )
        compiled |= kernels
        assert compile_time.to_compile(kernels) == 0
        compiled -= {name for name in compiled if name.endswith(compile_time.IN_BFLOAT16)}
    assert not compile_time.sampling() & {name for name in kernels if name.endswith(compile_time.IN_BFLOAT16)}
