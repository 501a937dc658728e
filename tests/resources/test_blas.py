"""The threads of BLAS: one while charrnn computes, and its own number after that, unless the environment says it."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

import charrnn as api
from charrnn.engine.threads import Threads
from charrnn.inspection.alignment import alignment
from charrnn.inspection.attribution import attribution
from charrnn.inspection.context import context
from charrnn.inspection.trace import Text, trace
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.sampling.generate import alternatives
from support.processes import charrnn
from support.trainings import VERSE, start_on


@cache
def libraries() -> list[Any]:
    """What controls NumPy's BLAS; other tests may have loaded SciPy's."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if "scipy.libs" not in library.filepath]


def blas_threads() -> list[int]:
    """The number of threads of NumPy's BLAS."""
    return [library.num_threads for library in libraries()]


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """BLAS has two threads, and the environment says nothing of them."""
    for name in blas.NAMES:
        monkeypatch.delenv(name, raising=False)
    np.ones((2, 2)) @ np.ones((2, 2))
    if not libraries():
        pytest.skip("threadpoolctl does not know the BLAS of this NumPy")
    with threadpool_limits(2, "blas"):
        yield


def has(n: int) -> bool:
    """Whether BLAS has n threads."""
    return set(blas_threads()) == {n}


def test_the_smallest_limit_holds_and_after_the_last_none() -> None:
    with blas.limit(3):
        assert has(3)
        with blas.limit():
            assert has(1)
            with blas.limit(2):
                assert has(1)
        assert has(3)
    assert has(2)


def test_an_error_ends_a_limit() -> None:
    with pytest.raises(ZeroDivisionError), blas.limit():
        1 // (not has(1))
    assert has(2)


def test_limits_of_several_threads_that_overlap_end_with_the_last() -> None:
    begun, ends = threading.Event(), threading.Event()

    def other() -> None:
        with blas.limit():
            begun.set()
            assert ends.wait(30)

    thread = threading.Thread(target=other)
    with blas.limit():
        thread.start()
        assert begun.wait(30)
    assert has(1)  # the other one still computes
    ends.set()
    thread.join()
    assert has(2)


@pytest.mark.parametrize("name", sorted(blas.NAMES))
def test_the_environment_says_how_many_unless_a_number_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    with blas.limit(None):
        assert has(2)
    with blas.limit(1):
        assert has(1)
    monkeypatch.setenv(name, "")
    with blas.limit(None):
        assert has(1)


def test_items_are_made_within_the_limit_and_used_without() -> None:
    def items() -> Iterator[int]:
        for n in range(3):
            assert has(1)
            yield n
        raise ZeroDivisionError

    limited = blas.limited(items())
    for n in range(3):
        assert next(limited) == n
        assert has(2)
    with pytest.raises(ZeroDivisionError):
        next(limited)
    assert has(2)


class PerThread(threading.local):
    """A library such as MKL, with a number of threads for each thread that calls it; it is not installed here."""

    num_threads = 8

    def set_num_threads(self, n: int) -> None:
        self.num_threads = n


def test_a_library_that_counts_for_each_thread_is_limited_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    library = PerThread()
    monkeypatch.setattr(blas, "_libraries", lambda: ((), (library,)))
    with Threads(2) as threads:
        with blas.limit():
            assert library.num_threads == 1
            with blas.limit(2):
                assert library.num_threads == 1
            assert threads.map(lambda n: library.num_threads, [0, 1]) == [1, 1]
        assert library.num_threads == 8


