"""The unread stdin: a text that is piped to a run on the bundled tales is told, and nothing is read or waited for."""

import io
import os
import sys
from pathlib import Path

import pytest

from charrnn.cli.train.unread_stdin import NOTICE, has_text
from support.processes import SMALL, charrnn, posix

RUN = ("train", *SMALL, "--steps", 1, "--out", "m.safetensors", "--force")


@posix
@pytest.mark.parametrize(
    ("content", "is_open", "expected"),
    [(b"a", True, True), (b"a", False, True), (b"", True, True), (b"", False, False)],
)
def test_a_pipe_may_have_a_text_unless_it_is_closed_and_empty(
    content: bytes, is_open: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, writes = os.pipe()
    os.write(writes, content)
    if not is_open:
        os.close(writes)
    with open(reads, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert has_text() == expected
        if is_open:
            os.close(writes)
        assert stdin.read() == content


@pytest.mark.parametrize(("content", "read", "expected"), [(b"ab", 0, True), (b"ab", 2, False), (b"", 0, False)])
def test_a_file_has_a_text_unless_it_is_at_its_end(
    content: bytes, read: int, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(content)
    with (tmp_path / "f").open("rb", buffering=0) as stdin:
        stdin.read(read)
        monkeypatch.setattr(sys, "stdin", stdin)
        assert has_text() == expected
        assert stdin.read() == content[read:]


def test_what_is_no_pipe_and_no_file_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "rb") as null:
        for stdin in (None, io.StringIO("a"), null):
            monkeypatch.setattr(sys, "stdin", stdin)
            assert not has_text()


def test_a_run_without_a_corpus_says_that_it_does_not_read_the_pipe(tmp_path: Path) -> None:
    done = charrnn(*RUN, "--lines", cwd=tmp_path, input="a\nb\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == NOTICE
    (tmp_path / "c.txt").write_text("ab\nb\n" * 50)
    for args, given in (((*RUN,), ""), ((*RUN, "c.txt"), "a"), ((*RUN, "-"), "a\nb\n"), ((*RUN, "--quiet"), "a")):
        done = charrnn(*args, cwd=tmp_path, input=given)
        assert done.returncode == 0, done.stderr
        assert NOTICE not in done.stderr
    done = charrnn("train", "--resume", "m.safetensors", "--steps", 2, cwd=tmp_path, input="a\nb\n")
    assert done.returncode == 0, done.stderr
    assert NOTICE not in done.stderr
