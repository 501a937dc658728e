"""The models of a server: loaded when they are asked for, and again when their files have changed."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from charrnn.checkpoint.model_file import Checkpoint, load
from charrnn.errors import CharRNNError, CheckpointError, ConfigError, ExportError, why
from charrnn.export.options import ExportOptions
from charrnn.export.page.page import render
from charrnn.model.model import Model
from charrnn.server.errors import SURROGATE, ApiError

Prepare = Callable[[Model], Model]
"""Gives a model that was loaded its engine."""
LOOK_SECONDS = 0.2
"""How often it is looked whether a file has changed."""
Stamp = tuple[int, int, int]
"""The time at which a file was written, its size, and its number in the file system: another file has another one."""


@dataclass
class LoadedModel:
    """A model in memory, and what it came from."""

    checkpoint: Checkpoint
    model: Model
    stamp: Stamp
    fingerprint: str
    """Tells it from the models that its file has held before and will hold."""
    page: bytes | None = field(default=None, repr=False)
    """The page that writes with it, once someone has asked for it."""

    @property
    def created(self) -> int:
        """When its file was written, in seconds since 1970."""
        return self.stamp[0] // 10**9


class ServedModel:
    """A model under its name."""

    def __init__(self, path: Path):
        self.path, self.name = path, SURROGATE.sub("\ufffd", path.stem)  # bytes that are no UTF-8, as JSON has them
        self.loading = asyncio.Lock()
        self.loaded: LoadedModel | None = None
        self.reloads = 0
        self.looked = 0.0
        """When it was looked last."""
        self.problem = ""
        """Why the file as it is now can't be loaded; the one before it serves on."""

    def stamp(self) -> Stamp:
        """That of the file now. Raises `CheckpointError` if there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise CheckpointError(f"there is no {self.path}") from None
        except OSError as error:
            raise CheckpointError(f"can't read {self.path}: {why(error, self.path)}") from None
        return found.st_mtime_ns, found.st_size, found.st_ino


class Models:
    """The models by name; the first one answers those who name none."""

    def __init__(self, paths: Sequence[Path], prepare: Prepare, notice: Callable[[str], None]):
        """Raises `CheckpointError` for a path that is no file, and `ConfigError` for two of one name."""
        self.prepare, self.notice = prepare, notice
        self.by_name: dict[str, ServedModel] = {}
        self.loader = ThreadPoolExecutor(1, "charrnn loader")
        for path in paths:
            served = ServedModel(path)
            served.stamp()
            if not path.is_file():
                raise CheckpointError(f"{path} is not a file")
            if other := self.by_name.get(served.name):
                raise ConfigError(f"{other.path} and {path} would have the same name, {served.name}: rename one")
            self.by_name[served.name] = served

    @property
    def first(self) -> ServedModel:
        """The one for those who name none."""
        return next(iter(self.by_name.values()))

    def named(self, name: str | None) -> ServedModel:
        """The model of a name. Raises `ApiError` if there is none."""
        if name is None:
            return self.first
        if (found := self.by_name.get(name)) is None:
            raise ApiError(f"The model '{name[:100]}' does not exist", "model", status=404, code="model_not_found")
        return found

    async def get(self, name: str | None) -> LoadedModel:
        """The model of a name as its file has it now; if that can't be loaded, as it was before.

        Raises `ApiError` if there is no such model, or none that could ever be loaded.
        """
        served = self.named(name)
        if (loaded := served.loaded) is not None and self._is_current(served, loaded):
            return loaded
        async with served.loading:
            if (loaded := served.loaded) is None or self._stamp_or(served, loaded.stamp) != loaded.stamp:
                await asyncio.get_running_loop().run_in_executor(self.loader, self.load, served)
            if served.loaded is None:
                raise ApiError(f"the model {served.name} can't be loaded now", status=503, kind="server_error")
            return served.loaded

    def load_first(self) -> None:
        """Loads the first model. Raises `CheckpointError` if it can't be loaded, and what `prepare` raises."""
        self.first.loaded = self._read(self.first)

    def _read(self, served: ServedModel) -> LoadedModel:
        """A model from its file as it is now."""
        while True:
            stamp = served.stamp()
            checkpoint = load(served.path)
            digest = hashlib.sha256(served.path.read_bytes()).hexdigest()
            if served.stamp() == stamp:  # else both may not be of one file
                return LoadedModel(checkpoint, self.prepare(checkpoint.model), stamp, f"fp_{digest[:12]}")

    def load(self, served: ServedModel) -> None:
        """Loads a model from its file. A fault is told, and leaves what was loaded before."""
        try:
            loaded = self._read(served)
        except (CharRNNError, OSError, MemoryError) as error:
            self._tell(served, str(error) or type(error).__name__)
            if served.loaded is not None:
                served.loaded.stamp = self._stamp_or(served, served.loaded.stamp)  # not again until it changes again
            return
        if served.loaded is not None:
            served.reloads += 1
            self.notice(f"loaded {served.path} again: it has changed")
        served.problem, served.loaded = "", loaded

    def _is_current(self, served: ServedModel, loaded: LoadedModel) -> bool:
        """Whether the file is the one that was loaded, as far as is known; one that is gone changes nothing."""
        now = time.monotonic()
        if now - served.looked < LOOK_SECONDS:
            return True
        served.looked = now
        return self._stamp_or(served, loaded.stamp) == loaded.stamp

    def _stamp_or(self, served: ServedModel, default: Stamp) -> Stamp:
        """That of a model's file now; if there is none, which is told, the default."""
        try:
            return served.stamp()
        except CheckpointError as error:
            self._tell(served, str(error))
            return default

    def _tell(self, served: ServedModel, problem: str) -> None:
        """Says once why a model can't be loaded."""
        if problem != served.problem:
            self.notice(f"can't load {served.path}: {problem}")
        served.problem = problem

    def close(self) -> None:
        """Ends the thread that loads."""
        self.loader.shutdown(wait=False, cancel_futures=True)


def page_of(served: ServedModel, loaded: LoadedModel) -> bytes:
    """The page that writes with a model. Raises `ApiError` for a model that has none."""
    if loaded.page is None:
        date = datetime.fromtimestamp(loaded.created, UTC)
        try:
            text = render(loaded.checkpoint, served.name, f"{date:%Y-%m-%d}", ExportOptions())
        except ExportError as error:
            raise ApiError(str(error), status=404) from None
        loaded.page = text.encode("utf-8", "replace")
    return loaded.page
