"""`charrnn score` and `charrnn classify` on the ranks of a job, each a real process."""

import json
import signal
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.processes import OPENING, charrnn
from support.ranks import needs_mpi, run_ranks, running
from support.readmes import DOCS

pytestmark = needs_mpi
DATA = DOCS.parents[2] / "data"


def error_lines(done: CompletedProcess[str]) -> list[str]:
    """What a command says of itself, without what the launcher adds."""
    return [line for line in done.stderr.splitlines() if line.startswith("charrnn: ")]


def on_both(*line: object, cwd: Path) -> tuple[str, str]:
    """What a command prints in one process and on two ranks."""
    alone = charrnn(*line, "--threads", 1, cwd=cwd)
    over = run_ranks(2, *line, "--threads", 1, "--distributed", cwd=cwd)
    assert (alone.returncode, over.returncode) == (0, 0), over.stderr
    return alone.stdout, over.stdout


def test_two_ranks_print_the_lines_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes((DATA / "names.txt").read_bytes()[-34_000:])  # each rank gets a block of it
    line = ("score", DOCS / "names.safetensors", "--per-line", "--json", "--engine", "numpy", "a.txt")
    alone, over = on_both(*line, cwd=tmp_path)
    assert over == alone
    assert alone.count("\n") > 2500


def test_two_ranks_print_the_labels_of_one_process_up_to_the_same_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(OPENING * 3 + "a\tb\n" + OPENING)
    line = ("classify", DOCS / "classifier.safetensors", "--scores", "a.txt")
    alone, over = charrnn(*line, cwd=tmp_path), run_ranks(2, *line, "--distributed", cwd=tmp_path)
    assert (alone.returncode, over.returncode) == (1, 1)
    assert over.stdout == alone.stdout
    assert alone.stdout.count("\n") == 13
    assert error_lines(over) == error_lines(alone)
    assert error_lines(over)[0].startswith("charrnn: line 13: ")


def test_a_continuous_text_is_read_in_warmed_up_parts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text((DATA / "saltmarrow.txt").read_text(encoding="utf-8")[:20_000], encoding="utf-8")
    line = ("score", DOCS / "tales.safetensors", "--json", "--engine", "numpy", "a.txt")
    alone, over = map(json.loads, on_both(*line, cwd=tmp_path))
    assert alone.keys() == over.keys()
    assert over["chars"] == alone["chars"]
    assert over["bpc"] == pytest.approx(alone["bpc"], abs=1e-6)


def test_a_rank_that_dies_ends_the_job_with_a_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(OPENING * 50_000)
    with running(2, "score", "a.txt", "--threads", 1, "--engine", "numpy", "--distributed", cwd=tmp_path) as job:
        job.wait_for(lambda line: line.startswith("model: "))
        job.processes()[1].send_signal(signal.SIGKILL)
        code, seconds, err = job.end(20)
    assert code
    assert seconds < 10
    assert "charrnn: rank 1 on " in err
    assert err.count("has died: the job ends\n") == 1


def test_a_launcher_that_ends_a_rank_at_once_leaves_it_the_time_for_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(OPENING * 50_000)
    with running(2, "score", "a.txt", "--threads", 1, "--engine", "numpy", "--distributed", cwd=tmp_path) as job:
        job.wait_for(lambda line: line.startswith("model: "))
        leader, follower = job.processes()
        leader.suspend()  # it finds the signal of the launcher and the end of rank 1 at the same time
        follower.kill()
        leader.terminate()
        leader.resume()
        code, _, err = job.end(20)
    assert code
    assert err.count("has died: the job ends\n") == 1


def test_what_is_read_in_one_order_is_refused(tmp_path: Path) -> None:
    done = run_ranks(1, "score", DOCS / "tales.safetensors", "--adapt", "--distributed", cwd=tmp_path)
    hint = "reads the text in its order, so ranks can't share it: leave out --distributed"
    assert error_lines(done) == [f"charrnn: --adapt {hint}"]
