"""Runs with faults: another run, a full disk, a kill, a signal during a save, divergence; nothing is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import charrnn as api
from charrnn.checkpoint import training_file
from support.processes import (
    SMALL,
    TEXT,
    after_script,
    charrnn,
    command,
    environment,
    error_line,
    posix,
    read_until,
    started,
    unprivileged,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's limits of a running process")
ENDLESS = (*SMALL, "--steps", 10**6, "--eval-every", 20)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus."""
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


# Two runs


def test_two_runs_can_not_write_the_same_files(here: Path) -> None:
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here) as first:
        read_until(first, "step 20/")
        for second in (("corpus.txt", *SMALL, "--force"), ("--resume",)):
            done = charrnn("train", *second, "--out", "m.safetensors", cwd=here)
            assert "another run is writing" in error_line(done, 1)
        read_until(first, "step 60/")
    assert api.load(here / "m.safetensors").history


def test_the_default_name_gets_a_number_while_another_run_uses_it(here: Path) -> None:
    with started("train", "corpus.txt", *ENDLESS, cwd=here) as first:
        assert "checkpoints/corpus.safetensors" in read_until(first, "writes ").replace(os.sep, "/")
        done = charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--json", cwd=here)
        assert Path(json.loads(done.stdout)["checkpoint"]).name == "corpus-2.safetensors"


@posix
def test_a_killed_run_can_be_resumed_and_its_temporary_files_are_removed(here: Path) -> None:
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here) as first:
        read_until(first, "step 20/")
        first.kill()
    left = {f".{name}.safetensors.0123abcd.tmp" for name in ("m", "m.resume")}
    others = {f".{name}.0123abcd.tmp" for name in ("other.safetensors", "m.safetensors.state", "m.safetensors.svg")}
    for name in left | others:
        (here / name).write_bytes(b"half")
    done = charrnn("train", "--resume", "--steps", 100, "--out", "m.safetensors", cwd=here)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in here.glob(".*.tmp")} == others


@posix
def test_temporary_files_beside_the_target_of_a_link_are_removed(here: Path) -> None:
    (here / "there").mkdir()
    (here / "m.safetensors").symlink_to("there/n.safetensors")
    left = (here / "there" / ".n.safetensors.0123abcd.tmp", here / ".m.resume.safetensors.0123abcd.tmp")
    for path in left:
        path.write_bytes(b"half")
    done = charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--out", "m.safetensors", cwd=here)
    assert done.returncode == 0, done.stderr
    assert not any(path.exists() for path in left)


@posix
@pytest.mark.parametrize("link", ["m.safetensors", "m.resume.safetensors"])
def test_a_link_between_model_and_state_is_an_error(link: str, here: Path) -> None:
    other = {"m.safetensors": "m.resume.safetensors", "m.resume.safetensors": "m.safetensors"}[link]
    (here / link).symlink_to(other)
    done = charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--out", "m.safetensors", "--force", cwd=here)
    assert done.returncode in (1, 2)
    assert "m.safetensors" in done.stderr.splitlines()[-1]
    assert not (here / other).exists()


@posix
def test_a_link_to_the_state_of_another_run_is_an_error(here: Path) -> None:
    assert charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--out", "q.safetensors", cwd=here).returncode == 0
    (here / "p.safetensors").symlink_to("q.resume.safetensors")
    before = (here / "q.resume.safetensors").read_bytes()
    done = charrnn("train", "corpus.txt", *SMALL, "--out", "p.safetensors", "--force", cwd=here)
    assert "the name of a model's file must end in .safetensors" in error_line(done, 2)
    assert (here / "q.resume.safetensors").read_bytes() == before


@posix
def test_saves_keep_the_permissions_of_the_files(here: Path) -> None:
    assert charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--out", "m.safetensors", cwd=here).returncode == 0
    both = (here / "m.safetensors", here / "m.resume.safetensors")
    for path in both:
        path.chmod(0o600)
    for options in (("--resume", "--steps", 4), ("corpus.txt", *SMALL, "--steps", 2, "--seed", 2, "--force")):
        assert charrnn("train", *options, "--out", "m.safetensors", cwd=here).returncode == 0
        assert [path.stat().st_mode & 0o777 for path in both] == [0o600, 0o600]


