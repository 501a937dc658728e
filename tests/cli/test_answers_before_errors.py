"""The answers to good lines come before the error of a bad one: in every command, from files, and in a stream."""

import gzip
import select
import sys
from pathlib import Path

import pytest

import charrnn as api
from charrnn.checkpoint import model_file
from charrnn.dataset.record_form import RecordForm
from charrnn.errors import ConfigError
from charrnn.scoring.whole_texts import MAX_TEXT
from support.processes import charrnn, error_line, posix, started
from support.random_models import random_model
from support.readmes import DOCS

LINES = "4.5.2001\n\n9 July 99\n"
"""Three lines that every model can answer; in the form of CoNLL, two sentences."""
COMMANDS = {
    "classify": ("classify", DOCS / "classifier.safetensors", "--engine", "numpy"),
    "scores": ("classify", DOCS / "classifier.safetensors", "--scores"),
    "labels": ("classify", DOCS / "classifier.safetensors", "--json", "--engine", "numpy"),
    "tag": ("tag", DOCS / "tagger.safetensors"),
    "spans": ("tag", DOCS / "tagger.safetensors", "--spans"),
    "tags": ("tag", DOCS / "tagger.safetensors", "--json"),
    "words": ("tag", DOCS / "tagger.safetensors", "--conll"),
    "translate": ("translate", DOCS / "dates.safetensors", "--beam", 1),
    "targets": ("translate", DOCS / "dates.safetensors", "--json"),
    "sample": (
        "sample",
        DOCS / "names.safetensors",
        "--seed",
        1,
        "--per-line",
        "--unknown",
        "skip",
        "--engine",
        "numpy",
        "--prime-file",
    ),
    "score": ("score", DOCS / "names.safetensors", "--per-line"),
}
"""Command lines that answer each line of the file whose name follows."""


def failure(command: tuple[object, ...], good: bytes, bad: bytes, cwd: Path) -> str:
    """The error of a command whose file has a bad line after good ones; it has answered these as it does without."""
    file = cwd / "text.txt"
    file.write_bytes(good)
    wanted = charrnn(*command, file.name, cwd=cwd)
    assert (wanted.returncode, wanted.stdout != "") == (0, True), wanted.stderr
    file.write_bytes(good + bad)
    done = charrnn(*command, file.name, cwd=cwd)
    assert (done.returncode, done.stdout) == (1, wanted.stdout)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("charrnn: ")
    return last


@pytest.mark.parametrize(
    ("name", "options", "bad", "message"),
    [
        ("classify", (), "a\tb", "line 4: a text has no tabs"),
        ("classify", (), "a" * (MAX_TEXT + 1), "line 4 has 524,289 characters, and 524,288 are the most"),
        ("classify", ("--unknown", "error"), "a☃", "line 4: the model has never seen '☃'"),
        ("scores", (), "\t", "line 4: a text has no tabs"),
        ("labels", (), "a\t", "line 4: a text has no tabs"),
        ("tag", (), "a\tb\tc", "line 4: a text has no tabs"),
        ("tag", (), "Bob " * MAX_TEXT, "line 4 has 2,097,152 characters"),
        ("spans", ("--unknown", "error"), "☃", "line 4: the model has never seen '☃'"),
        ("tags", (), "\ta", "line 4: a text has no tabs"),
        ("words", ("--unknown", "error"), "Ann met ☃", "line 4: the model has never seen '☃'"),
        ("translate", (), "3 May\t1999", "line 4: a source has no tabs"),
        ("targets", (), "3 May ☃", "line 4: the model has never seen '☃'"),
        ("sample", ("--unknown", "error"), "Lon☃", "line 4: the model has never seen '☃'"),
        ("score", ("--unknown", "error"), "Lon☃", "line 4: the model has never seen '☃'"),
    ],
)
def test_a_bad_line_takes_no_answer_from_those_before_it(
    name: str, options: tuple[str, ...], bad: str, message: str, tmp_path: Path
) -> None:
    first, model, *more = COMMANDS[name]
    good = "Lo\nYo\nSw\n" if "error" in options and name != "words" else LINES  # not every model has seen digits
    more = [word for word in more if word not in ("--unknown", "skip")]
    line = failure((first, model, *options, *more), good.encode(), f"{bad}\n{good}".encode(), tmp_path)
    assert message in line


@pytest.mark.parametrize("bad", ["Wales", "\tSw", "Wales\tS\tw"])
def test_a_source_without_its_tab_takes_no_text_from_those_before_it(bad: str, tmp_path: Path) -> None:
    command = (
        "sample",
        DOCS / "regions.safetensors",
        "--temp",
        0,
        "--engine",
        "numpy",
        "--length",
        5,
        "--per-line",
        "--prime-file",
    )
    line = failure(command, b"England\tYo\nWales\tSw\n", f"{bad}\nWales\tSw\n".encode(), tmp_path)
    assert "line 3 is not a source, a tab and the beginning" in line