class Watched(np.ndarray):
    """Weights that see how many threads BLAS has when it multiplies with them."""

    seen: list[list[int]]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.matmul:
            Watched.seen.append(blas_threads())
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        return getattr(ufunc, method)(*map(_plain, inputs), **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.dot:
            Watched.seen.append(blas_threads())
        return function(*map(_plain, args), **{name: _plain(value) for name, value in kwargs.items()})


def _plain(array: Any) -> Any:
    if isinstance(array, list | tuple):
        return type(array)(map(_plain, array))
    return array.view(np.ndarray) if isinstance(array, Watched) else array


def watched(path: Path) -> Model:
    """The model in a file, with weights that are watched."""
    model = api.load(path).model
    Watched.seen = []
    return replace(model, params={name: param.view(Watched) for name, param in model.params.items()})


CALLS: dict[str, tuple[str, Callable[[Model], Iterator[Any]]]] = {
    "generate": ("small", lambda model: api.generate(model, prime="ab", length=5)),
    "generate to a sentence": ("small", lambda model: api.TextGenerator(model, length=5, end="sentence").pieces()),
    "samples": ("small", lambda model: api.samples(model, count=2, length=5)),
    "sample_lines": ("small_lines", lambda model: api.sample_lines(model, count=2, length=5)),
    "sample_lines of pairs": ("small_pairs", lambda model: api.sample_lines(model, count=2, length=5, label="a")),
    "alternatives": ("small", lambda model: alternatives(model, api.Sample("bab", "a", 1, 1.0, -1.0, 3))),
    "translate": ("small_translations", lambda model: api.translate(model, ["a", "ab"], length=3)),
    "score": ("small", lambda model: iter([api.score(model, "abcab")])),
    "score of pairs": ("small_translations", lambda model: iter([api.score(model, "a\tb\nab\tc\n")])),
    "score_lines": ("small_lines", lambda model: api.score_lines(model, ["ab\n", "c\n"])),
    "score_lines, stateful": ("small", lambda model: api.score_lines(model, ["ab", "c"], stateful=True)),
    "surprisal": ("small", lambda model: iter(api.surprisal(model, "abc"))),
    "classify": ("small_labels", lambda model: api.classify(model, ["ab", "c"])),
    "tag": ("small_tags", lambda model: api.tag(model, ["ab", "c"], threads=2)),
    "context": ("small", lambda model: iter([context(model, "abcab" * 20)])),
    "attribution": ("small_labels", lambda model: iter([attribution(model, "ab", 10)])),
    "alignment": ("small_translations", lambda model: iter([alignment(model, "ab", 10)])),
    "trace": ("small", lambda model: trace(Text(model, "abcab"))),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_multiplies_with_one_thread_and_then_blas_has_its_own_number(
    name: str, request: pytest.FixtureRequest
) -> None:
    fixture, call = CALLS[name]
    items = call(watched(request.getfixturevalue(fixture)["model"]))
    for _ in items:
        assert has(2)
    assert has(2)
    assert Watched.seen
    assert {*map(tuple, Watched.seen)} == {(1,) * len(blas_threads())}


def test_samples_are_drawn_with_as_many_threads_as_are_asked_for(small: dict[str, Path]) -> None:
    text = "".join(api.generate(watched(small["model"]), length=5, seed=1, threads=3))
    assert {*map(tuple, Watched.seen)} == {(3,) * len(blas_threads())}
    assert has(2)
    assert text == "".join(api.generate(watched(small["model"]), length=5, seed=1))


def test_a_training_leaves_blas_its_own_number_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_on(VERSE, hidden_size=4, layers=1, steps=2, eval_every=1, engine="numpy")
    compute, seen = run.shards.loss_and_gradients, []

    def loss_and_gradients(*args: Any) -> Any:
        seen.append(has(1))
        return compute(*args)

    monkeypatch.setattr(run.shards, "loss_and_gradients", loss_and_gradients)
    for _ in run:
        assert has(2)
    assert seen == [True, True]
    assert has(2)


# The program

WATCH = """
import atexit, sys, threadpoolctl
def show():
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    print("threads:", *sorted({pool["num_threads"] for pool in pools}), file=sys.stderr)
atexit.register(show)
from charrnn.__main__ import main
main()
"""


def threads_of(*args: object, cwd: Path, env: dict[str, str]) -> str:
    """The threads of BLAS at the end of the program, in an environment that says no more of them than this."""
    env = dict.fromkeys(blas.NAMES, "") | env
    done = charrnn(*args, cwd=cwd, env=env, command=lambda *words: [sys.executable, "-c", WATCH, *map(str, words)])
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


LINES = {
    "sample": ("sample small -n 5 --engine numpy", ""),
    "sample with threads": ("sample small -n 5 --engine numpy --threads 2", ""),
    "score": ("score small --per-line --engine numpy", "ab\nc\n"),
    "classify": ("classify small_labels --engine numpy", "ab\n"),
    "tag": ("tag small_tags --engine numpy", "ab\n"),
    "translate": ("translate small_translations", "ab\n"),
    "inspect": ("inspect small --json", ""),
    "train": ("train - --hidden-size 4 --layers 1 --steps 1 --engine numpy", VERSE),
}


@pytest.mark.parametrize("name", LINES)
def test_a_command_starts_blas_with_one_thread(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    line, text = LINES[name]
    args: list[object] = line.split()
    if str(args[1]).startswith("small"):
        args[1] = request.getfixturevalue(str(args[1]))["model"]
    (tmp_path / "text").write_text(text)
    if text:
        args = [*args[:2], tmp_path / "text", *args[2:]] if args[1] != "-" else ["train", tmp_path / "text", *args[2:]]
    assert threads_of(*args, cwd=tmp_path, env={}) == "threads: 1"


@pytest.mark.parametrize("name", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GOTO_NUM_THREADS"])
def test_a_variable_of_the_user_says_how_many_threads_a_sample_has(
    name: str, small: dict[str, Path], tmp_path: Path
) -> None:
    if "openblas" not in {pool["internal_api"] for pool in threadpool_info()} or (os.cpu_count() or 1) < 2:
        pytest.skip("OpenBLAS reads these variables, and gives no core two threads")
    args = ("sample", small["model"], "-n", 5, "--engine", "numpy")
    assert threads_of(*args, cwd=tmp_path, env={name: "2"}) == "threads: 2"