@posix
def test_force_overwrites_a_state_that_can_not_be_read(here: Path) -> None:
    assert charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--out", "m.safetensors", cwd=here).returncode == 0
    (here / "m.resume.safetensors").chmod(0o200)
    again = ("train", "corpus.txt", *SMALL, "--steps", 5, "--seed", 2, "--force", "--out", "m.safetensors", "--json")
    done = charrnn(*again, cwd=here, command=unprivileged)
    assert done.returncode == 0, done.stderr
    assert api.load(here / "m.safetensors").run_id == training_file.load_state(here / "m.resume.safetensors").run_id


@posix
def test_force_does_not_move_a_pipe(here: Path) -> None:
    os.mkfifo(here / "pipe")
    (here / "m.safetensors").symlink_to("pipe")
    done = charrnn("train", "corpus.txt", *SMALL, "--force", "--out", "m.safetensors", cwd=here)
    assert done.returncode == 1
    assert "it is not a regular file" in done.stderr.splitlines()[-1]
    assert (here / "pipe").is_fifo()


def test_the_backup_of_a_model_that_a_killed_run_left_is_restored(here: Path) -> None:
    train = ("train", "corpus.txt", *SMALL, "--steps", 2)
    assert charrnn(*train, cwd=here).returncode == 0
    model = here / "checkpoints" / "corpus.safetensors"
    before = model.read_bytes()
    model.rename(model.with_name(".corpus.safetensors.0123abcd.old"))
    model.with_name(".corpus.resume.safetensors.0123abcd.tmp").write_bytes(b"half")
    done = charrnn(*train, cwd=here)
    assert done.returncode == 0, done.stderr
    assert model.read_bytes() == before
    names = {path.name for path in model.parent.iterdir() if path.suffix != ".lock"}
    assert names == {f"corpus{n}{kind}.safetensors" for n in ("", "-2") for kind in ("", ".resume")}


# Kills


