"""Jobs of several ranks, each a real process: their weights, their files, and what ends them."""

import json
import signal
import sys
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import load_state
from support.processes import OPENING, SMALL, charrnn
from support.ranks import MPIEXEC, mpiexec, needs_mpi, run_line, run_ranks, running
from support.trainings import flat

pytestmark = needs_mpi
TIMEOUT = 4.0
"""The seconds of silence after which a rank has failed, in these tests."""
ENDLESS = (
    *SMALL,
    "--threads",
    1,
    "--steps",
    10_000_000,
    "--eval-every",
    20,
    "--distributed",
    "--rank-timeout",
    TIMEOUT,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a text."""
    (tmp_path / "a.txt").write_text(OPENING * 20)
    return tmp_path


def train(folder: Path, n: int, out: str, *more: object) -> dict[str, object]:
    """Trains on n ranks, or in a process that is not distributed if n is 0; returns the results."""
    line = ("train", *more, *(("--distributed",) if n else ()), "--threads", 1, "--json", "--out", out)
    done = run_ranks(n, *line, cwd=folder) if n else charrnn(*line, cwd=folder)
    assert done.returncode == 0, done.stderr
    results: dict[str, object] = json.loads(done.stdout)
    return results


IN_TURN = """
import json, sys
from charrnn.__main__ import main
from charrnn.distributed import exchange
for line in json.loads(sys.argv[1]):
    sys.argv[1:] = line
    try:
        main()
    except SystemExit as end:
        {}
    exchange.MIN_BUFFER = 1
"""
"""Several commands, and what is done with the code of each at its end.

From the second on, gradients are on their way as soon as they are known, however few they are.
"""


def run_in_turn(folder: Path, lines: list[list[str]], at_end: str) -> CompletedProcess[str]:
    """Runs several commands on two ranks, in the same processes, which saves their start."""
    return run_line(mpiexec(2, [sys.executable, "-c", IN_TURN.format(at_end), json.dumps(lines)]), folder)


def train_in_turn(folder: Path, *lines: tuple[object, ...]) -> list[dict[str, object]]:
    """Trains several times on two ranks; returns the results."""
    more = ("--distributed", "--threads", 1, "--json")
    words = [[str(word) for word in ("train", *line, *more)] for line in lines]
    done = run_in_turn(folder, words, "assert not end.code, end.code")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_two_ranks_learn_what_one_process_does_and_always_the_same(folder: Path) -> None:
    options = ("a.txt", *SMALL, "--layers", 2, "--dropout", 0.2, "--steps", 12, "--eval-every", 4, "--ema-decay", 0.9)
    options = (*options, "--drop-connect", 0.2)
    files = ("two.safetensors", "again.safetensors")
    two, again = train_in_turn(folder, *((*options, "--out", file) for file in files))
    one = train(folder, 0, "one.safetensors", *options)
    assert two["ranks"] == again["ranks"] == 2
    assert 0 < two["efficiency"] < 1
    assert "ranks" not in one
    found, same, wanted = (load_state(folder / f"{name}.resume.safetensors") for name in ("two", "again", "one"))
    np.testing.assert_allclose(flat(found.params), flat(wanted.params), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.rnn_state, wanted.rnn_state, rtol=0, atol=1e-5)
    assert two["val_loss"] == pytest.approx(one["val_loss"], rel=1e-5)
    for name in ("two.safetensors", "two.resume.safetensors"):
        assert (folder / name).read_bytes() == (folder / name.replace("two", "again")).read_bytes()
    assert found.run_id == wanted.run_id
    assert flat(same.params).tobytes() == flat(found.params).tobytes()


def test_a_run_with_averages_goes_on_as_one_without_a_break(folder: Path) -> None:
    averages = ("--sync-every", 4, "--outer-lr", 0.7, "--outer-momentum", 0.9)
    options = ("a.txt", *SMALL, "--dropout", 0.2, "--ema-decay", 0.9, "--eval-every", 6, *averages)
    whole, *_ = train_in_turn(
        folder,
        (*options, "--steps", 12, "--out", "whole.safetensors"),
        (*options, "--steps", 6, "--out", "parts.safetensors"),
        ("--resume", "--steps", 12, "--out", "parts.safetensors"),
    )
    assert whole["sync_every"] == 4
    state = load_state(folder / "parts.resume.safetensors")
    assert state.outer.keys() == state.params.keys()
    assert all(v.any() for v in state.outer.values())
    for name in ("whole.safetensors", "whole.resume.safetensors"):
        assert (folder / name).read_bytes() == (folder / name.replace("whole", "parts")).read_bytes()


DIVERGING = """
from charrnn.__main__ import main
from charrnn.errors import DivergenceError
from charrnn.training import averaging
from charrnn.training.follower import FollowingTrainer
averaging.MAX_SHARE = 0
step, failed = FollowingTrainer._step, []
def diverge(self, threads):
    if self.state.counters.step == 9 and not failed:
        self.state.params["b_out"] *= float("nan")
        failed.append(True)
        raise DivergenceError("only here")
    return step(self, threads)
FollowingTrainer._step = diverge
main()
"""


def test_a_rank_that_diverges_takes_all_back_and_steps_between_averages_become_more(folder: Path) -> None:
    options = [
        "--steps",
        "24",
        "--eval-every",
        "6",
        "--sync-every",
        "auto",
        "--distributed",
        "--threads",
        "1",
        "--json",
    ]
    words = ["train", "a.txt", *map(str, SMALL), *options, "--out", "a.safetensors"]
    done = run_line(mpiexec(2, [sys.executable, "-c", DIVERGING, *words]), folder)
    assert done.returncode == 0, done.stderr
    assert "they average their weights after each step, or more" in done.stderr
    assert "of the time: they now come after" in done.stderr
    assert "rolled back to step 6" in done.stderr
    results = json.loads(done.stdout)
    assert results["steps"] == 24
    assert results["sync_every"] > 1
    assert np.isfinite(results["val_loss"])
    state = load_state(folder / "a.resume.safetensors")
    assert state.training_config.sync_every == results["sync_every"]
    assert state.counters.rollbacks == 1


def test_a_run_goes_on_with_another_number_of_ranks(folder: Path) -> None:
    options = ("a.txt", *SMALL, "--dropout", 0.2, "--eval-every", 5)
    train(folder, 0, "one.safetensors", *options, "--steps", 15)
    train(folder, 3, "a.safetensors", *options, "--steps", 5)
    train(folder, 2, "a.safetensors", "--resume", "--steps", 10)
    train(folder, 0, "a.safetensors", "--resume", "--steps", 15)
    found, wanted = (load_state(folder / f"{name}.resume.safetensors") for name in ("a", "one"))
    np.testing.assert_allclose(flat(found.params), flat(wanted.params), rtol=0, atol=1e-5)
    assert [row.step for row in found.history] == [5, 10, 15]


def test_one_rank_writes_what_a_process_that_is_not_distributed_writes(folder: Path) -> None:
    options = ("a.txt", *SMALL, "--steps", 12)
    assert train(folder, 1, "a.safetensors", *options)["ranks"] == 1
    train(folder, 0, "b.safetensors", *options)
    for name in ("a.safetensors", "a.resume.safetensors"):
        assert (folder / name).read_bytes() == (folder / name.replace("a.", "b.", 1)).read_bytes()


def test_a_time_is_that_of_all_ranks(folder: Path) -> None:
    (folder / "a.txt").write_text(OPENING * 200)
    done = run_ranks(
        2,
        "train",
        "a.txt",
        "--distributed",
        "--time",
        3,
        "--engine",
        "numpy",
        "--json",
        "--exchange",
        "bfloat16",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["steps"] > 0
    assert results["ranks"] == 2
    assert "they exchange gradients in bfloat16" in done.stderr
    assert "to repeat these steps on any machine: mpiexec -n 2 charrnn train a.txt --distributed" in done.stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_the_job_with_a_line_that_names_it(folder: Path, rank: int) -> None:
    code, seconds, err = end_by(folder, rank, signal.SIGKILL)
    assert code
    assert seconds < 10
    assert f"charrnn: rank {rank} on " in err
    assert "has died" in err


def test_a_rank_that_is_stopped_ends_the_job_after_the_timeout(folder: Path) -> None:
    code, seconds, err = end_by(folder, 1, signal.SIGSTOP)
    assert code
    assert TIMEOUT - 1.5 < seconds < TIMEOUT + 10
    assert "charrnn: rank 1 on " in err
    assert f"has given no sign of life for {TIMEOUT:.0f} s" in err
    assert "rank 0 on" not in err


def test_any_rank_that_is_asked_to_stop_saves_the_run(folder: Path) -> None:
    code, seconds, err = end_by(folder, 1, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert seconds < 10
    assert "and saved: continue with mpiexec -n 2 charrnn train --resume --distributed" in err


def test_a_launcher_that_is_asked_to_stop_by_a_user_signal_has_the_run_saved(folder: Path) -> None:
    with running(2, "train", "a.txt", *ENDLESS, "--out", "a.safetensors", cwd=folder) as job:
        job.wait_for(lambda line: line.startswith("step 20/"))
        job.process.send_signal(signal.SIGUSR1)
        code, seconds, err = job.end(20)
    assert code == 128 + signal.SIGTERM
    assert seconds < 10
    (line,) = [line for line in err.splitlines() if line.startswith("interrupted at step ")]
    step = load_state(resume_path(folder / "a.safetensors")).counters.step
    assert line.startswith(f"interrupted at step {step:,} and saved: continue with mpiexec -n 2 ")


def end_by(folder: Path, rank: int, number: int) -> tuple[int, float, str]:
    """Sends a signal to a rank of a job in the middle of its training, which then can be resumed."""
    with running(2, "train", "a.txt", *ENDLESS, "--out", "a.safetensors", cwd=folder) as job:
        job.wait_for(lambda line: line.startswith("step 20/"))
        job.processes()[rank].send_signal(number)
        found = job.end(TIMEOUT + 20)
    state = load_state(resume_path(folder / "a.safetensors"))
    assert state.counters.step >= 20
    step = state.counters.step + 2
    assert train(folder, 0, "a.safetensors", "--resume", "--steps", step)["steps"] == step
    return found


RAISING = """
import sys
from charrnn.__main__ import main
from charrnn.training.follower import FollowingTrainer
def fail(self, *args):
    raise MemoryError
if sys.argv.pop(1) == "follower":
    FollowingTrainer._follow_step = fail
else:
    from charrnn.training.leader import RankShards
    from charrnn.distributed.ranks import Ranks
    update = RankShards.update
    RankShards.update = lambda self, *args: fail(self) if self.exchange.ranks.is_leader else update(self, *args)
main()
"""


@pytest.mark.parametrize(("who", "rank"), [("leader", 0), ("follower", 1)])
def test_a_rank_that_fails_ends_the_job_with_a_line_that_names_it(folder: Path, who: str, rank: int) -> None:
    words = [sys.executable, "-c", RAISING, who, "train", "a.txt", *map(str, ENDLESS), "--out", "a.safetensors"]
    done = run_line(mpiexec(2, words), folder, 30)
    assert done.returncode
    lines = [line for line in done.stderr.splitlines() if "charrnn: " in line]
    assert len(lines) == 1
    assert f"charrnn: rank {rank} on " in lines[0]
    assert "there is not enough memory for this" in lines[0]


def test_an_error_before_training_is_printed_once(folder: Path) -> None:
    done = run_ranks(2, "train", "b.txt", *ENDLESS, cwd=folder)
    assert done.returncode
    assert [line for line in done.stderr.splitlines() if "charrnn: " in line] == [
        "charrnn: can't read b.txt: No such file or directory"
    ]
    more = [("--batch-size", 1), ("--rank-timeout", 2), ("--exchange", "int8")]
    lines = [["train", "a.txt", *map(str, (*ENDLESS, *options))] for options in more]
    done = run_in_turn(folder, lines, "print(end.code)")
    found = [line for line in done.stderr.splitlines() if "charrnn: " in line]
    parts = "the batch has 1 row, too few for 2 ranks", "--rank-timeout must be from 3", "--exchange can't be 'int8'"
    assert [part in line for part, line in zip(parts, found, strict=True)] == [True] * 3, found
    assert done.stdout.split() == ["2"] * 6


def test_without_the_library_there_is_one_clear_line(folder: Path) -> None:
    hidden = "import sys; sys.modules['mpi4py'] = None; from charrnn.__main__ import main; main()"
    done = run_line([sys.executable, "-c", hidden, "train", "a.txt", "--distributed"], folder)
    assert (done.returncode, done.stderr) == (
        2,
        "charrnn: --distributed needs mpi4py: pip install 'charrnn-text[mpi]'\n",
    )
    assert MPIEXEC


DRIFTING = """
import sys
from charrnn.__main__ import main
from charrnn.training.follower import FollowingTrainer
from charrnn.training.rank_shards import checksum
step = FollowingTrainer._follow_step
def drift(self, *args):
    step(self, *args)
    print("follower", self.state.counters.step, checksum(self.state.params), file=sys.stderr)
    if self.state.counters.step == 1:
        self.state.params["b_out"][0] += 1e-3
FollowingTrainer._follow_step = drift
from charrnn.training.leader import LeadingTrainer
take = LeadingTrainer._step
def say(self, *args):
    found = take(self, *args)
    print("leader", self.state.counters.step, checksum(self.state.params), file=sys.stderr)
    return found
LeadingTrainer._step = say
main()
"""


def test_ranks_whose_weights_differ_go_on_with_those_of_the_leader(folder: Path) -> None:
    line = ["train", "a.txt", *map(str, SMALL), "--steps", "5", "--eval-every", "3", "--distributed", "--threads", "1"]
    done = run_line(mpiexec(2, [sys.executable, "-c", DRIFTING, *line, "--quiet"]), folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {"leader": [], "follower": []}
    for words in map(str.split, done.stderr.splitlines()):
        found[words[0]].append(words[2])
    pairs = [one == other for one, other in zip(found["leader"], found["follower"], strict=True)]
    assert pairs == [True, False, False, True, True]
