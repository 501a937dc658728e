"""Corpora as they occur on disks: changed or deleted during training, pipes, unreadable files, unusual names."""

import gzip
import hashlib
import json
import lzma
import os
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import charrnn as api
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.dataset import corpus
from charrnn.dataset.files import Source
from support.processes import SMALL, TEXT, after_script, charrnn, error_line, posix, read_until, started, unprivileged

ENDLESS = (*SMALL, "--steps", 10**6, "--eval-every", 20, "--out", "m.safetensors")
BYTES = TEXT.encode() * 20


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus that is long enough to fill several pages of a mapping."""
    (tmp_path / "corpus.txt").write_bytes(BYTES)
    return tmp_path


# Changes during training


@pytest.fixture(scope="module", params=[("--bytes",), ()])
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[tuple[object, ...], bytes]:
    """The options of a training, and the model of one whose corpus stays as it is."""
    folder, options = tmp_path_factory.mktemp("undisturbed"), (*request.param, *SMALL, "--eval-every", 20)
    (folder / "corpus.txt").write_bytes(BYTES)
    options = (*options, "--steps", 200, "--out", "a.safetensors")
    assert charrnn("train", "corpus.txt", *options, cwd=folder).returncode == 0
    return options, (folder / "a.safetensors").read_bytes()


@posix
@pytest.mark.parametrize("change", ["grown", "cut", "changed", "replaced", "deleted"])
def test_changes_to_the_corpus_during_training_have_no_effect(
    change: str, undisturbed: tuple[tuple[object, ...], bytes], here: Path
) -> None:
    options, expected = undisturbed
    with started("train", "corpus.txt", *options, cwd=here) as a:
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
    assert (here / "a.safetensors").read_bytes() == expected


# Files and folders


def test_a_run_on_some_files_of_a_folder_resumes_with_the_same_ones(tmp_path: Path) -> None:
    src = tmp_path / "src"
    (src / "__pycache__").mkdir(parents=True)
    (src / "a.py").write_text(TEXT.removesuffix("\n"))
    (src / "b.py").write_text(TEXT.upper())
    (src / "c.txt").write_text("left out")
    (src / "__pycache__" / "a.pyc").write_bytes(b"\xa7\r\r\n" + bytes(12))
    (src / ".hidden").write_bytes(b"hidden")
    options = (*SMALL, "--out", "m.safetensors")
    chosen = ("--include", "*.py", "--include=*.pyc", "--exclude", "x*", "--exclude=b.py")
    done = charrnn("train", "src/", *chosen, *options, "--steps", 5, cwd=tmp_path)
    assert "skipped 1 binary file in src/\n" in done.stderr
    assert charrnn("train", "--resume", *options[-2:], "--steps", 9, "--quiet", cwd=tmp_path).stderr == ""
    again = charrnn("train", "--resume", *options[-2:], "--include", "*.py", "--steps", 10, cwd=tmp_path)
    assert "a resumed run reads its text as before: leave out --include" in error_line(again, 2)
    found = api.load(tmp_path / "m.safetensors").corpus
    assert found.digest == hashlib.sha256(TEXT.removesuffix("\n").encode()).hexdigest()
    everything = charrnn("train", "src", *SMALL, "--steps", 2, "--out", "o.safetensors", cwd=tmp_path)
    assert "skipped 1 binary file and 1 hidden one in src\n" in everything.stderr


def test_names_in_two_files_and_stdin_are_separate(tmp_path: Path) -> None:
    for name in ("Anna", "Bert"):
        (tmp_path / name).write_text(f"{name}\n" * 40 + name)
    options = (*SMALL, "--steps", 2, "--lines", "--json")
    done = charrnn("train", "Anna", "-", "Bert", *options, input="Carl\n" * 40 + "Dora", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = "".join(f"{name}\n" * 41 for name in ("Anna", "Carl", "Bert")).replace("Carl\nBert", "Dora\nBert")
    (tmp_path / "whole").write_text(whole.removesuffix("\n"))
    assert charrnn("train", "whole", *options, cwd=tmp_path).returncode == 0
    one, other = (api.load(tmp_path / "checkpoints" / f"{name}.safetensors") for name in ("Anna", "whole"))
    assert one.corpus.digest == other.corpus.digest
    assert one.corpus.training_lines + one.corpus.validation_lines == 123


def test_a_run_of_an_earlier_version_still_reads_its_files_joined(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name + TEXT.removesuffix("\n"))
    source = Source((str(tmp_path / "a"), str(tmp_path / "b")), separate_files=False)
    path, options = tmp_path / "m.safetensors", {"hidden_size": 8, "layers": 1, "seed": 1, "engine": "numpy"}
    run = api.train(corpus.read(source), source=source, checkpoint=path, steps=3, **options)  # type: ignore[arg-type]
    for _ in run:
        pass
    state = resume_path(path)
    assert "separate_files" not in TensorFile(state).metadata["source"]  # as in files of earlier versions
    done = charrnn("train", "--resume", "--out", path, "--steps", 5, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["steps"] == 5
    assert "separate_files" not in TensorFile(state).metadata["source"]
    both = charrnn("train", "a", "b", *SMALL, "--steps", 2, "--out", "n.safetensors", cwd=tmp_path)
    assert both.returncode == 0
    assert json.loads(TensorFile(tmp_path / "n.resume.safetensors").metadata["source"])["separate_files"] is True
    assert api.load(tmp_path / "n.safetensors").corpus.size == api.load(path).corpus.size + 1


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_corpus_that_was_compressed_in_the_meantime_resumes(
    compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    whole = ("train", "corpus.txt", *SMALL, "--quiet", "--out")
    assert charrnn(*whole, "a.safetensors", "--steps", 8, cwd=tmp_path).returncode == 0
    assert charrnn(*whole, "b.safetensors", "--steps", 4, cwd=tmp_path).returncode == 0
    (tmp_path / "corpus.txt").unlink()
    (tmp_path / "packed").write_bytes(compress(TEXT.encode()))
    resume = ("--resume", "--out", "b.safetensors", "--steps", 8, "--quiet")
    assert "corpus.txt, which is no longer a file" in error_line(charrnn("train", *resume, cwd=tmp_path), 1)
    (tmp_path / "packed").rename(tmp_path / "corpus.txt.gz")  # what it is, its content says
    assert charrnn("train", *resume, cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    plain = charrnn("score", "a.safetensors", cwd=tmp_path, input=TEXT).stdout
    packed = charrnn("score", "a.safetensors", cwd=tmp_path, input=compress(TEXT.encode())).stdout
    assert plain == packed == charrnn("score", "a.safetensors", "corpus.txt.gz", cwd=tmp_path).stdout
    prime = ("sample", "a.safetensors", "--seed", 1, "--length", 50, "--prime-file")
    (tmp_path / "prime.txt").write_bytes(TEXT[:50].encode())
    (tmp_path / "prime.gz").write_bytes(compress(TEXT[:50].encode()))
    found = [charrnn(*prime, name, cwd=tmp_path).stdout for name in ("prime.txt", "prime.gz")]
    assert found[0] == found[1] != ""


@posix
def test_a_gz_that_arrives_slowly_is_scored_line_by_line(here: Path) -> None:
    assert charrnn("train", "corpus.txt", *SMALL, "--steps", 2, "--out", "m.safetensors", cwd=here).returncode == 0
    compressor = zlib.compressobj(wbits=31)
    with started("score", "m.safetensors", "--per-line", "--engine", "numpy", cwd=here) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"It is\n", b"a truth\n"):
            process.stdin.write(compressor.compress(line) + compressor.flush(zlib.Z_SYNC_FLUSH))
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\t" + line)  # before more is written
        process.stdin.write(compressor.flush())
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")


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