@posix
def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_weights(here: Path) -> None:
    """Ten kills; `tests/bench/kill.py` makes as many as you like."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
    import kill

    result = kill.harness(here, kills=10, seed=random.randrange(10**6))
    assert result["equal"], result
    assert result["kills"] == 10


# Faults within a save


@posix
@pytest.mark.parametrize(
    ("scenario", "min_faults"),
    [("both", 100), ("first", 100), ("begin", 60), ("again", 60), ("alone", 60), ("file", 24)],
)
def test_after_any_fault_in_a_save_the_files_are_the_old_or_the_new_ones(scenario: str, min_faults: int) -> None:
    tests = Path(__file__).parents[1]
    env = environment({"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"})  # no threads, since it forks
    line = [sys.executable, "-m", "support.faults", scenario]
    done = subprocess.run(line, cwd=tests, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["faults"] >= min_faults
    calls = result["calls"]
    for name in {call.split()[1] for call in calls if call.startswith("write ")}:
        last_write = max(n for n, call in enumerate(calls) if call == f"write {name}")
        rename = calls.index(f"replace {name}")
        assert last_write + 1 == calls.index("fsync", last_write) < rename
        assert calls[rename + 1].startswith("open ")
        assert calls[rename + 2] == "fsync"


def test_a_resumed_run_completes_a_save_that_was_killed(here: Path) -> None:
    """A kill between the two renames leaves a state that is newer than the model beside it."""
    for steps, start in ((20, "corpus.txt"), (40, "--resume")):
        options = (*SMALL, "--eval-every", 10) if start == "corpus.txt" else ()
        done = charrnn("train", start, *options, "--steps", steps, "--out", "m.safetensors", "--quiet", cwd=here)
        assert done.returncode == 0, done.stderr
        if steps == 20:
            older = (here / "m.safetensors").read_bytes()
    newer = (here / "m.safetensors").read_bytes()
    assert older != newer
    for left in (older, None):
        (here / "m.safetensors").unlink(missing_ok=True)
        if left is not None:
            (here / "m.safetensors").write_bytes(left)
        done = charrnn("train", "--resume", "--steps", 40, "--out", "m.safetensors", "--quiet", cwd=here)
        assert done.returncode == 0, done.stderr
        assert (here / "m.safetensors").read_bytes() == newer
    (here / "m.safetensors").write_bytes(newer[: len(newer) // 2])
    line = error_line(charrnn("train", "--resume", "--steps", 40, "--out", "m.safetensors", cwd=here), 1)
    assert "damaged" in line
    assert "move it elsewhere, and this run will write its own" in line


def test_a_model_of_another_run_is_not_overwritten(here: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        options = (*SMALL, "--seed", seed, "--steps", 5, "--out", f"{name}.safetensors", "--quiet")
        assert charrnn("train", "corpus.txt", *options, cwd=here).returncode == 0
    (here / "a.safetensors").replace(here / "b.safetensors")
    other = (here / "b.safetensors").read_bytes()
    line = error_line(charrnn("train", "--resume", "--steps", 9, "--out", "b.safetensors", cwd=here), 1)
    assert "b.safetensors belongs to another run: move it elsewhere" in line
    assert (here / "b.safetensors").read_bytes() == other
    save_file({"x": np.zeros(3)}, here / "b.safetensors")
    line = error_line(charrnn("train", "--resume", "--steps", 9, "--out", "b.safetensors", cwd=here), 1)
    assert "was not written for charrnn" in line
    assert list(load_file(here / "b.safetensors")) == ["x"]


# Signals within a save


@pytest.fixture
def slow_disk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which each flush to disk takes 0.4 seconds, and appends a dot to a file `flushed`."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(
        "import os, time\n"
        "flush = os.fsync\n"
        "def slow(descriptor):\n"
        "    with open('flushed', 'a') as file:\n"
        "        file.write('.')\n"
        "    time.sleep(0.4)\n"
        "    flush(descriptor)\n"
        "os.fsync = slow\n"
    )
    return {"PYTHONPATH": str(folder)}


def wait_for_flushes(here: Path, more: int) -> None:
    """Waits for this many flushes after those of a run's first save, which are a file and its folder."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (here / "flushed").exists() and (here / "flushed").stat().st_size >= 2 + more:
            return
        time.sleep(0.01)
    raise AssertionError("nothing is saved")


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("flush", [1, 3])
def test_a_signal_during_a_save_ends_the_run_after_that_save(
    name: str, code: int, flush: int, slow_disk: dict[str, str], here: Path
) -> None:
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here, env=slow_disk) as run:
        wait_for_flushes(here, flush)
        began = time.monotonic()
        run.send_signal(getattr(signal, name))
        _, err = run.communicate(timeout=30)
        took = time.monotonic() - began
    assert run.returncode == code
    assert err.decode().splitlines()[-1].startswith("interrupted at step 20 and saved")
    assert (here / "flushed").stat().st_size == 2 + 4
    assert took < 4 * 0.4 + 2
    assert (
        api.load(here / "m.safetensors").step
        == training_file.load_state(here / "m.resume.safetensors").counters.step
        == 20
    )


@posix
@pytest.mark.parametrize("flush", [1, 2, 3, 4])
def test_a_second_signal_during_a_save_ends_the_run_at_once_and_the_files_are_whole(
    flush: int, slow_disk: dict[str, str], here: Path
) -> None:
    site = Path(slow_disk["PYTHONPATH"], "sitecustomize.py")
    seconds = f"60 if os.path.getsize('flushed') == {2 + flush} else 0"
    site.write_text(site.read_text().replace("0.4", seconds))
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here, env=slow_disk) as run:
        wait_for_flushes(here, flush)
        run.send_signal(signal.SIGINT)
        time.sleep(0.7)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=30)
        took = time.monotonic() - began
    assert run.returncode == 130
    assert b"Traceback" not in err
    assert took < 30, "it does not wait for this flush"
    assert training_file.load_state(here / "m.resume.safetensors").counters.step == (20 if flush > 2 else 0)
    assert (here / "m.safetensors").exists() == (flush > 3)
    assert not list(here.glob(".*.tmp"))
    resumed = ("train", "--resume", "--steps", 40, "--out", "m.safetensors", "--json")
    done = charrnn(*resumed, cwd=here)
    assert json.loads(done.stdout)["steps"] == 40


