"""The start of the ranks of a command: what they print, which signals they pass on, and what ends all."""

import math
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from charrnn.cli.terminal import ranks as terminal
from charrnn.cli.terminal.console import STOP_SIGNALS
from charrnn.cli.train import files
from charrnn.cli.train.given import sync_options
from charrnn.dataset import shared_file
from charrnn.dataset.files import Source
from charrnn.distributed.ranks import Ranks
from charrnn.errors import ConfigError, CorpusError
from charrnn.resources import cores
from charrnn.training.options import TrainOptions
from support.processes import TEXT, posix
from support.ranks import Mirror
from support.trainings import run_of, save


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Ranks:
    """The ranks of a job in which rank 1 has no connection to the leader, which is this process."""
    found = Ranks(Mirror())

    def watch(*args: Any) -> Any:
        return SimpleNamespace(unwatched=[1], signals={}, say=print, close=lambda: None, silence=args[2])

    def abort(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(cores, "_most", math.inf)  # a rank limits its process
    monkeypatch.setattr(terminal, "_handle_signals", lambda: None)
    monkeypatch.setattr(terminal, "join", lambda: found)
    monkeypatch.setattr(terminal, "Watchdog", watch)
    monkeypatch.setattr(found, "abort", abort)
    return found


@pytest.mark.parametrize("quiet", [False, True])
def test_quiet_hides_that_a_rank_is_not_watched(quiet: bool, ranks: Ranks, capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.leading(print, None, quiet=quiet):
        pass
    found = capsys.readouterr().err
    assert found == ("" if quiet else f"{ranks.name(1)} has no connection to rank 0 apart from MPI: {HINT}\n")


HINT = "nobody will notice if it hangs"


def test_an_error_of_one_rank_at_the_start_ends_all(
    ranks: Ranks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(terminal, "cores_of_rank", fail)
    with pytest.raises(SystemExit):
        terminal._join(None, "", quiet=False)
    assert capsys.readouterr().err.startswith(f"charrnn: {ranks.name(0)}: the output: Operation not permitted")


def test_only_a_follower_that_is_heard_passes_signals_on(ranks: Ranks) -> None:
    before = [signal.getsignal(getattr(signal, name, 0)) for name in STOP_SIGNALS[:2]]
    found = []

    def serve(ranks: Ranks) -> None:
        found.append([signal.getsignal(getattr(signal, name)) for name in STOP_SIGNALS[:2]] == before)

    try:
        for unwatched in ([0], []):
            watchdog: Any = SimpleNamespace(unwatched=unwatched, close=lambda: None)
            terminal._follow(ranks, watchdog, serve, passes_signals=True)
    finally:
        for name, handler in zip(STOP_SIGNALS, before, strict=False):
            signal.signal(getattr(signal, name), handler)
    assert found == [True, False]


@posix
@pytest.mark.parametrize(("saved", "given", "is_shared"), [(0, {}, True), (2, {}, False), (2, {"ngrams": 0}, True)])
def test_a_run_with_ngrams_that_is_resumed_needs_the_whole_text(
    saved: int, given: TrainOptions, is_shared: bool, ranks: Ranks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "MIN_SIZE", 0)
    monkeypatch.setattr(shared_file, "BLOCK", 999)
    text = tmp_path / "a.txt"
    text.write_text(TEXT)
    trainer = run_of(TEXT, steps=2, ngrams=saved)
    trainer.state.corpus = replace(trainer.state.corpus, digest="blocks:")
    trainer.state.source = Source((str(text),)).absolute()
    save(trainer, tmp_path / "a.safetensors")
    with pytest.raises(CorpusError, match="is not the one that this run began with"):
        files.resume((), {}, {**given}, out=tmp_path / "a.safetensors", quiet=True, draws=False, ranks=ranks)
    assert ("index" in [told for told, _ in ranks.comm.told]) == is_shared


def test_steps_between_averages_are_a_positive_number_or_auto() -> None:
    assert sync_options("16") == {"sync_every": 16, "sync_grows": False}
    assert sync_options("auto") == {"sync_every": 1, "sync_grows": True}
    for wrong in ("0", "-1", "1.5", "", "often", "²"):
        with pytest.raises(ConfigError, match="give a number of steps, or auto"):
            sync_options(wrong)
