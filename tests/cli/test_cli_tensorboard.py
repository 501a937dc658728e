"""`charrnn train --tensorboard`: a real run writes its curves and samples, and says in one line what it can't do."""

import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from charrnn.cli import program
from charrnn.cli.train.files import resume_command
from charrnn.errors import CharRNNError
from charrnn.training import autoconfig
from support.events import seen, without_speed
from support.processes import SMALL, TEXT, after_script, charrnn, error_line, posix, unprivileged

pytest.importorskip("tensorboardX")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus."""
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8", newline="")
    return tmp_path


def train(*args: object, cwd: Path) -> CompletedProcess[str]:
    done = charrnn("train", "corpus.txt", *SMALL, "--out", "m.safetensors", *args, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def test_the_curves_and_the_samples_are_those_that_stderr_shows(here: Path) -> None:
    done = train("--steps", 6, "--eval-every", 3, "--sample-every", 3, "--tensorboard", "runs/a", cwd=here)
    shown = seen(here / "runs" / "a")
    losses = [f"{each.value:.3f}" for each in shown if each.tag == "loss/validation"]
    assert losses == re.findall(r"validation loss ([\d.]+) \(", done.stderr)[:2]
    samples = {each.step: str(each.value) for each in shown if each.tag == "sample"}
    assert samples.keys() == {3, 6}
    for step, text in samples.items():
        assert f"sample at step {step}:\n" + text.splitlines()[0] in done.stderr


def test_the_model_is_the_same_and_quiet_runs_have_samples_too(here: Path) -> None:
    train("--steps", 6, "--quiet", cwd=here)
    expected = (here / "m.safetensors").read_bytes()
    options = ("--steps", 6, "--quiet", "--sample-every", 2, "--force")
    done = train(*options, "--tensorboard", "runs", cwd=here)
    assert (done.stdout, done.stderr) == ("", "")
    assert (here / "m.safetensors").read_bytes() == expected
    assert [each.step for each in seen(here / "runs") if each.tag == "sample"] == [2, 4, 6]


def test_a_resumed_run_goes_on_in_its_folder(here: Path) -> None:
    train("--steps", 6, "--eval-every", 3, "--tensorboard", "runs/two", cwd=here)
    done = charrnn("train", "--resume", "--out", "m.safetensors", "--steps", 9, "--tensorboard", "runs/two", cwd=here)
    assert done.returncode == 0, done.stderr
    train("--steps", 9, "--eval-every", 3, "--tensorboard", "runs/one", "--force", cwd=here)
    assert without_speed(seen(here / "runs" / "two")) == without_speed(seen(here / "runs" / "one"))
    again = charrnn("train", "corpus.txt", *SMALL, "--steps", 3, "--tensorboard", "runs/two", cwd=here)
    assert "runs/two has the events of a run: overwrite them with --force" in error_line(again, 1)
    assert not (here / "checkpoints").exists(), "no run has begun"


def test_an_interrupted_run_says_how_its_curves_go_on() -> None:
    command = resume_command(None, Path("m.safetensors"), Path("log"), Path("my runs"))
    assert command == "charrnn train --resume --out m.safetensors --log log --tensorboard 'my runs'"


@pytest.mark.parametrize(
    ("folder", "code", "message"),
    [
        ("corpus.txt", 1, "can't write corpus.txt: corpus.txt is not a folder"),
        ("corpus.txt/runs", 1, "corpus.txt is not a folder"),
        ("run.log", 2, "run.log can't be the folder of events too"),
        ("texts/runs", 2, "texts/runs would be read as part of the text in texts"),
    ],
)
def test_a_folder_that_can_not_be_is_one_line_before_anything_is_read(
    folder: str, code: int, message: str, here: Path
) -> None:
    (here / "texts").mkdir()
    (here / "texts" / "broken.txt").write_bytes(b"\xff\xfe\xff")
    text = "texts" if folder.startswith("texts") else "no-such-text.txt"
    done = charrnn("train", text, "--tensorboard", folder, "--log", "run.log", cwd=here)
    assert message in error_line(done, code)
    assert not [*here.rglob("*.safetensors"), *here.rglob("*tfevents*")]


@posix
def test_a_folder_without_permission_is_one_line(here: Path) -> None:
    (here / "closed").mkdir(mode=0o555)
    options = ("no-such-text.txt", "--tensorboard", "closed/runs")
    done = charrnn("train", *options, cwd=here, command=unprivileged)
    assert "can't write closed/runs: no permission to write in" in error_line(done, 1)


@posix
def test_a_full_disk_ends_the_events_but_not_the_run(here: Path) -> None:
    small = ("--hidden-size", 4, "--layers", 1, "--batch-size", 4, "--seq-length", 8, "--engine", "numpy", "--seed", 1)
    options = (*small, "--steps", 1000, "--sample-every", 0, "--tensorboard", "runs", "--out", "m.safetensors")
    done = charrnn("train", "corpus.txt", *options, cwd=here, command=after_script("ulimit -f 64"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("can't write the events for TensorBoard any more") == 1
    assert "training continues without them" in done.stderr
    assert (here / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "draws"),
    [
        ((), True),
        (("--quiet",), False),
        (("--quiet", "--tensorboard", "runs"), True),
        (("--quiet", "--tensorboard", "runs", "--sample-every", "0"), False),
        (("--sample-every", "0"), False),
        (("--quiet", "--sample-every", "5"), False),
    ],
)
def test_the_time_to_compile_is_with_the_samples_that_are_drawn(
    options: tuple[str, ...], draws: bool, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(options: object, model: object, seconds: float, samples: bool) -> str:
        raise CharRNNError(f"with samples: {samples}")

    monkeypatch.setattr(autoconfig, "choose_precision", choose)
    monkeypatch.chdir(here)
    with pytest.raises(CharRNNError, match=f"with samples: {draws}"):
        program().main(["train", "corpus.txt", "--time", "60", *options], standalone_mode=False, prog_name="charrnn")