@posix
def test_repeated_interruptions_end_the_run_at_once(slow_disk: dict[str, str], here: Path) -> None:
    site = Path(slow_disk["PYTHONPATH"], "sitecustomize.py")
    site.write_text(site.read_text().replace("0.4", "60 if os.path.getsize('flushed') == 3 else 0"))
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here, env=slow_disk) as run:
        wait_for_flushes(here, 1)
        deadline = time.monotonic() + 30
        while run.poll() is None:
            assert time.monotonic() < deadline, "it must not wait for this flush"
            run.send_signal(signal.SIGINT)
            time.sleep(0.2)
    assert run.returncode in (130, -signal.SIGINT)  # to a shell they are the same


@posix
def test_after_a_save_without_enough_memory_training_continues_and_saves_again(
    slow_disk: dict[str, str], here: Path
) -> None:
    site = Path(slow_disk["PYTHONPATH"], "sitecustomize.py")
    site.write_text(
        site.read_text().replace("    time.sleep(0.4)", "    if os.path.exists('short'): raise MemoryError")
    )
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here, env=slow_disk) as run:
        read_until(run, "step 20/")
        (here / "short").touch()
        line = read_until(run, "memory")
        assert "there is not enough memory to save m.safetensors: training continues" in line
        before = training_file.load_state(here / "m.resume.safetensors").counters.step
        (here / "short").unlink()
        deadline = time.monotonic() + 30
        while training_file.load_state(here / "m.resume.safetensors").counters.step == before:
            assert time.monotonic() < deadline, "it must save again"
            time.sleep(0.05)
    assert api.load(here / "m.safetensors").history


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", -signal.SIGINT), ("SIGTERM", -signal.SIGTERM)])
@pytest.mark.parametrize("length", [("--steps", 10**6), ("--time", "60s")], ids=["steps", "time"])
def test_a_signal_ends_the_run_at_once_while_it_compiles(
    length: tuple[object, ...], name: str, code: int, here: Path
) -> None:
    pytest.importorskip("numba")
    (here / "cache").mkdir()
    args = [word for word in SMALL if word not in ("--engine", "numpy")]
    args += [*map(str, length), "--engine", "numba", "--out", "m.safetensors"]
    env = {"NUMBA_CACHE_DIR": str(here / "cache")}
    with started("train", "corpus.txt", *args, cwd=here, env=env) as run:
        read_until(run, "compiling")
        time.sleep(0.5)
        began = time.monotonic()
        run.send_signal(getattr(signal, name))
        assert run.wait(30) == code
        assert time.monotonic() - began < 5
    if "--steps" in length:  # otherwise it is measuring the machine, and there is nothing to resume yet
        done = charrnn("train", "--resume", "--steps", 3, "--out", "m.safetensors", "--json", cwd=here)
        assert json.loads(done.stdout)["steps"] == 3, done.stderr


@posix
def test_a_run_is_saved_if_its_terminal_closes(here: Path) -> None:
    pty = pytest.importorskip("pty")
    reader, terminal = pty.openpty()
    leader = "import fcntl, os, sys, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    args = [sys.executable, "-c", leader, *command("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors")]
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with Popen(args, cwd=here, env=environment({"TERM": "xterm"}), start_new_session=True, **streams) as run:
        try:
            os.close(terminal)
            shown = b""
            while b"step 40/" not in shown:
                shown += os.read(reader, 4096)
            os.close(reader)
            assert run.wait(30) == 129
        finally:
            run.kill()
    assert training_file.load_state(here / "m.resume.safetensors").counters.step >= 40


