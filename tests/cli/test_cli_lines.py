"""`charrnn train --lines`, and sampling from its models: lines in, lines out, new ones only with --novel."""

import json
import math
import signal
import subprocess
import time
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import charrnn as api
from charrnn.checkpoint import model_file
from charrnn.dataset import files
from support.processes import SMALL, TEXT, charrnn, command, environment, error_line, posix, raw, started, train_model

NAMES = "".join(Path(files.bundled_corpus()).with_name("names.txt").read_text(encoding="utf-8").splitlines(True)[:300])
OVERFITTING = ("--steps", 300, "--lr", 0.01, "--schedule", "constant", "--hidden-size", 32)
"""Options with which a model memorizes a few lines."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of names that has memorized none of them."""
    options = ("--lines", "--eval-every", 50, "--lr", 0.02, "--batch-size", 20)
    return train_model(tmp_path_factory.mktemp("names"), NAMES, *options, steps=150)


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has memorized two names and writes nothing else."""
    return train_model(tmp_path_factory.mktemp("overfitted"), "Ashby\nBlakeney\n", "--lines", *OVERFITTING)


@pytest.fixture(scope="module")
def stream_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of continuous text."""
    return train_model(tmp_path_factory.mktemp("stream"), TEXT, steps=5)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a list of names."""
    (tmp_path / "names.txt").write_text(NAMES, encoding="utf-8", newline="")
    return tmp_path


def train(*args: object, cwd: Path, **options: object) -> CompletedProcess[str]:
    """Runs a small training on lines, which must succeed."""
    steps = () if "--steps" in args or "--epochs" in args else ("--steps", 5)
    done = charrnn("train", "--lines", *SMALL, *steps, *args, cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    return done


def sample(*args: object, cwd: Path, **options: object) -> str:
    """The output of a `charrnn sample`, which must succeed."""
    done = charrnn("sample", *args, cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(written: str) -> list[dict[str, object]]:
    """The JSON objects in an output, one per line."""
    return [json.loads(line) for line in written.splitlines()]


def checkpoints(folder: Path) -> dict[str, bytes]:
    """The contents of all checkpoints below a folder."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}


# Scores


def test_the_score_of_a_text_is_the_mean_of_its_lines_weighted_by_length(model: Path, here: Path) -> None:
    first, second, third = NAMES.splitlines()[:3]
    for text in (f"{first}\n{second}\n{third}\n", f"{second}\r\n\r\n{first}", f"{third}\r{third}\n"):
        (here / "text.txt").write_bytes(text.encode())
        whole, *lines = (
            found
            for option in ((), ("--per-line",))
            for found in objects(charrnn("score", model, "text.txt", "--json", *option, cwd=here).stdout)
        )
        chars = [int(str(line["chars"])) for line in lines]
        nats = [float(str(line["nats_per_char"])) * n for line, n in zip(lines, chars, strict=True)]
        assert whole["chars"] == sum(chars)
        assert whole["nats_per_char"] == pytest.approx(sum(nats) / sum(chars), rel=1e-5)
    (here / "first.txt").write_text(f"{first}\n{second}", encoding="utf-8")  # the next file begins a line all the same
    (here / "last.txt").write_text(f"{third}\n", encoding="utf-8")
    apart, joined = (
        charrnn("score", model, *files, "--threads", 1, cwd=here, input=f"{first}\n{second}\n{third}\n").stdout
        for files in (("first.txt", "last.txt"), ("-",))
    )
    assert apart == joined
    assert apart.startswith("bits per character")


# Training


def test_the_notices_give_the_number_of_lines_and_the_split(here: Path) -> None:
    done = train("names.txt", "--sample-every", 4, cwd=here)
    lines = done.stderr.splitlines()
    assert lines[0] == f"names.txt: 300 lines, {len(NAMES):,} characters, {len(set(NAMES))} distinct"
    assert lines[1] == "trains on 270 of the lines, validates on the other 30, chosen at random"
    assert "5 steps of 8 lines" in done.stderr
    assert lines[-1].endswith("try charrnn sample --count 20")
    sample = lines[lines.index("sample at step 4:") + 1 :]
    assert 1 <= sum(line.startswith("    ") for line in sample) <= 5


def test_the_last_notice_names_a_model_that_sample_would_not_find(here: Path) -> None:
    done = train("names.txt", "--out", "m.safetensors", cwd=here)
    assert done.stderr.splitlines()[-1].endswith("try charrnn sample m.safetensors --count 20")
    assert done.stdout == ""


