"""Corpora as they occur on disks: changed or deleted during training, pipes, unreadable files, unusual names."""

import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import charrnn as api
from support.processes import SMALL, TEXT, after_script, charrnn, error_line, posix, read_until, started, unprivileged

ENDLESS = (*SMALL, "--steps", 10**6, "--eval-every", 20, "--out", "m.safetensors")
BYTES = TEXT.encode() * 20


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus that is long enough to fill several pages of a mapping."""
    (tmp_path / "corpus.txt").write_bytes(BYTES)
    return tmp_path


# Changes during training


@posix
@pytest.mark.parametrize("reading", [("--bytes",), ()])
@pytest.mark.parametrize("change", ["grown", "cut", "changed", "replaced", "deleted"])
def test_changes_to_the_corpus_during_training_have_no_effect(
    change: str, reading: tuple[str, ...], here: Path
) -> None:
    options = (*reading, *SMALL, "--eval-every", 20, "--steps", 200)
    with started("train", "corpus.txt", *options, "--out", "a.safetensors", cwd=here) as a:
        read_until(a, "step 20/")
        with open(here / "corpus.txt", "r+b") as file:
            match change:
                case "grown":
                    file.seek(0, os.SEEK_END)
                    file.write(b"more")
                case "cut":
                    file.truncate(5)
                case "changed":
                    file.write(BYTES[::-1])
        if change in ("replaced", "deleted"):
            (here / "corpus.txt").unlink()
        if change == "replaced":
            (here / "corpus.txt").write_bytes(b"other")
        _, err = a.communicate(timeout=60)
        assert a.returncode == 0, err
    (here / "corpus.txt").write_bytes(BYTES)
    assert charrnn("train", "corpus.txt", *options, "--out", "b.safetensors", cwd=here).returncode == 0
    assert (here / "a.safetensors").read_bytes() == (here / "b.safetensors").read_bytes()


# Kinds of files


@posix
def test_a_run_on_a_pipe_needs_the_text_again_to_resume(here: Path) -> None:
    os.mkfifo(here / "pipe")
    writer = threading.Thread(target=lambda: (here / "pipe").write_bytes(BYTES), daemon=True)
    writer.start()
    done = charrnn("train", "pipe", *SMALL, "--steps", 5, "--out", "m.safetensors", cwd=here)
    writer.join(30)
    assert done.returncode == 0, done.stderr
    resume = ("--resume", "--steps", 9, "--out", "m.safetensors", "--json")
    line = error_line(charrnn("train", *resume, cwd=here), 1)
    assert "pipe, which is no longer a file: give the text before --resume" in line
    assert json.loads(charrnn("train", "corpus.txt", *resume, cwd=here).stdout)["steps"] == 9


@posix
def test_a_link_to_itself_is_an_error_and_is_skipped_in_a_folder(here: Path) -> None:
    (here / "texts").mkdir()
    (here / "texts" / "loop").symlink_to("loop")
    (here / "texts" / "round").symlink_to(here / "texts")
    (here / "texts" / "a.txt").write_bytes(BYTES)
    options = (*SMALL, "--steps", 2, "--out", "m.safetensors")
    below_loop = (*options, "--out", "texts/loop/m.safetensors")
    assert "symbolic links" in error_line(charrnn("train", "texts/loop", *options, cwd=here), 1)
    assert "there is no" in error_line(charrnn("sample", "texts/loop", cwd=here), 1)
    assert "can't write" in error_line(charrnn("train", "corpus.txt", *below_loop, cwd=here), 1)
    assert charrnn("train", "texts", *options, cwd=here).returncode == 0
    assert api.load(here / "m.safetensors").corpus.size == len(BYTES)


@posix
def test_a_file_without_read_permission_is_an_error(here: Path) -> None:
    (here / "corpus.txt").chmod(0)
    for reading in ((), ("--bytes",)):
        done = charrnn("train", "corpus.txt", *reading, *SMALL, cwd=here, command=unprivileged)
        assert "corpus.txt: Permission denied" in error_line(done, 1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file that can be opened but not read")
def test_a_file_that_fails_while_it_is_read_is_an_error(here: Path) -> None:
    for reading in ((), ("--bytes",)):
        done = charrnn("train", "/proc/self/mem", *reading, *SMALL, cwd=here)
        assert "can't read /proc/self/mem: Input/output error" in error_line(done, 1)


@posix
@pytest.mark.parametrize(
    ("room", "why"), [(8, "File too large"), (0, "No usable temporary directory")], ids=["some", "none"]
)
def test_too_little_disk_space_for_a_copy_of_the_bytes_is_an_error(room: int, why: str, here: Path) -> None:
    (here / "large.bin").write_bytes(bytes(range(256)) * 100)
    line = error_line(
        charrnn("train", "large.bin", "--bytes", *SMALL, cwd=here, command=after_script(f"ulimit -f {room}")), 1
    )
    assert "can't keep a copy of the bytes in " in line
    assert why in line
    assert line.endswith("; set TMPDIR to another folder")


def test_a_line_of_a_hundred_megabytes_can_be_trained_on(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_bytes(b"She sells sea shells. " * 4_600_000)
    done = charrnn("train", "line.txt", *SMALL, "--steps", 2, "--val-fraction", 0.0001, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["steps"] == 2, done.stderr


def test_a_vocabulary_may_have_two_hundred_thousand_characters(tmp_path: Path) -> None:
    points = [point for point in range(0x20, 0x40000) if not 0xD800 <= point < 0xE000][:200_000]
    text = np.random.default_rng(1).permutation(np.array(points, np.uint32)).tobytes().decode("utf-32-le")
    (tmp_path / "many.txt").write_text(text * 2, encoding="utf-8", newline="")
    options = ("--hidden-size", 4, "--steps", 1, "--val-fraction", 0.0005, "--out", "m.safetensors", "--json")
    done = charrnn("train", "many.txt", *SMALL, *options, cwd=tmp_path)
    assert json.loads(done.stdout)["steps"] == 1, done.stderr
    assert len(charrnn("sample", "m.safetensors", "-n", 5, "--seed", 1, cwd=tmp_path).stdout) == 5
    assert (
        json.loads(charrnn("inspect", "m.safetensors", "--json", cwd=tmp_path).stdout)["vocabulary"]["size"] == 200_000
    )


# Names of files


@posix
@pytest.mark.parametrize(
    "name", ["two\nlines", "red \x1b[31m", "bell\a\x9b", os.fsdecode(b"\xff\xfe"), "-n", "a" * 200]
)
def test_any_file_name_works_and_is_printed_without_control_characters(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.txt").write_bytes(BYTES)
    out = f"./{name}.safetensors"
    done = charrnn("train", f"./{name}.txt", *SMALL, "--steps", 2, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    inspected = charrnn("inspect", out, cwd=tmp_path, env={"COLUMNS": "500"})
    assert inspected.returncode == 0, inspected.stderr
    missing = error_line(charrnn("sample", f"./{name}", cwd=tmp_path), 1, 2)
    for shown in (done.stderr, inspected.stdout, missing):
        assert not set(shown) & {"\x1b", "\a", "\x9b", "\udcff"}
    assert any(line.startswith("writes ") and line.endswith("safetensors") for line in done.stderr.splitlines())
    assert charrnn("sample", out, "-n", 5, "--seed", 1, cwd=tmp_path).stdout
    assert charrnn("train", "--resume", "--steps", 4, "--out", out, cwd=tmp_path).returncode == 0
    assert charrnn("train", f"./{name}.txt", *SMALL, "--steps", 1, "--quiet", cwd=tmp_path).returncode == 0
    assert len(list((tmp_path / "checkpoints").iterdir())) >= 2