def test_files_that_appear_at_the_path_during_training_are_not_overwritten(here: Path) -> None:
    other = ("train", "corpus.txt", *SMALL, "--seed", 2, "--steps", 5, "--out", "other/m.safetensors", "--quiet")
    assert charrnn(*other, cwd=here).returncode == 0
    content = (here / "other" / "m.safetensors").read_bytes()
    rare = ("--eval-every", 2000, "--out", "models/m.safetensors")
    with started("train", "corpus.txt", *ENDLESS, *rare, cwd=here) as run:
        read_until(run, "step 2,000/")
        time.sleep(0.3)  # now it is saved, and the next save is some time away
        (here / "other" / "m.safetensors").replace(here / "models" / "m.safetensors")
        assert "m.safetensors belongs to another run" in read_until(run, "training continues")
        run.send_signal(signal.SIGTERM)
        run.stderr.read()
        assert run.wait(30) == 1
    assert (here / "models" / "m.safetensors").read_bytes() == content
    assert training_file.load_state(here / "models" / "m.resume.safetensors").counters.step == 2000


# The log


def test_the_log_can_not_be_another_file_of_the_run(here: Path) -> None:
    (here / "texts").mkdir()
    (here / "texts" / "a.txt").write_text(TEXT)
    out = ("--out", "m.safetensors", "--steps", 5)
    assert charrnn("train", "texts", *SMALL, *out, "--quiet", cwd=here).returncode == 0
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    for name in ("texts/a.txt", "m.safetensors", "m.resume.safetensors"):
        for start in (("texts", "--force", *SMALL), ("--resume",)):
            error_line(charrnn("train", *start, *out, "--log", name, cwd=here), 2)
    (here / "notes.txt").write_text("precious")
    before[here / "notes.txt"] = b"precious"
    resumed = ("train", "--resume", *out[:2], "--steps", 9, "--log", "notes.txt")
    assert "is not a training log" in error_line(charrnn(*resumed, cwd=here), 1)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("", ""),
        ('{"ste', ""),
        ('{"step": 1, "loss": 2.0}', '{"step": 1, "loss": 2.0}\n'),
        ('{"step": 99, "loss": 2.0}\nby hand\n', '{"step": 99, "loss": 2.0}\nby hand\n'),
        ("my notes", None),
        ("[1, 2]\n", None),
        ("[" * 200_000, None),
    ],
    ids=["empty", "cut line", "no newline", "by hand", "notes", "list", "deep"],
)
def test_a_resumed_run_appends_to_a_log_and_changes_no_other_file(content: str, kept: str | None, here: Path) -> None:
    out = ("--out", "m.safetensors", "--quiet")
    assert charrnn("train", "corpus.txt", *SMALL, "--steps", 5, *out, cwd=here).returncode == 0
    (here / "l.jsonl").write_text(content)
    done = charrnn("train", "--resume", "--steps", 7, "--log", "l.jsonl", *out, cwd=here)
    text = (here / "l.jsonl").read_text()
    if kept is None:
        assert "is not a training log" in error_line(done, 1)
        assert text == content
    else:
        assert done.returncode == 0, done.stderr
        assert text.startswith(kept)
        assert [json.loads(line)["step"] for line in text.removeprefix(kept).splitlines()] == [6, 7, 7]


@posix
def test_a_run_that_can_not_begin_removes_a_new_log_but_not_an_empty_one(here: Path) -> None:
    (here / "empty.jsonl").touch()
    for log in ("empty.jsonl", "new.jsonl"):
        options = ("--out", "m.safetensors", "--log", log, "--engine", "numpy")
        done = charrnn("train", "corpus.txt", *SMALL, *options, cwd=here, command=after_script("ulimit -f 0"))
        assert done.returncode == 1
    assert (here / "empty.jsonl").exists()
    assert not (here / "new.jsonl").exists()


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("texts/l.jsonl", "would be read as part of the text in texts"),
        ("texts", "texts can't be the log too"),
        ("folder", "folder is a folder: give --log the name of a file in it"),
        (".m.safetensors.lock", "can't be the log too"),
        ("link/l.jsonl", "would be read as part of the text in texts"),
        ("-", "--log can't be -"),
    ],
)
def test_an_invalid_path_of_a_log_is_an_error(log: str, why: str, here: Path) -> None:
    for name in ("texts", "folder"):
        (here / name).mkdir()
    (here / "texts" / "a.txt").write_text(TEXT)
    if log.startswith("link"):
        (here / "link").symlink_to("texts")
    options = ("--steps", 2, "--out", "m.safetensors", "--log", log, "--force")
    assert why in error_line(charrnn("train", "texts", *SMALL, *options, cwd=here), 1, 2)
    assert not list(here.glob("*.safetensors"))


