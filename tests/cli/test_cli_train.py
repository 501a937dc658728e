"""`charrnn train` as a process: its streams, files, errors and exit codes, resumed and interrupted runs."""

import importlib.util
import json
import math
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from safetensors.numpy import load_file

import charrnn as api
from charrnn.checkpoint import training_file
from charrnn.engine.precision import problem_with_bfloat16
from charrnn.scoring.windows import score_windows
from support.cells import CELLS, cell_options
from support.processes import SMALL, TEXT, charrnn, command, environment, error_line, posix, raw, read_until, started

RESULTS = {
    "checkpoint",
    "steps",
    "epochs",
    "seconds",
    "chars_per_second",
    "train_loss",
    "val_loss",
    "val_bpc",
    "val_loss_windows",
    "parameters",
    "engine",
    "precision",
    "threads",
    "seed",
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus."""
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8", newline="")
    return tmp_path


def train(*args: object, cwd: Path, **options: object) -> CompletedProcess[str]:
    """Runs a small training of few steps, which must succeed."""
    done = charrnn("train", *args, *SMALL, *(() if "--steps" in args else ("--steps", 5)), cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def checkpoints(folder: Path) -> dict[str, bytes]:
    """The contents of all checkpoints below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def weights(path: Path) -> dict[str, bytes]:
    return {name: p.tobytes() for name, p in api.load(path).model.params.items()}


# Streams and results


def test_notices_go_to_stderr_and_nothing_to_stdout(here: Path) -> None:
    done = train("corpus.txt", cwd=here)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == f"corpus.txt: {len(TEXT):,} characters, {len(set(TEXT))} distinct"
    held_out = len(TEXT) // 10
    assert lines[1] == f"trains on the first {len(TEXT) - held_out:,}, validates on the last {held_out:,}"
    assert "seed 1" in done.stderr
    assert "checkpoints/corpus.safetensors" in lines[-1].replace(os.sep, "/")
    assert "\r" not in done.stderr.replace("\r\n", "\n"), "there is no bar without a terminal"
    assert "\x1b" not in done.stderr


def test_quiet_prints_nothing(here: Path) -> None:
    done = train("corpus.txt", "--quiet", "--sample-every", 2, cwd=here)
    assert (done.stdout, done.stderr) == ("", "")
    assert (here / "checkpoints" / "corpus.safetensors").exists()


def test_quiet_with_json_prints_only_the_json(here: Path) -> None:
    done = train("corpus.txt", "--quiet", "--json", cwd=here)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert json.loads(done.stdout)["steps"] == 5


def test_the_json_agrees_with_the_checkpoint(here: Path) -> None:
    done = train("corpus.txt", "--json", "--steps", 30, "--eval-every", 10, "--out", "m.safetensors", cwd=here)
    result = json.loads(done.stdout)
    assert set(result) >= RESULTS
    saved = api.load(here / result["checkpoint"])
    row = min(saved.history, key=lambda row: row.val_loss)
    assert [result[name] for name in ("checkpoint", "steps", "seed", "engine")] == ["m.safetensors", 30, 1, "numpy"]
    assert result["parameters"] == saved.model.n_params == sum(p.size for p in saved.model.params.values())
    assert (result["train_loss"], result["val_loss"]) == (row.train_loss, row.val_loss)
    assert result["val_bpc"] == pytest.approx(row.val_loss / math.log(2))
    assert saved.step == row.step
    score = api.score(saved.model, TEXT[-saved.corpus.validation_chars :])
    assert score.nats_per_char == pytest.approx(result["val_loss"], rel=1e-6)
    assert result["threads"] >= 1
    assert result["epochs"] == pytest.approx(30 * 8 * 16 / saved.corpus.training_chars, rel=0.1)
    assert result["seconds"] > 0
    assert result["chars_per_second"] > 0


def test_the_validation_loss_is_told_of_windows_too(here: Path) -> None:
    (here / "long.txt").write_text(TEXT * 20)
    done = train("long.txt", "--json", "--steps", 3, "--out", "long.safetensors", cwd=here)
    saved, found = api.load(here / "long.safetensors"), json.loads(done.stdout)["val_loss_windows"]
    held_out = (TEXT * 20)[-saved.corpus.validation_chars :][: saved.corpus.validation_chars // 256 * 256]
    assert found == pytest.approx(score_windows(saved.model, held_out).nats_per_char, rel=0.01)  # begins with a newline
    assert f"as transformers read, it is {found:.3f}" in done.stderr
    assert json.loads(train("corpus.txt", "--json", "--force", cwd=here).stdout)["val_loss_windows"] is None


def test_without_validation_the_json_has_nulls(here: Path) -> None:
    result = json.loads(train("corpus.txt", "--json", "--val-fraction", 0, cwd=here).stdout)
    assert (result["val_loss"], result["val_bpc"], result["val_loss_windows"]) == (None, None, None)
    assert 0 < result["train_loss"] < 10


def test_a_random_seed_is_printed(here: Path) -> None:
    options = ("--hidden-size", 4, "--layers", 1, "--engine", "numpy", "--steps", 1, "--json")
    done = [charrnn("train", "corpus.txt", *options, cwd=here) for _ in range(2)]
    seeds = [json.loads(run.stdout)["seed"] for run in done]
    assert seeds[0] != seeds[1]
    assert all(f"seed {seed}" in run.stderr for seed, run in zip(seeds, done, strict=True))


def test_samples_during_training_go_to_stderr(here: Path) -> None:
    done = train("corpus.txt", "--sample-every", 2, "--steps", 5, cwd=here)
    lines = done.stderr.splitlines()
    marked = [n for n, line in enumerate(lines) if line.startswith("sample at step ")]
    assert [lines[n] for n in marked] == ["sample at step 2:", "sample at step 4:"]
    assert all(lines[n + 1].startswith("    ") for n in marked)
    assert done.stdout == ""


def test_samples_during_training_work_with_the_largest_seed(here: Path) -> None:
    done = train("corpus.txt", "--sample-every", 2, "--steps", 5, "--seed", 2**63 - 1, cwd=here)
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("    ") for line in done.stderr.splitlines()) >= 2


def test_the_model_of_a_corpus_with_a_long_name_has_a_shorter_name(tmp_path: Path) -> None:
    (tmp_path / f"{'ж' * 115}.txt").write_text(TEXT)
    done = train(f"{'ж' * 115}.txt", "--steps", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / f"{'ж' * 75}.safetensors").exists()


@pytest.mark.parametrize("name", ["book.resume!.txt", f"{'a' * 143}.resumed.txt", "-.resume.-.txt"])
def test_no_model_gets_the_name_of_a_training_state(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(TEXT)
    done = train(f"./{name}", "--steps", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert charrnn("sample", "-n", 5, "--seed", 1, cwd=tmp_path).returncode == 0


@posix
def test_a_terminal_shows_a_progress_bar_on_stderr(here: Path) -> None:
    import pty
    import termios

    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    args = command("train", "corpus.txt", *SMALL, "--steps", 30)
    done = subprocess.run(args, cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(reader, 1 << 16):
            shown += part
    except OSError:  # on Linux this is the end of a terminal that no process has open
        pass
    os.close(reader)
    assert done.stdout == b""
    assert b"100%" in shown
    assert b"step 30/30" in shown


# The log


def test_the_log_is_json_lines_and_a_resumed_run_appends_to_it(here: Path) -> None:
    log = here / "log.jsonl"
    options = ("--log", "log.jsonl", "--eval-every", 4)
    train("corpus.txt", "--steps", 10, *options, cwd=here)
    first = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line for line in first if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 11))
    assert all(line.keys() >= {"step", "epoch", "loss", "lr", "grad_norm", "seconds"} for line in steps)
    rows = [line for line in first if "val_loss" in line]
    assert [line["step"] for line in rows] == [4, 8, 10]
    history = api.load(here / "checkpoints" / "corpus.safetensors").history
    assert [line["val_loss"] for line in rows] == [row.val_loss for row in history]

    done = charrnn("train", "--resume", "--steps", 12, "--log", "log.jsonl", cwd=here)
    assert done.returncode == 0, done.stderr
    both = [json.loads(line) for line in log.read_text().splitlines()]
    assert both[: len(first)] == first
    assert [line["step"] for line in both[len(first) :]] == [11, 12, 12]


def test_an_existing_log_is_an_error_without_force(here: Path) -> None:
    log = here / "log.jsonl"
    log.write_text("precious\n")
    assert "log.jsonl exists" in error_line(
        charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--log", "log.jsonl", cwd=here), 1
    )
    assert log.read_text() == "precious\n"
    assert checkpoints(here) == {}, "no run has begun"
    train("corpus.txt", "--log", "log.jsonl", "--force", cwd=here)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2, 3, 4, 5, 5]


def test_the_folder_of_the_log_is_created(here: Path) -> None:
    train("corpus.txt", "--log", "new/folder/log.jsonl", cwd=here)
    lines = (here / "new" / "folder" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 5]


# The path of the model


def test_the_default_file_has_the_name_of_the_corpus_and_is_never_overwritten(here: Path) -> None:
    folder = here / "checkpoints"
    train("corpus.txt", cwd=here)
    first = checkpoints(folder)
    assert set(first) == {"corpus.safetensors", "corpus.resume.safetensors"}
    train("corpus.txt", cwd=here)
    train("corpus.txt", cwd=here)
    assert set(checkpoints(folder)) == set(first) | {
        f"corpus-{n}{suffix}.safetensors" for n in (2, 3) for suffix in ("", ".resume")
    }
    assert checkpoints(folder).items() >= first.items()


def test_unusual_characters_in_the_name_of_the_corpus_are_replaced(here: Path) -> None:
    (here / "corpus.txt").rename(here / "[bold] a b;c.txt")
    train("[bold] a b;c.txt", cwd=here)
    assert "bold-a-b-c.safetensors" in checkpoints(here / "checkpoints")


@pytest.mark.parametrize("existing", ["m.safetensors", "m.resume.safetensors"])
def test_existing_files_are_not_overwritten_without_force(existing: str, here: Path) -> None:
    (here / existing).write_bytes(b"precious")
    options = ("corpus.txt", *SMALL, "--steps", 2, "--out", "m.safetensors")
    line = error_line(charrnn("train", *options, cwd=here), 1)
    assert existing in line
    assert "--force" in line
    assert checkpoints(here) == {existing: b"precious"}
    train("corpus.txt", "--out", "m.safetensors", "--force", cwd=here)
    assert checkpoints(here)[existing] != b"precious"
    assert api.load(here / "m.safetensors").step == 5


def test_out_can_not_be_a_folder(here: Path) -> None:
    (here / "models.safetensors").mkdir()
    for folder in (".", "models.safetensors"):
        assert "is a folder" in error_line(charrnn("train", "corpus.txt", "--out", folder, cwd=here), 1, 2)


def test_the_folder_of_the_model_is_created(here: Path) -> None:
    train("corpus.txt", "--out", "a/b/m.safetensors", cwd=here)
    assert api.load(here / "a" / "b" / "m.safetensors").step == 5


@pytest.mark.parametrize("name", ["model", "model.bin", "model.resume.safetensors"])
def test_out_must_have_the_suffix_of_a_model(name: str, here: Path) -> None:
    line = error_line(charrnn("train", "corpus.txt", "--out", name, cwd=here), 2)
    assert ".safetensors" in line
    assert checkpoints(here) == {}


def test_a_run_leaves_no_temporary_files(here: Path) -> None:
    train("corpus.txt", "--eval-every", 1, cwd=here)
    assert {path.name for path in (here / "checkpoints").iterdir() if path.suffix != ".lock"} == {
        "corpus.safetensors",
        "corpus.resume.safetensors",
    }


# Errors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a", "only one character"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xef\xbb\xbfa", "only one character"),
        (b"abc\xff\xfe" * 20, "not utf-8 at byte 3"),
        (b"abc\xd0", "not utf-8 at byte 3"),
    ],
)
def test_a_text_that_is_too_short_or_not_utf8_is_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(content)
    line = error_line(charrnn("train", "bad.txt", "--steps", 1, cwd=tmp_path), 1)
    assert "bad.txt" in line
    assert message in line
    assert checkpoints(tmp_path) == {}


