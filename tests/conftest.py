"""The fixtures that tests share: the engines that are installed and small trainings; and Hypothesis's settings."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from charrnn import engine as engines
from charrnn.checkpoint.paths import resume_path
from charrnn.dataset.files import Source
from charrnn.engine import Engine
from charrnn.errors import EngineError
from charrnn.training import usable_time
from charrnn.training.trainer import Trainer
from support.browser import chromium
from support.clock import Clock
from support.processes import require_package_of
from support.trainings import VERSE, run_of, save

settings.register_profile("charrnn", max_examples=50, deadline=None)
settings.load_profile("charrnn")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives each worker neighbouring tests, which share fixtures; one that has done its own takes from the others."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the longest tests, those of the READMEs, so that no worker runs them when the others are done."""
    items.sort(key=lambda item: "test_readmes" not in item.nodeid)


def pytest_configure() -> None:
    """Leaves each of several workers, and what it starts, one thread of BLAS: more wait more than they work.

    Refuses to test another copy of the package than the one beside the tests: a fault in the source would pass there.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        threadpool_limits(1, "blas")
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        return
    require_package_of(Path(__file__).resolve().parents[1])


def _installed(name: str) -> str:
    """The name of an engine; the test is skipped if it is not installed."""
    try:
        return engines.resolve(name)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=["numpy", "numba"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that is installed."""
    return engines.load(_installed(request.param))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a screen."""
    yield from chromium(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every deadline in a test."""
    clock = Clock()
    monkeypatch.setattr(usable_time, "time", clock)
    return clock


@pytest.fixture(params=["numpy", "numba"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """The name of each engine that is installed."""
    return _installed(request.param)


@pytest.fixture(scope="session")
def trained() -> Trainer:
    """A training of a few steps on characters, with validation data, at its end. Do not change it."""
    return run_of(VERSE)


@pytest.fixture(scope="session")
def trained_on_bytes() -> Trainer:
    """The same on bytes, where most characters take two. Do not change it."""
    return run_of(("щука и рак " * 60).encode(), cell="gru", layers=1)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files of a small training on a text of four characters. Do not change them."""
    path = tmp_path_factory.mktemp("small") / "a.safetensors"
    trainer = run_of("abcab " * 50, hidden_size=2, layers=1, steps=3, eval_every=1, val_fraction=0.4)
    trainer.state.source = Source(("a.txt", "-"))
    save(trainer, path)
    return {"model": path, "training": resume_path(path)}


def _small(folder: Path, text: str, layout: str) -> dict[str, Path]:
    """The two files of a small training in a layout."""
    path = folder / "a.safetensors"
    save(run_of(text, layout=layout, hidden_size=2, layers=1, steps=3, val_fraction=0), path)
    return {"model": path, "training": resume_path(path)}


@pytest.fixture(scope="session")
def small_lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files of a small training on lines. Do not change them."""
    return _small(tmp_path_factory.mktemp("lines"), "ab\nabc\nca\n" * 50, "lines")


@pytest.fixture(scope="session")
def small_pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files of a small training on pairs with labels. Do not change them."""
    return _small(tmp_path_factory.mktemp("pairs"), "a\tbc\nab\tc\n" * 50, "pairs")


@pytest.fixture(scope="session")
def small_translations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files of a small training of a translator. Do not change them."""
    return _small(tmp_path_factory.mktemp("translations"), "a\tbc\nab\tc\n" * 50, "translations")


@pytest.fixture(scope="session")
def small_labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files of a small training of a classifier. Do not change them."""
    return _small(tmp_path_factory.mktemp("labels"), "bc\ta\ncab\tb\nab\tb\n" * 50, "labels")


@pytest.fixture(scope="session")
def small_tags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files of a small training of a tagger. Do not change them."""
    return _small(tmp_path_factory.mktemp("tags"), "bc\tab\ncab\tbba\nab\tbb\n" * 50, "tags")