def test_samples_of_long_lines_are_cut(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("\n".join(letter * 20_000 for letter in "abcd"))
    options = ("--lines", *SMALL, "--batch-size", 4, "--seq-length", 4, "--val-fraction", 0)
    done = charrnn("train", "long.txt", *options, "--steps", 4, "--sample-every", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = [line for line in done.stderr.splitlines() if line.startswith("    ")]
    assert shown
    assert max(map(len, shown)) <= 4 + 200


def test_an_epoch_is_a_pass_over_all_lines(here: Path) -> None:
    result = json.loads(train("names.txt", "--epochs", 2, "--seq-length", 40, "--json", cwd=here).stdout)
    assert result["steps"] == 2 * math.ceil(270 / 8)
    assert result["epochs"] == 2
    saved = api.load(here / result["checkpoint"])
    assert result["val_loss"] == saved.history[-1].val_loss > 0


def test_a_resumed_run_equals_an_uninterrupted_one_byte_for_byte(here: Path) -> None:
    options = ("--dropout", 0.3, "--eval-every", 9)
    train("names.txt", "--steps", 80, *options, "--out", "whole/m.safetensors", cwd=here)
    train("names.txt", "--steps", 30, *options, "--out", "parts/m.safetensors", cwd=here)
    for steps, repeated in ((50, ()), (80, ("--lines",))):
        done = charrnn(
            "train", "--resume", *repeated, "--steps", steps, "--out", "parts/m.safetensors", cwd=here, new=True
        )
        assert done.returncode == 0, done.stderr
    assert checkpoints(here / "parts") == checkpoints(here / "whole")


@posix
@pytest.mark.parametrize("seed", range(2))
def test_an_interrupted_run_is_saved_and_can_be_resumed(seed: int, here: Path) -> None:
    options = ("--steps", 500, "--dropout", 0.3, "--eval-every", 60)
    train("names.txt", *options, "--out", "whole/m.safetensors", cwd=here)
    args: tuple[object, ...] = ("names.txt", "--lines", *SMALL, *options, "--out", "parts/m.safetensors")
    for _ in range(2):
        with started("train", *args, cwd=here) as process:
            notices = b""
            while b"\nstep " not in notices:
                notices += process.stderr.read(1)
            time.sleep(0.02 * seed)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert b"and saved: continue with charrnn train --resume" in notices + err
        args = ("--resume", "--out", "parts/m.safetensors")
    assert charrnn("train", *args, cwd=here).returncode == 0
    assert checkpoints(here / "parts") == checkpoints(here / "whole")


def test_a_resumed_run_can_not_change_its_layout(here: Path) -> None:
    assert charrnn("train", "names.txt", *SMALL, "--steps", 2, cwd=here).returncode == 0
    assert "this run began as continuous text: leave out --lines" in error_line(
        charrnn("train", "--resume", "--lines", "--steps", 4, cwd=here), 2
    )


def test_the_environment_can_set_lines(here: Path) -> None:
    done = charrnn("train", "names.txt", *SMALL, "--steps", 1, cwd=here, env={"CHARRNN_TRAIN_LINES": "1"})
    assert "300 lines" in done.stderr
    done = charrnn("train", "names.txt", *SMALL, "--steps", 1, cwd=here, env={"CHARRNN_TRAIN_LINES": "0"})
    assert "trains on the first" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one line only\n", "has only one line: --lines needs at least two"),
        (b"one line only", "has only one line"),
        (b"\r\n\n\r\n", "has no characters except newlines"),
        (b"", "is empty"),
    ],
)
def test_too_few_lines_are_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_bytes(content)
    for options in ((), ("--steps", 1)):
        line = error_line(charrnn("train", "few.txt", "--lines", *options, cwd=tmp_path), 1)
        assert line.startswith("charrnn: few.txt ")
        assert message in line
    assert checkpoints(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    ["щука\nрак\nлебедь\n", "щука\r\nрак\r\n\r\nлебедь", "щука\rрак\rлебедь\r", "\ufeff\n\nщука\nрак\nлебедь"],
    ids=["final-newline", "crlf", "cr", "bom"],
)
def test_lines_are_the_same_with_every_kind_of_newline(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content.encode())
    train("a.txt", *OVERFITTING, "--out", "m.safetensors", cwd=tmp_path)
    written = sample("m.safetensors", "-c", 30, "--temp", 0.3, "--seed", 1, cwd=tmp_path)
    assert set(raw(written).decode().splitlines()) == {"щука", "рак", "лебедь"}
    saved = api.load(tmp_path / "m.safetensors")
    assert (saved.corpus.training_chars, saved.corpus.training_lines) == (16, 3)
    assert saved.model.line_set.longest == 6