@pytest.mark.parametrize(
    ("name", "encoding", "bad"),
    [
        ("labels", "utf-16-le", b"\0\xdca\0\n\0"),
        ("tag", "utf-32-be", b"\0\x11\0\0\0\0\0\n"),
        ("words", "utf-16-le", b"\0\xdca\0\n\0"),
        ("translate", "iso2022_jp", b"\x1b$B3 \n"),
        ("sample", "utf-7", b"+\1\n"),
        ("score", "utf-32-be", b"\0\x11\0\0\0\0\0\n"),
    ],
)
def test_bytes_that_are_no_text_take_no_answer_from_the_lines_before_them(
    name: str, encoding: str, bad: bytes, tmp_path: Path
) -> None:
    first, model, *more = COMMANDS[name]
    good, cut = LINES.encode(encoding), "cut of".encode(encoding)
    line = failure((first, model, "--encoding", encoding, *more), good, cut + bad + good, tmp_path)
    assert f"text.txt is not {encoding} at byte {len(good + cut) + 3 * (encoding == 'iso2022_jp')}" in line


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classify", b"\x1f\x8b\x08 garbage, not compressed", "second.gz is a damaged gzip file"),
        ("tag", gzip.compress(LINES.encode() * 99)[:-9], "second.gz is a gzip file without its end"),
        ("translate", b"%PDF-1.7\n", "second.gz is a PDF, not text"),
        ("words", b"%PDF-1.7\n", "second.gz is a PDF, not text"),
        ("score", None, "can't read "),
        ("labels", None, "can't read "),
    ],
    ids=["damaged", "cut off", "a PDF", "a PDF for words", "missing", "missing for labels"],  # gzip writes the time
)
def test_a_file_that_can_not_be_read_takes_no_answer_from_those_before_it(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    second = "second.gz"
    if content is None:
        second = "/proc/self/mem"  # which can be opened, even by root, but not read at its beginning
        if not sys.platform.startswith("linux"):
            pytest.skip("needs /proc")
    else:
        (tmp_path / second).write_bytes(content)
    (tmp_path / "first.txt").write_text(LINES, encoding="utf-8")
    first = charrnn(*COMMANDS[name], "first.txt", cwd=tmp_path).stdout
    done = charrnn(*COMMANDS[name], "first.txt", second, "first.txt", cwd=tmp_path)
    assert first
    assert (done.returncode, done.stdout[: len(first)]) == (1, first)
    assert message in done.stderr.splitlines()[-1]


@posix
@pytest.mark.parametrize(
    ("name", "options", "bad"),
    [
        ("classify", (), b"a\tb\n"),
        ("translate", (), b"a\tb\n"),
        ("classify", ("--encoding", "utf-16-le"), b"\0\xdc"),
    ],
)
def test_in_a_stream_the_error_waits_neither_for_more_input_nor_for_its_end(
    name: str, options: tuple[str, ...], bad: bytes, tmp_path: Path
) -> None:
    encoding = "utf-16-le" if "utf-16-le" in options else "utf-8"
    with started(*COMMANDS[name], *options, "--quiet", cwd=tmp_path) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdin.write("4.5.2001\n".encode(encoding) * 2 + bad)
        first, second = (run.stdout.readline() for _ in range(2))
        assert first == second != b""
        assert select.select([run.stderr], [], [], 20)[0]
        assert run.stderr.readline().startswith(b"charrnn: ")
        assert run.wait(20) == 1  # although its input is still open


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_bad_row_of_a_table_takes_no_score_from_those_before_it(kind: str, tmp_path: Path) -> None:
    model = random_model(characters="\n\x1e abc", layout="lines", record_form=RecordForm(kind, "text"))
    model_file.save(tmp_path / "model.safetensors", model_file.Checkpoint(model))
    rows = {"csv": "n,text\n1,ab\n2,c\n", "jsonl": '{"text": "ab"}\n{"text": "c"}\n'}[kind].encode()
    for bad in {"csv": ["3\n", '3,"a'], "jsonl": ["3\n", "{\n", '{"text": []}']}[kind]:
        line = failure(("score", "model.safetensors", "--json", "--per-line"), rows, bad.encode(), tmp_path)
        assert f"line {3 + (kind == 'csv')} of text.txt" in line


# The kind of the model


@pytest.mark.parametrize(
    ("command", "model", "why"),
    [
        ("classify", "names", "this model gives no labels to texts: `charrnn train --classify`"),
        ("classify --unknown error", "tagger", "this model gives no labels to texts: `charrnn train --classify`"),
        ("tag", "dates", "this model gives no tags to characters: `charrnn train --tags`"),
        ("tag --conll --unknown error", "classifier", "this model gives no tags to characters: `charrnn train --tags`"),
        ("translate", "tales", "this model does not rewrite texts: `charrnn train --pairs`"),
        ("translate --evaluate", "tagger", "this model does not rewrite texts: `charrnn train --pairs`"),
        ("score", "classifier", "this model is a classifier: use `charrnn classify`"),
        ("score --per-line --unknown error", "tagger", "this model is a tagger: use `charrnn tag`"),
        ("score --top 2 --json", "classifier", "this model is a classifier: use `charrnn classify`"),
        ("score --heatmap -q", "dates", "this model is a translator: use `charrnn translate`"),
        ("sample --per-line --prime-file", "tagger", "this model is a tagger: use `charrnn tag`"),
    ],
)
def test_the_kind_of_the_model_is_checked_before_the_text(command: str, model: str, why: str, tmp_path: Path) -> None:
    name, *options = command.split()
    (tmp_path / "bad.gz").write_bytes(gzip.compress("☃ no tab\n".encode()) + b"garbage")
    (tmp_path / "bad.txt").write_text("☃ no tab\n", encoding="utf-8")
    for file in ("bad.txt", "bad.gz"):
        first = [name, DOCS / f"{model}.safetensors"]
        done = charrnn(*first, *options, file, cwd=tmp_path)
        assert why in error_line(done, 2)


def test_the_library_checks_the_kind_of_the_model_before_the_text() -> None:
    classifier, tagger = (api.load(DOCS / f"{name}.safetensors").model for name in ("classifier", "tagger"))
    for call in (
        lambda: api.score(classifier, "☃"),
        lambda: api.surprisal(tagger, "☃"),
        lambda: [*api.score_lines(tagger, ["☃"], unknown="error")],
        lambda: [*api.translate(tagger, ["☃"])],
    ):
        with pytest.raises(ConfigError, match="this model "):
            call()
