"""The interactive mode through a pipe: in which form lines come, that none waits, and the exit code; and which bytes a
terminal sends.
"""

import codecs
import io
import os
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from charrnn.checkpoint import model_file
from charrnn.cli.sample import line_input
from charrnn.cli.sample.commands import as_commands, message, parse
from charrnn.dataset.text_form import TextForm
from charrnn.errors import ConfigError, SamplingError
from support.processes import charrnn, error_line, posix, started
from support.random_models import random_model
from support.terminal import at_a_terminal

DOCS = Path(__file__).parents[1] / "fixtures" / "docs"
TALES = DOCS / "tales.safetensors"
ARGS = ("--interactive", "--seed", 1, "--engine", "numpy", "-n", 5)
LINES = "The tide\n/more\n/temp 0.5\n/temp\nOne\n"


def piped(given: bytes | str, *args: object, model: object = TALES, cwd: Path = DOCS) -> CompletedProcess[str]:
    """A conversation through a pipe."""
    return charrnn("sample", model, *ARGS, *args, cwd=cwd, input=given)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of bytes, and one of a text in cp1251 and its composed form."""
    folder = tmp_path_factory.mktemp("models")
    model_file.save(folder / "bytes.safetensors", model_file.Checkpoint(random_model(characters=None)))
    cyrillic = random_model(characters="\n abёжй", text_form=TextForm("cp1251", "nfc"))
    model_file.save(folder / "cyrillic.safetensors", model_file.Checkpoint(cyrillic))
    return folder


# In which form lines come


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_marks_and_line_ends_are_those_of_any_text(end: str, mark: bytes, encoding: str) -> None:
    wanted = piped(LINES)
    assert (wanted.returncode, wanted.stderr) == (0, "temp 0.5\n")
    done = piped(mark + LINES.replace("\n", end).encode(encoding))
    assert (done.returncode, done.stdout, done.stderr) == (0, wanted.stdout, wanted.stderr)


def test_a_block_of_lines_has_the_line_ends_of_any_text() -> None:
    text = '"""The\ntide\n"""\n/text\n'
    assert piped(text.replace("\n", "\r\n")).stdout == piped(text).stdout == piped(text.rstrip("\n")).stdout


def test_text_is_in_the_encoding_of_the_model_or_of_the_option(models: Path) -> None:
    model = models / "cyrillic.safetensors"
    wanted = piped("ёж\n".encode("cp1251"), "-n", 0, model=model)
    assert (wanted.returncode, wanted.stdout, wanted.stderr) == (0, "ёж\n", "")
    for encoding in ("utf-8", "koi8-r", "utf-16"):
        done = piped("ёж\n".encode(encoding), "-n", 0, "--encoding", encoding, model=model)
        assert (done.returncode, done.stdout, done.stderr) == (0, "ёж\n", ""), encoding
    composed = piped("и\u0306\n", "-n", 0, "--encoding", "utf-8", model=model)
    assert composed.stdout == "й\n"
    other = error_line(piped("ёж, ёж, ёж и ещё ёж\n", model=model), 1)
    assert other == "charrnn: stdin looks like utf-8, not cp1251: give --encoding utf-8"


def test_a_model_of_bytes_reads_line_ends_as_they_are_but_finds_commands(models: Path) -> None:
    model, args = models / "bytes.safetensors", ("-n", 0)
    done = piped(b"\xef\xbb\xbf/temp\r\na\r\n/temp 2\r\n/temp\r\n", *args, model=model)
    assert (done.returncode, done.stderr.splitlines()) == (0, ["temp 1", "temp 2"])
    assert done.stdout.splitlines() == ["a"]
    assert parse("/more\r") == ("more", "", False)
    assert "leave out --encoding" in error_line(piped("a\n", "--encoding", "latin-1", model=model), 2)


def test_the_name_of_a_file_is_not_normalised(models: Path, tmp_path: Path) -> None:
    name = "и\u0306.txt"
    done = piped(f"ab\n/save {name}\n", "--encoding", "utf-8", model=models / "cyrillic.safetensors", cwd=tmp_path)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_no_line_waits_for_the_next(end: bytes) -> None:
    with started("sample", TALES, *ARGS, cwd=DOCS) as process:
        for temp in ("0.5", "0.7"):
            process.stdin.write(f"/temp {temp}".encode() + end + b"/temp" + end)
            process.stdin.flush()
            assert process.stderr.readline().decode() == f"temp {temp}\n"
        process.communicate(timeout=60)
    assert process.returncode == 0


# The exit code


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("☃", "never seen '☃'"),
        ("/save no/such/a.txt", "there is no text to save yet"),
        ("The\n/save no/such/a.txt", "can't write no/such/a.txt: there is no folder no/such; make it first"),
        ("/state no/x", "can't write no/x: there is no folder no; make it first"),
        ("/tempo 1", "did you mean /temp?"),
        ("/match [0-9]\n/ban 0-9\nThe", "/allow or /ban excludes [0-9]"),
        (r"The \q", "unknown escape"),
        ("/state .", "is a folder"),
    ],
)
def test_what_failed_is_told_and_the_rest_is_done_and_the_exit_code_is_1(lines: str, told: str, tmp_path: Path) -> None:
    done = piped(f"{lines}\n/ban\n/match\n/length 0\nOne\n", cwd=tmp_path)
    failed = [line for line in done.stderr.splitlines() if line.startswith("charrnn: ")]
    assert (done.returncode, len(failed)) == (1, 1)
    assert told in failed[0]
    assert done.stdout.endswith("One\n")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("lines", ["", "The\n/back\n/text\n", "/quit\n☃\n"])
def test_a_conversation_without_a_failure_has_the_exit_code_0(lines: str) -> None:
    assert piped(lines).returncode == 0


# The names in errors


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/penalty x", "/penalty needs a number, not 'x'"),
        ("/penalty -1", "/penalty must be from 0 to 1e+06, not -1"),
        ("/loop-penalty x", "/loop-penalty needs a number, not 'x'"),
        ("/allow z-a", "/allow has the reversed range z-a"),
        (r"/ban \q", r"/ban has the unknown escape \q"),
        ("/length 1e3", "/length needs a whole number, not '1e3'"),
        ("/min-length 2.5", "/min-length needs a whole number, not '2.5'"),
        ("/top-k x --temp y", "/top-k needs a whole number, not 'x --temp y'"),
        ("The\n/again -1", "/again must be at least 0, not -1"),
        ("/seed -1", "/seed must be at least 0, not -1"),
        ("/match (", "/match '(' is not a regular expression: "),
        ("/match a --match (", "/match 'a --match (' is not a regular expression: "),
        ("☃", "leave them out with /unknown skip, or replace them with /unknown nearest"),
        ("/match [a-z]{9}\nThe", "the shortest text that matches has 9 characters: give at least that as the /length"),
    ],
)
def test_an_error_has_what_was_typed(line: str, says: str) -> None:
    told = piped(f"{line}\n").stderr.splitlines()
    assert len(told) == 1
    assert says in told[0]
    assert " --" not in told[0].replace(line.partition(" ")[2], "")


def test_only_options_that_have_a_command_become_one() -> None:
    error = SamplingError("give a larger --length, or another --max-copy, not '--length' or a--length: --length-x")
    assert message(error) == "give a larger /length, or another --max-copy, not '--length' or a--length: --length-x"
    penalty = message(ConfigError("loop_penalty must be 'a loop_penalty', or --loop-penalty"), parse("/penalty x"))
    assert penalty == "/penalty must be 'a loop_penalty', or /penalty"
    assert as_commands("--allow and --ban leave out 'x'") == "/allow and /ban leave out 'x'"


# On a terminal


@posix
def test_the_bytes_of_a_terminal_are_in_the_encoding_that_is_given(tmp_path: Path) -> None:
    env = {"NO_COLOR": "1", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "VISUAL": "", "EDITOR": ""}
    with at_a_terminal("sample", TALES, *ARGS, "--encoding", "cp1251", cwd=tmp_path, env=env) as session:
        session.wait_for("> ")
        session.type(b"\xb8\r")
        assert "never seen 'ё' (U+0451" in session.wait_for("> ")
        session.type("/unknown nearest\r")
        session.wait_for("> ")
        session.type("\x04")
        assert session.end() == 0


@pytest.mark.parametrize(
    ("encoding", "raw"), [("utf-8", "ёé\udcff".encode("utf-8", "surrogateescape")), ("cp1251", b"\xb8\\U000000e9\xff")]
)
def test_a_text_to_edit_is_shown_in_the_encoding_of_the_terminal(
    encoding: str, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert os.fsencode(line_input._as_locale_reads("ёé\udcff")) == raw


@posix
def test_no_terminal_sends_an_encoding_in_which_a_newline_is_no_byte(tmp_path: Path) -> None:
    with at_a_terminal("sample", TALES, *ARGS, "--encoding", "utf-16", cwd=tmp_path, env={}) as session:
        session.wait_for("no terminal sends utf-16: give another --encoding")
        assert session.end() == 2
