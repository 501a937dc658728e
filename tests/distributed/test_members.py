"""The members of a job: each rank trains a model as a single process does, and rank 0 merges them."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import model_file
from charrnn.checkpoint.training_file import load_state
from charrnn.model.merge import merge
from support.processes import OPENING, SMALL, charrnn
from support.ranks import needs_mpi, run_ranks, running

OPTIONS = ("a.txt", *SMALL, "--dropout", 0.2, "--eval-every", 20, "--threads", 1)
MEMBERS = (*OPTIONS, "--distributed", "--members", "--out", "a.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a text."""
    (tmp_path / "a.txt").write_text(OPENING * 20)
    return tmp_path


@needs_mpi
def test_members_are_the_models_of_single_processes_and_become_one(folder: Path) -> None:
    done = run_ranks(2, "train", *MEMBERS, "--steps", 20, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    alone = charrnn("train", *OPTIONS, "--steps", 20, "--seed", 2, "--out", "b.safetensors", cwd=folder)
    assert alone.returncode == 0, alone.stderr
    for kind in ("", ".resume"):
        own = folder / f"a.member2{kind}.safetensors"
        assert own.read_bytes() == (folder / f"b{kind}.safetensors").read_bytes()
    models = [model_file.load(folder / f"a.member{number}.safetensors").model for number in (1, 2)]
    found, wanted = model_file.load(folder / "a.safetensors"), merge(models)
    for name, p in wanted.params.items():
        ratio = found.model.params[name].astype(float).sum() / p.astype(float).sum()
        np.testing.assert_allclose(found.model.params[name], p * (ratio if "out" in name else 1), rtol=1e-3, atol=1e-6)
    members = [member["val_loss"] for member in results["members"]]
    assert results["val_loss"] < min(members)
    assert found.history[-1].val_loss == results["val_loss"]
    assert results["parameters"] == wanted.n_params
    assert [member["seed"] for member in results["members"]] == [1, 2]
    assert f"merged: validation loss {results['val_loss']:.3f}" in done.stderr


@needs_mpi
def test_a_member_that_is_asked_to_stop_stops_all_and_all_continue(folder: Path) -> None:
    with running(2, "train", *MEMBERS, "--steps", 10_000_000, cwd=folder) as job:
        job.wait_for(lambda line: line.startswith("step 20/"))
        job.processes()[1].send_signal(signal.SIGTERM)
        code, seconds, err = job.end(20)
    assert code == 128 + signal.SIGTERM
    assert seconds < 10
    assert "continue all with mpiexec -n 2 charrnn train --resume --distributed --members --out a.safetensors" in err
    assert not (folder / "a.safetensors").exists()
    states = [folder / f"a.member{number}.resume.safetensors" for number in (1, 2)]
    last = max(load_state(path).counters.step for path in states) + 2
    line = ("train", "--resume", "--distributed", "--members", *MEMBERS[-2:], "--steps", last, "--quiet")
    resumed = run_ranks(2, *line, cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert [load_state(path).counters.step for path in states] == [last, last]
    assert model_file.load(folder / "a.safetensors").model.config.hidden_size in (16, 32)


@needs_mpi
def test_members_hold_out_the_same_text(folder: Path) -> None:
    (folder / "a.txt").write_text("".join(f"{oct(n**3)[2:]}\n" for n in range(200)))
    done = run_ranks(2, "train", *MEMBERS, "--lines", "--steps", 20, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "charrnn: the members would hold out different text" in done.stderr
    assert not [*folder.glob(".a.safetensors*")]
    assert not (folder / "a.safetensors").exists()
    (folder / "val.txt").write_text("12\n76\n" * 20)
    done = run_ranks(2, "train", *MEMBERS, "--lines", "--val-file", "val.txt", "--steps", 2, "--force", cwd=folder)
    assert done.returncode == 0, done.stderr


@needs_mpi
def test_an_error_of_all_members_is_printed_once(folder: Path) -> None:
    done = run_ranks(2, "train", *MEMBERS, "--steps", 20, "--exchange", "bfloat16", cwd=folder)
    assert done.returncode
    (line,) = [line for line in done.stderr.splitlines() if "charrnn: " in line]
    # mpiexec may begin it with a zero byte, and go on in the same line
    expected = "charrnn: members exchange nothing while they train: leave out --exchange, or --members"
    assert line.lstrip("\0").startswith(expected)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (("--members",), "--members is only for several ranks: give --distributed too"),
        (("--members", "--rank-timeout", 9), "--members and --rank-timeout is only for several ranks"),
    ],
)
def test_members_need_ranks(line: tuple[object, ...], why: str, folder: Path) -> None:
    done = charrnn("train", *OPTIONS, *line, cwd=folder)
    assert done.returncode == 2
    assert why in done.stderr