def test_a_model_of_bytes_can_learn_lines(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes("щука\nрак\n".encode() + b"\xff\xfe\n")
    train("a.bin", "--bytes", *OVERFITTING, "--out", "m.safetensors", cwd=tmp_path)
    written = raw(sample("m.safetensors", "-c", 30, "--temp", 0.3, "--seed", 1, cwd=tmp_path))
    assert set(written.split(b"\n")) == {"щука".encode(), "рак".encode(), b"\xff\xfe", b""}
    line = error_line(charrnn("sample", "m.safetensors", "--novel", "--temp", 0, "--seed", 1, cwd=tmp_path), 1)
    assert "the model writes no more new lines" in line


# Sampling


@pytest.mark.parametrize("count", [1, 20, 70])
def test_count_sets_the_number_of_lines(count: int, model: Path, tmp_path: Path) -> None:
    written = sample(model, "-c", count, "--seed", 1, cwd=tmp_path)
    assert written.count("\n") == count
    assert written.endswith("\n")
    lines = written.splitlines()
    assert len(set(lines)) > count / 2
    assert max(map(len, lines)) <= 2 * max(map(len, NAMES.splitlines()))


def test_a_line_ends_even_if_allow_does_not_list_the_newline(model: Path, tmp_path: Path) -> None:
    lines = sample(model, "-c", 20, "--seed", 1, "--allow", "A-Za-z", cwd=tmp_path).splitlines()
    assert len(lines) == 20
    assert all(line.isalpha() for line in lines if line)
    assert max(map(len, lines)) < 2 * max(map(len, NAMES.splitlines()))


def test_the_lines_are_those_of_the_library(model: Path, tmp_path: Path) -> None:
    written = sample(model, "-c", 20, "--seed", 3, "--temp", 0.7, "--engine", "numpy", cwd=tmp_path)
    drawn = api.sample_lines(api.load(model).model, count=20, seed=3, config=api.SamplingConfig(temp=0.7))
    assert written.splitlines() == [line.text for line in drawn]


def test_every_line_begins_with_the_prime(model: Path, tmp_path: Path) -> None:
    lines = sample(model, "-c", 20, "--seed", 1, "--prime", "Ab", cwd=tmp_path).splitlines()
    assert len(lines) == 20
    assert all(line.startswith("Ab") for line in lines)
    piped = sample(model, "-c", 20, "--seed", 1, "--prime", "-", cwd=tmp_path, input="Ab\n")
    assert piped.splitlines() == lines


def test_no_novel_line_is_in_the_training_text(model: Path, tmp_path: Path) -> None:
    known = set(NAMES.splitlines())
    options = ("-c", 60, "--seed", 1, "--temp", 0.4, "--prime", "Ab")
    plain, novel = (sample(model, *options, *more, cwd=tmp_path).splitlines() for more in ((), ("--novel",)))
    assert known & set(plain), "otherwise the test would show nothing"
    assert not known & set(novel)
    assert len(novel) == 60
    wanted = [line for line in plain if line not in known]
    assert novel[: len(wanted)] == wanted


def test_unique_lines_occur_once(model: Path, tmp_path: Path) -> None:
    options = ("-c", 60, "--seed", 1, "--temp", 0.4, "--prime", "Ab")
    plain, unique = (sample(model, *options, *more, cwd=tmp_path).splitlines() for more in ((), ("--unique",)))
    assert len(set(plain)) < 60, "otherwise the test would show nothing"
    assert len(set(unique)) == len(unique) == 60
    wanted = list(dict.fromkeys(plain))
    assert unique[: len(wanted)] == wanted


def test_json_gives_the_seed_that_draws_each_line_again(model: Path, tmp_path: Path) -> None:
    options = ("--novel", "--unique", "--temp", 0.5, "--json", "--prime", "A", "--engine", "numpy")
    drawn = objects(sample(model, "-c", 12, "--seed", 1, *options, cwd=tmp_path))
    assert len(drawn) == 12
    for line in drawn[::4]:
        (again,) = objects(sample(model, "--seed", line["seed"], *options, cwd=tmp_path))
        assert (again["text"], again["prime"]) == (line["text"], "A")
        assert again["logprob"] == pytest.approx(line["logprob"], rel=1e-4)
    both, alone = (api.score(api.load(model).model, text) for text in (f"A{drawn[0]['text']}\n", "A"))
    assert drawn[0]["logprob"] == pytest.approx(alone.nats - both.nats, rel=1e-4)
    assert "\n" not in "".join(line["text"] for line in drawn)


def test_a_model_without_more_new_lines_is_an_error_after_those_it_has(overfitted: Path, tmp_path: Path) -> None:
    options = ("-c", 3, "--seed", 1, "--temp", 0.2, "--engine", "numpy")
    assert set(sample(overfitted, *options, cwd=tmp_path).splitlines()) <= {"Ashby", "Blakeney"}
    line = error_line(charrnn("sample", overfitted, *options, "--novel", cwd=tmp_path), 1)
    assert "no more new lines: each of the last 1,000 is in the training text; raise --temp, or ask for fewer" in line
    done = charrnn("sample", overfitted, *options, "--unique", cwd=tmp_path)
    assert (done.returncode, sorted(done.stdout.splitlines())) == (1, ["Ashby", "Blakeney"])
    assert "was drawn before" in done.stderr


@posix
def test_lines_are_written_as_they_are_drawn(model: Path, tmp_path: Path) -> None:
    line = (
        " ".join(command("sample", model, "-c", 10**9, "--unique", "--temp", 2, "--engine", "numpy")) + " | head -n 50"
    )
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, timeout=60)
    assert done.returncode == 0
    assert len(set(done.stdout.splitlines())) == 50
    assert [notice.split()[0] for notice in done.stderr.splitlines()] == [b"seed:"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("-n -1", "--length -1 is for continuous text, and this model writes lines, which end: give a --count"),
        ("-n -2 --novel", "--length can't be -2"),
        ("--seed -1", "seed must be"),
        ("--count 0", "count must be"),
        ("--state-out a.state", "continuous text"),
    ],
)
def test_wrong_usage_prints_one_line(args: str, message: str, model: Path, tmp_path: Path) -> None:
    options = args.split() if "--seed" in args else [*args.split(), "--seed", "1"]
    assert message in error_line(charrnn("sample", model, *options, cwd=tmp_path), 2)