@posix
def test_a_run_that_can_not_begin_does_not_empty_its_log(here: Path) -> None:
    (here / "l.jsonl").write_text("{}\n")
    (here / "closed").mkdir(mode=0o555)
    args = ("train", "corpus.txt", *SMALL, "--steps", 5, "--force", "--log", "l.jsonl")
    error_line(charrnn(*args, "--out", "closed/m.safetensors", cwd=here, command=unprivileged), 1)
    assert (here / "l.jsonl").read_text() == "{}\n"


LOG = (*SMALL, "--eval-every", 20, "--log", "l.jsonl", "--out", "m.safetensors")


@posix
def test_the_log_of_a_resumed_run_has_each_step_once_after_a_kill(here: Path) -> None:
    with started("train", "corpus.txt", *LOG, "--steps", 10**6, "--log", "l.jsonl", cwd=here) as run:
        read_until(run, "step 40/")
        run.kill()
    saved = training_file.load_state(here / "m.resume.safetensors").counters.step
    run_id = json.loads((here / "l.jsonl").read_text().splitlines()[0])["run"]
    other_run = json.dumps({"step": saved + 9, "loss": 1.0, "run": "another"}) + "\n"
    rollback = [{"step": saved, "diverged": saved + 2, "rollbacks": 1}]
    rollback += [{"step": saved + n, "loss": 1.0} for n in (1, 2, 3)]
    rows = [{"step": step, "loss": 1.0} for step in range(saved - 3, saved + 5)] + rollback
    lines = [json.dumps(row | {"run": run_id}) + "\n" for row in rows]
    (here / "l.jsonl").write_text(other_run + "".join(lines) + '{"step": 99, "lo')
    resumed = ("train", "--resume", "--steps", saved + 5, "--log", "l.jsonl", "--out", "m.safetensors", "--quiet")
    assert charrnn(*resumed, cwd=here).returncode == 0
    text = (here / "l.jsonl").read_text()
    assert text.startswith(other_run)
    rest = text.removeprefix(other_run).splitlines()
    steps = [json.loads(line)["step"] for line in rest if "loss" in json.loads(line)]
    assert steps == list(range(saved - 3, saved + 6))


# Files