@pytest.mark.parametrize("option", [["--errors", "replace"], ["--errors", "surrogateescape"], ["--bytes"]])
def test_invalid_utf8_can_be_trained_on_with_an_option(option: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"abc\xff\xfe" * 20)
    train("bad.txt", "--out", "m.safetensors", *option, cwd=tmp_path)
    vocabulary = api.load(tmp_path / "m.safetensors").model.vocabulary
    assert vocabulary.is_bytes == (option == ["--bytes"])
    assert option != ["--errors", "replace"] or vocabulary.characters == ("a", "b", "c", "\ufffd")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ("missing.txt", 1, "can't read missing.txt"),
        ("void", 1, "the folder void holds no files"),
        ("corpus.txt --encoding klingon", 1, "no text encoding 'klingon'"),
        ("corpus.txt --encoding hex", 1, "no text encoding 'hex'"),
        ("corpus.txt --encoding rot13", 1, "no text encoding 'rot13'"),
        ("corpus.txt --encoding undefined", 1, "no text encoding 'undefined'"),
        ("corpus.txt --encoding utf-16", 1, "corpus.txt is not utf-16"),
        ("corpus.txt --errors shout", 2, "errors can't be 'shout'"),
        ("corpus.txt --lr -1", 2, "lr must be"),
        ("corpus.txt --lr nan", 2, "lr must be"),
        ("corpus.txt --lr inf", 2, "lr must be"),
        ("corpus.txt --lr fast", 2, "--lr"),
        ("corpus.txt --dropout 1", 2, "dropout must be"),
        ("corpus.txt --steps -1", 2, "steps must be"),
        ("corpus.txt --steps 1.5", 2, "--steps"),
        (f"corpus.txt --steps 1{'0' * 400}", 2, "steps must be"),
        ("corpus.txt --epochs -1", 2, "epochs must be"),
        ("corpus.txt --steps", 2, "--steps"),
        ("corpus.txt --steps 5 --epochs 5", 2, "--steps and --epochs"),
        ("corpus.txt --hidden-size 0", 2, "--hidden-size must be"),
        ("corpus.txt --layers 0", 2, "layers must be"),
        ("corpus.txt --batch-size 0", 2, "--batch-size must be"),
        ("corpus.txt --seq-length 0", 2, "--seq-length must be"),
        ("corpus.txt --val-fraction 1", 2, "--val-fraction must be"),
        ("corpus.txt --clip nan", 2, "clip must be"),
        ("corpus.txt --clip inf", 2, "clip must be"),
        ("corpus.txt --threads 0", 2, "threads must be"),
        ("corpus.txt --seed -1", 2, "seed must be"),
        ("corpus.txt --sample-every -1", 2, "--sample-every must be"),
        ("corpus.txt --cell foo", 2, "cell can't be 'foo': choose one of lstm, gru, rnn"),
        ("corpus.txt --cell rnn --nonlinearity foo", 2, "nonlinearity can't be 'foo': choose one of tanh, relu"),
        ("corpus.txt --cell gru --nonlinearity relu", 2, "--nonlinearity relu is only for --cell rnn, not gru"),
        ("nowhere.txt --lm-weight 0.5", 2, "--lm-weight is only for texts with labels or tags"),
        ("nowhere.txt --classify --lm-weight -1", 2, "--lm-weight must be from 0 to 1000, not -1"),
        ("nowhere.txt --nonlinearity relu", 2, "--nonlinearity relu is only for --cell rnn, not lstm"),
        ("corpus.txt --optimizer foo", 2, "optimizer can't be 'foo'"),
        ("corpus.txt --schedule foo", 2, "schedule can't be 'foo'"),
        ("corpus.txt --engine foo", 2, "--engine can't be 'foo'"),
        ("corpus.txt --init-from missing.safetensors", 1, "missing.safetensors"),
        ("corpus.txt --init-from corpus.txt", 1, "corpus.txt is not a checkpoint"),
        ("corpus.txt --log corpus.txt/log.jsonl", 1, "can't write"),
        ("corpus.txt --out corpus.txt/m.safetensors --quiet", 1, "can't write"),
        ("--resume", 1, "charrnn train"),
        ("--resume --out m.safetensors", 1, "no training to resume"),
        ("--resume --force", 2, "--resume"),
        ("--resume --init-from m.safetensors", 2, "--resume"),
        ("corpus.txt --hiden-size 3", 2, "--hidden-size"),
        ("corpus.txt --frobnicate", 2, "--frobnicate"),
    ],
)
def test_an_error_prints_one_line_and_writes_no_file(args: str, code: int, message: str, here: Path) -> None:
    (here / "void").mkdir()
    done = charrnn(
        "train", *args.split(), cwd=here, env={"CHARRNN_TRAIN_ENGINE": "numpy", "CHARRNN_TRAIN_HIDDEN_SIZE": "16"}
    )
    assert message in error_line(done, code)
    assert checkpoints(here) == {}, "nothing was written"


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs /dev/null")
def test_dev_null_is_an_empty_corpus(tmp_path: Path) -> None:
    assert "null is empty" in error_line(charrnn("train", "/dev/null", cwd=tmp_path), 1)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and a run of five steps. Do not change it."""
    folder = tmp_path_factory.mktemp("short-run")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8", newline="")
    train("corpus.txt", cwd=folder)
    return folder


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ("--hidden-size 32", 2, "--hidden-size is 16"),
        ("--cell gru", 2, "cell is lstm"),
        ("--nonlinearity relu", 2, "nonlinearity is tanh"),
        ("--layers 2", 2, "layers is 1"),
        ("--seed 2", 2, "seed is 1"),
        ("--batch-size 4", 2, "--batch-size is 8"),
        ("--seq-length 4", 2, "--seq-length is 16"),
        ("--optimizer sgd", 2, "optimizer is adam"),
        ("--val-fraction 0.2", 2, "--val-fraction is 0.1"),
        ("--bytes", 2, "--bytes"),
        ("--encoding latin-1", 2, "--encoding"),
        ("--errors replace", 2, "--errors"),
        ("--steps 9 --epochs 9", 2, "--steps and --epochs"),
        ("--out other.safetensors", 1, "other.resume.safetensors is missing"),
    ],
)
def test_a_resumed_run_can_not_change_some_options(args: str, code: int, message: str, short_run: Path) -> None:
    before = checkpoints(short_run)
    assert message in error_line(charrnn("train", "--resume", *args.split(), cwd=short_run), code)
    assert checkpoints(short_run) == before


def test_a_run_can_not_resume_on_a_changed_corpus(here: Path) -> None:
    train("corpus.txt", cwd=here)
    before = checkpoints(here)
    with (here / "corpus.txt").open("a") as corpus:
        corpus.write("more")
    assert "corpus.txt is not the one" in error_line(charrnn("train", "--resume", cwd=here), 1)
    (here / "corpus.txt").unlink()
    assert "can't read" in error_line(charrnn("train", "--resume", cwd=here), 1)
    assert checkpoints(here) == before


# Kinds of texts


@pytest.mark.parametrize(
    ("content", "characters"),
    [
        ("one\r\ntwo\r\n" * 30, "\nenotw"),
        ("one\rtwo\r" * 30, "\nenotw"),
        ("щука и рак\n" * 30, "\n акрущи"),
        ("👩\u200d👩\u200d👧 and 🇪🇺 e\u0301\n" * 30, "\n adne\u0301\u200d🇪🇺👧👩"),
        ("nul\0nul\n" * 30, "\0\nlnu"),
        ("\ufeffmark\n" * 30, "\nakmr\ufeff"),
    ],
    ids=["crlf", "cr", "cyrillic", "emoji", "nul", "bom"],
)
def test_any_text_can_be_trained_on_and_sampled(content: str, characters: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(content.encode())
    done = train("text.txt", "--steps", 5, "--sample-every", 5, cwd=tmp_path)
    assert "\0" not in done.stderr
    known = api.load(tmp_path / "checkpoints" / "text.safetensors").model.vocabulary.characters
    assert known == tuple(sorted(characters))
    sampled = charrnn("sample", "-n", 200, "--seed", 1, cwd=tmp_path)
    assert sampled.returncode == 0
    written = raw(sampled.stdout).decode()
    assert len(written) == 200
    assert set(written) <= set(characters)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1251"])
def test_the_encoding_of_a_text_does_not_change_the_model(encoding: str, tmp_path: Path) -> None:
    text = "щука и рак\n" * 30
    (tmp_path / "a.txt").write_bytes(text.encode())
    (tmp_path / "b.txt").write_bytes(text.encode(encoding))
    train("a.txt", cwd=tmp_path)
    train("b.txt", "--encoding", encoding, cwd=tmp_path)
    assert weights(tmp_path / "checkpoints" / "a.safetensors") == weights(tmp_path / "checkpoints" / "b.safetensors")


def test_a_folder_is_read_as_all_its_files_in_order_with_a_newline_where_one_is_missing(here: Path) -> None:
    folder = here / "texts"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").write_bytes(b"\xff\xfe")
    lines = TEXT.splitlines(keepends=True)
    for name, part in (("b", lines[4:9]), ("a", lines[:4]), ("sub/c", lines[9:])):
        part = "".join(part).removesuffix("\n") if name == "a" else "".join(part)
        (folder / name).write_text(part, encoding="utf-8", newline="")
    train("texts", cwd=here)
    train("corpus.txt", cwd=here)
    assert weights(here / "checkpoints" / "texts.safetensors") == weights(here / "checkpoints" / "corpus.safetensors")


def test_several_files_are_joined_like_with_cat_if_they_end_with_newlines(here: Path) -> None:
    lines = TEXT.splitlines(keepends=True)
    parts = ["".join(lines[:7]), "".join(lines[7:])]
    for name, part in zip("ab", parts, strict=True):
        (here / name).write_text(part, encoding="utf-8", newline="")
    train("a", "b", cwd=here)
    train("-", input="".join(parts), cwd=here)
    train("a", "-", "--out", "mixed.safetensors", input=parts[1], cwd=here)
    assert weights(here / "checkpoints" / "a.safetensors") == weights(here / "checkpoints" / "stdin.safetensors")
    assert weights(here / "checkpoints" / "a.safetensors") == weights(here / "mixed.safetensors")


def test_the_bundled_corpus_is_the_default(tmp_path: Path) -> None:
    done = train("--steps", 1, cwd=tmp_path)
    assert done.stderr.startswith("saltmarrow.txt: ")
    assert "saltmarrow.safetensors" in checkpoints(tmp_path / "checkpoints")


# Resuming


def test_a_resumed_run_equals_an_uninterrupted_one_byte_for_byte(here: Path) -> None:
    options = ("--dropout", 0.3, "--eval-every", 4)
    train("corpus.txt", "--steps", 25, *options, "--out", "whole/m.safetensors", cwd=here)
    train("corpus.txt", "--steps", 7, *options, "--out", "parts/m.safetensors", cwd=here)
    for steps in (14, 25):
        done = charrnn("train", "--resume", "--steps", steps, "--out", "parts/m.safetensors", cwd=here, new=True)
        assert done.returncode == 0, done.stderr
        assert "continues at step" in done.stderr
    assert checkpoints(here / "parts") == checkpoints(here / "whole")


def test_a_run_can_be_resumed_from_another_folder(here: Path) -> None:
    train("corpus.txt", cwd=here)
    (here / "elsewhere").mkdir()
    out = Path("..") / "checkpoints" / "corpus.safetensors"
    done = charrnn("train", "--resume", "--steps", 7, "--json", "--out", out, cwd=here / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 7
    assert api.load(here / "checkpoints" / "corpus.safetensors").training.steps == 7


def test_the_latest_run_is_resumed_by_default(here: Path) -> None:
    for name in ("a", "b", "c"):
        train("corpus.txt", "--out", f"checkpoints/{name}.safetensors", cwd=here)
    now = time.time()
    for age, name in enumerate(("b", "c", "a")):
        os.utime(here / "checkpoints" / f"{name}.resume.safetensors", (now - age, now - age))
    done = charrnn("train", "--resume", "--steps", 6, "--json", cwd=here)
    assert Path(json.loads(done.stdout)["checkpoint"]) == Path("checkpoints/b.safetensors")


def test_a_run_can_be_resumed_with_the_new_path_of_a_moved_corpus(here: Path) -> None:
    train("corpus.txt", cwd=here)
    (here / "corpus.txt").rename(here / "moved.txt")
    assert "can't read" in error_line(charrnn("train", "--resume", "--steps", 7, cwd=here), 1)
    done = charrnn("train", "moved.txt", "--resume", "--steps", 7, "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 7


def test_a_resumed_run_stores_the_absolute_path_of_its_corpus(here: Path) -> None:
    train("corpus.txt", "--out", "m.safetensors", cwd=here)
    for name in ("second", "third"):
        (here / name).mkdir()
    (here / "corpus.txt").rename(here / "moved.txt")
    resume = ("--resume", "--out", Path("..") / "m.safetensors", "--json")
    for folder, args, steps in (("second", (Path("..") / "moved.txt",), 7), ("third", (), 9)):
        done = charrnn("train", *args, *resume, "--steps", steps, cwd=here / folder)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["steps"] == steps
        state = training_file.load_state(here / "m.resume.safetensors")
        assert state.source.paths == (os.path.abspath(here / "moved.txt"),)


def test_a_run_on_stdin_resumes_if_the_text_is_piped_in_again(here: Path) -> None:
    train("-", "--steps", 8, "--out", "whole/m.safetensors", input=TEXT, cwd=here)
    train("-", "--steps", 3, "--out", "parts/m.safetensors", input=TEXT, cwd=here)
    resume = ("--resume", "--steps", 8, "--out", "parts/m.safetensors")
    assert "stdin" in error_line(charrnn("train", *resume, cwd=here), 1)
    assert "not the one" in error_line(charrnn("train", "-", *resume, cwd=here, input=TEXT[1:]), 1)
    done = charrnn("train", "-", *resume, cwd=here, input=TEXT)
    assert done.returncode == 0, done.stderr
    assert checkpoints(here / "parts") == checkpoints(here / "whole")


def test_a_run_can_start_from_another_model(here: Path) -> None:
    train("corpus.txt", "--out", "a.safetensors", "--steps", 20, cwd=here)
    train("corpus.txt", "--out", "b.safetensors", "--init-from", "a.safetensors", "--steps", 0, cwd=here)
    assert weights(here / "a.safetensors") == weights(here / "b.safetensors")


# Interruption


def wait_for_evaluation(process: "subprocess.Popen[bytes]") -> None:
    """Reads the notices of a run up to its first evaluation."""
    notices = b""
    while b"\nstep " not in notices:
        line = process.stderr.readline()
        assert line, f"it ended too soon: {notices!r}"
        notices += line


LONG = (*SMALL, "--steps", 600, "--dropout", 0.3, "--eval-every", 7, "--out", "m.safetensors")
ENDLESS = (*SMALL, "--steps", 10**6, "--eval-every", 7)


@pytest.fixture(scope="module")
def uninterrupted(short_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert charrnn("train", short_run / "corpus.txt", *LONG, "--quiet", cwd=folder).returncode == 0
    return checkpoints(folder)


@posix
@pytest.mark.parametrize(
    ("name", "code", "seed"), [("SIGINT", 130, 0), ("SIGINT", 130, 1), ("SIGTERM", 143, 2), ("SIGHUP", 129, 3)]
)
def test_an_interrupted_run_is_saved_and_can_be_resumed(
    name: str, code: int, seed: int, short_run: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    delays, args = random.Random(seed), ("train", short_run / "corpus.txt", *LONG, "--log", "log.jsonl")
    for _ in range(3):
        with started(*args, cwd=tmp_path) as process:
            wait_for_evaluation(process)
            time.sleep(delays.uniform(0, 0.04))
            process.send_signal(getattr(signal, name))
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (code, b"")
        assert b"Traceback" not in err
        *_, last = err.decode().splitlines()
        assert last.endswith("continue with charrnn train --resume --out m.safetensors --log log.jsonl")
        step = training_file.load_state(tmp_path / "m.resume.safetensors").counters.step
        assert last.startswith(f"interrupted at step {step:,} and saved")
        args = tuple(last.partition("continue with charrnn ")[2].split())
    assert charrnn(*args, cwd=tmp_path).returncode == 0
    assert checkpoints(tmp_path) == uninterrupted
    final = training_file.load_state(tmp_path / "m.resume.safetensors").counters.step
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"] == final


@posix
@pytest.mark.parametrize("args", [("train", "-"), ("sample", "m.safetensors", "--prime", "-")])
def test_an_interruption_while_reading_stdin_prints_no_traceback(
    args: tuple[str, ...], short_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.safetensors").write_bytes((short_run / "checkpoints" / "corpus.safetensors").read_bytes())
    with started(*args, cwd=tmp_path) as process:
        process.stdin.write(b"endless\n" * 40_000)  # more than a pipe holds, so the process is reading it now
        process.stdin.flush()
        time.sleep(0.2)  # now the process waits for more
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stdout.read() == b""
        assert b"Traceback" not in process.stderr.read()


@posix
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_that_the_parent_ignores_stays_ignored(
    name: str, short_run: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    shell = ("sh", "-c", 'trap "" "$0"; exec "$@"', name.removeprefix("SIG"))  # as nohup does
    args = [*shell, *command("train", short_run / "corpus.txt", *LONG)]
    with subprocess.Popen(args, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, bufsize=0) as process:
        wait_for_evaluation(process)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"interrupted" not in err
    assert checkpoints(tmp_path) == uninterrupted


@posix
def test_the_command_to_resume_can_be_pasted_into_a_shell(here: Path) -> None:
    with started("train", "corpus.txt", *ENDLESS, "--out", "my models/a 'b'.safetensors", cwd=here) as process:
        wait_for_evaluation(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    step = training_file.load_state(here / "my models" / "a 'b'.resume.safetensors").counters.step
    _, _, resume = err.decode().splitlines()[-1].partition("continue with ")
    script = f'charrnn() {{ "$0" -m charrnn "$@"; }}; {resume} --json --quiet --steps {step + 1}'
    done = subprocess.run(["sh", "-c", script, sys.executable], cwd=here, env=environment(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    result = json.loads(done.stdout)
    assert (result["checkpoint"], result["steps"]) == ("my models/a 'b'.safetensors", step + 1)


@posix
def test_the_command_to_resume_a_run_on_stdin_pipes_the_text_again(here: Path) -> None:
    with started("train", "-", *ENDLESS, "--out", "a b.safetensors", cwd=here) as process:
        process.stdin.write(TEXT.encode())
        process.stdin.close()
        wait_for_evaluation(process)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        *_, last = process.stderr.read().decode().splitlines()
    resume = "… | charrnn train - --resume --out 'a b.safetensors'"
    assert last.endswith(f"and saved: continue with {resume}")
    assert error_line(charrnn("train", "--resume", "--out", "a b.safetensors", cwd=here), 1).endswith(resume)
    step = training_file.load_state(here / "a b.resume.safetensors").counters.step
    script = f'charrnn() {{ "$0" -m charrnn "$@"; }}; {resume.replace("…", "cat corpus.txt")} --steps {step + 1}'
    done = subprocess.run(["sh", "-c", script, sys.executable], cwd=here, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert training_file.load_state(here / "a b.resume.safetensors").counters.step == step + 1


@pytest.fixture
def stuck(here: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A run that is blocked between two steps, before its first save, since nobody reads its stderr."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("needs a small pipe")
    options = ("--eval-every", 10**6, "--sample-every", 1, "--out", "m.safetensors")
    with started("train", "corpus.txt", *ENDLESS, *options, cwd=here) as process:
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        unread = 0
        while unread < 3000:  # soon there is no room for another sample of 200 characters
            assert process.poll() is None
            time.sleep(0.1)
            unread = int.from_bytes(fcntl.ioctl(process.stderr, termios.FIONREAD, bytes(4)), sys.byteorder)
        time.sleep(0.5)
        yield process


@posix
def test_two_interruptions_at_once_count_as_one(stuck: "subprocess.Popen[bytes]", here: Path) -> None:
    for _ in range(2):  # a shell and a wrapper both pass on one Ctrl-C
        stuck.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = stuck.communicate(timeout=30)
    assert stuck.returncode == 130
    step = training_file.load_state(here / "m.resume.safetensors").counters.step
    assert step > 0
    assert err.decode().splitlines()[-1].startswith(f"interrupted at step {step:,} and saved")
    assert api.load(here / "m.safetensors").step == step


@posix
@pytest.mark.parametrize("gap", [0.01, 0.05, 0.2])
def test_a_repeated_interruption_loses_nothing(gap: float, here: Path) -> None:
    with started("train", "corpus.txt", *ENDLESS, "--out", "m.safetensors", cwd=here) as process:
        wait_for_evaluation(process)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(gap)
        _, err = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT)  # to a shell they are the same
    step = training_file.load_state(here / "m.resume.safetensors").counters.step
    assert err.decode().splitlines()[-1].startswith(f"interrupted at step {step:,} and saved")


@posix
def test_a_second_interruption_stops_the_run_at_once(stuck: "subprocess.Popen[bytes]", here: Path) -> None:
    before = checkpoints(here)
    stuck.send_signal(signal.SIGINT)
    time.sleep(1.5)
    stuck.send_signal(signal.SIGINT)
    _, err = stuck.communicate(timeout=30)
    assert stuck.returncode == 130
    assert b"interrupted" not in err
    assert b"Traceback" not in err
    assert checkpoints(here) == before
    assert charrnn("train", "--resume", "--steps", 1, "--out", "m.safetensors", cwd=here).returncode == 0


# The environment


def test_options_come_from_the_environment(here: Path) -> None:
    env = {"CHARRNN_TRAIN_STEPS": "3", "CHARRNN_TRAIN_JSON": "1", "CHARRNN_TRAIN_SEED": "7", "CHARRNN_TRAIN_QUIET": "1"}
    done = charrnn("train", "corpus.txt", "--hidden-size", 4, "--engine", "numpy", cwd=here, env=env)
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert (result["steps"], result["seed"]) == (3, 7)
    done = charrnn("train", "corpus.txt", *SMALL, "--steps", 2, cwd=here, env=env)
    result = json.loads(done.stdout)
    assert (result["steps"], result["seed"]) == (2, 1), "the command line takes precedence over the environment"


def test_an_invalid_value_in_the_environment_is_wrong_usage(here: Path) -> None:
    assert "--steps" in error_line(charrnn("train", "corpus.txt", cwd=here, env={"CHARRNN_TRAIN_STEPS": "many"}), 2)


def test_charrnn_debug_shows_the_traceback(here: Path) -> None:
    done = charrnn("train", "missing.txt", cwd=here, env={"CHARRNN_DEBUG": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "CorpusError: can't read missing.txt" in done.stderr


def test_weights_without_a_finite_loss_are_an_error(here: Path) -> None:
    train("corpus.txt", "--out", "m.safetensors", cwd=here)
    saved = api.load(here / "m.safetensors")
    for p in saved.model.params.values():
        p[...] = np.where(p < 0, -3e38, 3e38)
    api.save(here / "huge.safetensors", saved)
    done = charrnn("train", "corpus.txt", "--init-from", "huge.safetensors", "--engine", "numpy", "--quiet", cwd=here)
    assert "the model of --init-from has no finite loss on this text" in error_line(done, 1)


def test_a_run_of_relu_is_resumed_and_its_model_started_from_with_the_option_or_without(here: Path) -> None:
    train("corpus.txt", "--cell", "rnn", "--nonlinearity", "relu", "--out", "m.safetensors", cwd=here)
    for steps, words in ((6, ()), (7, ("--nonlinearity", "relu")), (8, ("--cell", "rnn"))):
        done = charrnn("train", "--resume", "--out", "m.safetensors", "--steps", steps, *words, cwd=here)
        assert done.returncode == 0, done.stderr
        assert "\nrnn with relu, " in done.stderr
        begin = ("--init-from", "m.safetensors", "--steps", 1, "--engine", "numpy", "--out", f"{steps}.safetensors")
        done = charrnn("train", "corpus.txt", *begin, *words, cwd=here)
        assert done.returncode == 0, done.stderr
        assert api.load(here / f"{steps}.safetensors").model.config.nonlinearity == "relu"
    done = charrnn("train", "--resume", "--out", "m.safetensors", "--nonlinearity", "tanh", cwd=here)
    assert "nonlinearity is relu in the run to resume, and can't become tanh" in error_line(done, 2)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_overflow_are_never_saved(cell: str, here: Path) -> None:
    words = [word for name, value in cell_options(cell).items() for word in (f"--{name}", value)]
    extreme = ("--optimizer", "sgd", "--lr", 1e6, "--weight-decay", 1e3, "--clip", 0, "--eval-every", 1, "--steps", 40)
    args = ("train", "corpus.txt", *SMALL, *words, *extreme, "--out", "m.safetensors", "--quiet")
    line = error_line(charrnn(*args, cwd=here, env={"PYTHONWARNINGS": "error"}), 1)
    assert re.search(r"diverged (at|before) step [1-9]: try a lower --lr", line)
    assert "m.resume.safetensors" in checkpoints(here)
    for name in checkpoints(here):
        assert all(np.isfinite(tensor).all() for tensor in load_file(here / name).values()), name
    assert training_file.load_state(here / "m.resume.safetensors").counters.step < 9


def test_python_dash_m_runs_the_same_program(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("charrnn" + (".exe" if os.name == "nt" else ""))
    if not script.exists():
        pytest.skip("not installed as a script")
    done = subprocess.run([script, "--help"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.stdout == charrnn("--help", cwd=tmp_path).stdout


# Runs of a given time


TIMED = ("--engine", "numpy", "--threads", 1, "--hidden-size", 16, "--seed", 1)


def test_a_run_ends_on_time_and_can_be_repeated(here: Path) -> None:
    (here / "long.txt").write_text(TEXT * 400)
    began = time.monotonic()
    relu = ("--cell", "rnn", "--nonlinearity", "relu")
    done = charrnn("train", "long.txt", "--time", "8s", *TIMED, *relu, "--out", "a.safetensors", cwd=here)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert 4 < took < 16  # the tests of the deadline are exact; here other processes run too
    assert "\nrnn with relu, 1 × 16: " in done.stderr
    assert "settings for" in done.stderr
    assert "xz -9 needs" in done.stderr
    (again,) = re.findall(r"^to repeat these steps on any machine: charrnn (train .*)$", done.stderr, re.MULTILINE)
    words = shlex.split(again)
    assert {"--nonlinearity", "--hidden-size", "--steps", "--hold", "--cooldown", "--lr"} <= {*words}
    dropout = training_file.load_state(here / "a.resume.safetensors").model_config.dropout
    assert ("--dropout" in words) == (dropout > 0)  # a slow machine makes too few steps for it
    repeated = charrnn(*words, "--out", "b.safetensors", "--quiet", cwd=here)
    assert repeated.returncode == 0, repeated.stderr
    assert (here / "a.safetensors").read_bytes() == (here / "b.safetensors").read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
def test_a_run_of_a_given_time_tells_the_precision_that_it_measured_as_the_faster_one(here: Path) -> None:
    assert charrnn("warm-up", "train", "--cell", "lstm", "--quiet", cwd=here, timeout=600).returncode == 0
    (here / "long.txt").write_text(TEXT * 400)
    options = ("--time", "6s", "--engine", "numba", "--threads", 1, "--hidden-size", 256, "--seed", 1, "--json")
    done = charrnn("train", "long.txt", *options, "--out", "a.safetensors", cwd=here)
    assert done.returncode == 0, done.stderr
    precision = json.loads(done.stdout)["precision"]
    is_narrow = precision == "bfloat16"
    assert precision == "float32" or not problem_with_bfloat16()
    assert "compiling" not in done.stderr
    assert f"; numba engine{' in bfloat16' * is_narrow}, 1 thread\n" in done.stderr
    assert training_file.load_state(here / "a.resume.safetensors").training_config.precision == precision
    of = " with bfloat16" * is_narrow
    (again,) = re.findall(rf"^to repeat these steps on any machine{of}: charrnn (train .*)$", done.stderr, re.MULTILINE)
    assert ("--precision bfloat16" in again) == is_narrow
    assert "--precision float32" not in again
    repeated = charrnn(*shlex.split(again), "--out", "b.safetensors", "--quiet", cwd=here)
    assert repeated.returncode == 0, repeated.stderr
    assert (here / "a.safetensors").read_bytes() == (here / "b.safetensors").read_bytes()
    done = charrnn("train", "--resume", "a.safetensors", "--time", "1s", "--json", cwd=here)
    assert json.loads(done.stdout)["precision"] == precision, done.stderr


@posix
def test_a_run_says_for_how_long_it_was_stopped(here: Path) -> None:
    with started("train", "corpus.txt", "--time", "3s", *TIMED, "--out", "m.safetensors", cwd=here) as process:
        read_until(process, "writes ")
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        assert process.stderr is not None
        notices = process.stderr.read().decode()
        assert process.wait(60) == 0, notices
    assert sum(map(int, re.findall(r"paused for (\d+) s, in which the process was stopped", notices))) >= 2


def test_the_default_training_time_is_three_minutes(here: Path) -> None:
    with started("train", "corpus.txt", *TIMED, cwd=here) as process:
        assert process.stderr is not None
        notices = [process.stderr.readline().decode() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert notices[0].startswith("training time: 3 minutes")
    assert any(re.match(r"settings for 1([67]\d|80) s on this machine", line) for line in notices)


@posix
def test_waiting_for_stdin_does_not_shorten_the_run(here: Path) -> None:
    line = shlex.join(command("train", "-", "--time", "5s", *TIMED, "--out", "m.safetensors"))
    done = subprocess.run(
        ["bash", "-c", f"(sleep 4; cat corpus.txt) | {line}"],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "settings for 5 s on this machine" in done.stderr


def test_lines_can_be_trained_on_for_a_given_time(here: Path) -> None:
    names = ["".join(random.Random(n).choices("abcdefgh", k=7)) for n in range(400)]
    (here / "names.txt").write_text("\n".join(names))
    done = charrnn("train", "names.txt", "--lines", "--time", "4s", *TIMED, "--ema-decay", 0.99, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "bits per character" in done.stderr


def test_a_run_can_be_resumed_for_a_given_time(here: Path) -> None:
    assert charrnn("train", "corpus.txt", *SMALL, "--steps", 20, cwd=here).returncode == 0
    began = time.monotonic()
    done = charrnn("train", "--resume", "--time", "4s", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 15
    assert json.loads(done.stdout)["steps"] > 40


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ("--time 3m --steps 5", 2, "--steps and --time"),
        ("--time soon", 2, "90s, 3m or 1h"),
        ("--time 0", 2, "time, in seconds, must be from 1"),
        ("--time -5", 2, "not a duration"),
        ("--time 9s --hold 7", 2, "hold is only for"),
        ("--time 9s --cooldown 7", 2, "cooldown is only for"),
    ],
)
def test_an_invalid_time_is_an_error(args: str, code: int, message: str, here: Path) -> None:
    assert message in error_line(charrnn("train", "corpus.txt", *args.split(), cwd=here), code)


def test_a_run_that_is_out_of_patience_prints_a_notice(here: Path) -> None:
    noise = "".join(random.Random(1).choices("abcdefgh", k=1200))
    (here / "noise.txt").write_text(noise)
    done = charrnn(
        "train", "noise.txt", *SMALL, "--steps", 5000, "--eval-every", 10, "--patience", 3, "--lr", 0.02, cwd=here
    )
    assert done.returncode == 0, done.stderr
    assert "3 evaluations without a better model" in done.stderr
    assert "overfitting" in done.stderr