def test_a_prime_of_several_lines_is_an_error(model: Path, tmp_path: Path) -> None:
    line = error_line(charrnn("sample", model, "--seed", 1, "--prime", "-", cwd=tmp_path, input="Ab\nAc\n"), 2)
    assert "several" in line
    assert "U+0416" in error_line(charrnn("sample", model, "--seed", 1, "--prime", "Ж", cwd=tmp_path), 1)


@pytest.mark.parametrize("option", ["--novel", "--unique"])
def test_novel_and_unique_need_a_model_of_lines(option: str, stream_model: Path, tmp_path: Path) -> None:
    line = error_line(charrnn("sample", stream_model, "--seed", 1, option, cwd=tmp_path), 2)
    assert "--lines" in line


# Files


def test_inspect_shows_the_lines_of_the_training_text(model: Path, stream_model: Path, tmp_path: Path) -> None:
    shown = charrnn("inspect", model, cwd=tmp_path).stdout
    longest = max(map(len, NAMES.splitlines()))
    assert f"300 different lines, the longest of {longest} characters" in " ".join(shown.split())
    assert "split 270 lines of " in " ".join(shown.split())
    data = json.loads(charrnn("inspect", model, "--json", cwd=tmp_path).stdout)
    assert data["line_set"] == {"longest": longest, "lines": 300}
    assert data["layout"] == data["training"]["layout"] == "lines"
    assert (data["corpus"]["training_lines"], data["corpus"]["validation_lines"]) == (270, 30)
    assert json.loads(charrnn("inspect", stream_model, "--json", cwd=tmp_path).stdout)["line_set"] is None


def test_the_digests_take_four_bytes_per_line(model: Path) -> None:
    saved = api.load(model)
    with_lines = model.stat().st_size
    model_file.save(model.with_name("without.safetensors"), api.Checkpoint(saved.model))
    object.__setattr__(saved.model, "line_set", None)
    model_file.save(model.with_name("less.safetensors"), api.Checkpoint(saved.model))
    less, without = (model.with_name(f"{name}.safetensors").stat().st_size for name in ("less", "without"))
    assert 1500 < without - less < 1800 < with_lines  # 300 lines, in base64