def test_randomly_changed_files_load_or_raise_an_error() -> None:
    """Some hundred changes; `tests/bench/fuzz.py` makes as many as you like."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
    import fuzz

    wrong: list[str] = []
    found = fuzz.fuzz(300, random.randrange(10**9), wrong.append)
    assert not wrong
    assert found["read"] > 0 < found["refused"]


# Disks


@linux
@pytest.mark.parametrize("repaired", [True, False])
def test_training_continues_after_a_save_that_fails(repaired: bool, here: Path) -> None:
    import resource

    steps = ("--steps", 2000, "--eval-every", 100)
    with started("train", "corpus.txt", *SMALL, *steps, "--out", "m.safetensors", cwd=here) as run:
        read_until(run, "step 100/")
        read_until(run, "step 200/")
        unlimited = resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        line = read_until(run, "training continues")
        assert "can't write" in line
        last = (here / "m.resume.safetensors").read_bytes()
        assert training_file.load_state(here / "m.resume.safetensors").counters.step >= 100
        if repaired:
            resource.prlimit(run.pid, resource.RLIMIT_FSIZE, unlimited)
        rest = run.stderr.read().decode()
        assert run.wait(60) == (0 if repaired else 1)
    assert "Traceback" not in rest
    step = training_file.load_state(here / "m.resume.safetensors").counters.step
    assert not list(here.glob(".*.tmp"))
    if repaired:
        assert step == 2000
    else:
        assert rest.splitlines()[-1].startswith("charrnn: can't write")
        assert (here / "m.resume.safetensors").read_bytes() == last
        assert api.load(here / "m.safetensors").step <= step


@posix
def test_a_folder_without_write_permission_is_an_error_before_training(here: Path) -> None:
    (here / "closed").mkdir(mode=0o555)
    args = ("train", "corpus.txt", *SMALL, "--steps", 5)
    for option, name in (("--out", "m.safetensors"), ("--out", "new/m.safetensors"), ("--log", "l.jsonl")):
        line = error_line(charrnn(*args, option, f"closed/{name}", cwd=here, command=unprivileged), 1)
        assert "can't write" in line
        assert f"closed/{name}: Permission denied" in line
    assert not list((here / "closed").iterdir())


@posix
def test_a_folder_that_can_not_be_entered_is_named(here: Path) -> None:
    (here / "f").mkdir()
    (here / "f" / "corpus.txt").write_text(TEXT)
    (here / "f").chmod(0o644)  # so it can be listed
    says = "the folder f can't be entered: give yourself its permission x"
    train = ("train", "corpus.txt", *SMALL, "--steps", 1)
    lines = {
        ("train", "f", *SMALL): "can't read f",
        ("sample", "f/m.safetensors"): "can't read f/m.safetensors",
        (*train, "--out", "f/m.safetensors"): "can't write f/m.safetensors",
        ("sample", "--quiet", "--prime-file", "f/corpus.txt"): "can't reach f/corpus.txt",
    }
    for args, what in lines.items():
        line = error_line(charrnn(*args, cwd=here, command=unprivileged), 1)
        assert line == f"charrnn: {what}: {says}"


@posix
def test_saves_resume_after_a_folder_was_read_only_or_missing(here: Path) -> None:
    folder = here / "models"
    args = ("train", "corpus.txt", *ENDLESS, "--out", "models/m.safetensors")
    with started(*args, cwd=here, command=unprivileged) as run:
        read_until(run, "step 20/")
        read_until(run, "step 40/")
        folder.chmod(0o555)
        assert "Permission denied: training continues" in read_until(run, "continues")
        folder.chmod(0o755)
        read_until(run, "step ")
        read_until(run, "step ")
        folder.rename(here / "elsewhere")  # in one step, even during a save
        read_until(run, "step ")
        read_until(run, "step ")
        run.send_signal(signal.SIGTERM)
        assert run.wait(30) == 143
    assert training_file.load_state(folder / "m.resume.safetensors").counters.step > 40
    assert api.load(folder / "m.safetensors").history


# Divergence


def test_a_run_that_diverges_continues_at_half_the_learning_rate(here: Path) -> None:
    too_high = ("--optimizer", "sgd", "--lr", 200, "--clip", 0, "--steps", 60, "--eval-every", 20)
    done = charrnn(
        "train", "corpus.txt", *SMALL, *too_high, "--out", "m.safetensors", "--log", "l.jsonl", "--json", cwd=here
    )
    assert done.returncode == 0, done.stderr
    assert "it continues at half the learning rate, 100 (rollback 1 of 8)" in done.stderr
    assert np.isfinite(json.loads(done.stdout)["val_loss"])
    rows = [json.loads(line) for line in (here / "l.jsonl").read_text().splitlines()]
    assert next(row["lr"] for row in rows if "diverged" in row) == 100
    assert training_file.load_state(here / "m.resume.safetensors").counters.rollbacks >= 1


def test_a_run_that_diverges_again_and_again_ends_with_the_last_good_weights(here: Path) -> None:
    extreme: tuple[Any, ...] = ("--optimizer", "sgd", "--lr", 1e6, "--weight-decay", 1e3, "--clip", 0)
    options = (*extreme, "--eval-every", 1, "--steps", 40, "--out", "m.safetensors")
    done = charrnn("train", "corpus.txt", *SMALL, *options, cwd=here)
    assert done.returncode == 1
    assert "rollback 8 of 8" in done.stderr
    assert "diverged" in done.stderr.splitlines()[-1]
    saved = training_file.load_state(here / "m.resume.safetensors")
    assert all(np.isfinite(p).all() for p in saved.params.values())
