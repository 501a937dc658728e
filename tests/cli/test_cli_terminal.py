"""Text on a terminal: every command shows what would control it as escapes, and leaves all other characters alone."""

from pathlib import Path

import pytest

from support.processes import charrnn, posix, raw, train_model
from support.terminal import on_a_terminal

DOCS = Path(__file__).parents[1] / "fixtures" / "docs"
PEACEFUL = "東京\u3000大阪 10\u00a0km Donau\u00addampf 👩\u200d👧 می\u200cخواهم \u2028\U000e0067"
"""Spaces that are not U+0020, a soft hyphen, joiners, a line separator and a tag: all are text."""
HOSTILE = "\x1b[31m \x07 \x7f \x9b2J \u202e \u2066 \b"
SHOWN = "\\x1b[31m \\x07 \\x7f \\x9b2J \\u202e \\u2066 \\x08"

pytestmark = posix


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows every character."""
    return train_model(tmp_path_factory.mktemp("bytes"), b"\x1b[31m" * 50, "--bytes", steps=1)


def shown_on_a_terminal(*args: object, given: bytes, cwd: Path) -> str:
    """What a command shows on a terminal as wide as it needs."""
    return on_a_terminal(*args, given=given, cwd=cwd, env={"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "500"})[0]


@pytest.mark.parametrize(
    "line",
    [
        "sample BYTES --prime - -n 0 --seed 1",
        "score BYTES --per-line",
        "score BYTES --heatmap",
        "classify classifier.safetensors",
        "tag tagger.safetensors --spans",
        "tag tagger.safetensors",
    ],
)
def test_a_terminal_gets_escapes_for_what_would_control_it_and_nothing_else(line: str, of_bytes: Path) -> None:
    words = [of_bytes if word == "BYTES" else word for word in line.split()]
    text = f"Ann {HOSTILE} {PEACEFUL} at 7 am \udcff"
    shown = shown_on_a_terminal(*words, given=raw(text) + b"\n", cwd=DOCS)
    if "--spans" in line:
        assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
        return
    assert f"Ann {SHOWN} {PEACEFUL} at 7 am \\udcff" in shown
    if "--heatmap" not in line:  # which is to be seen wherever it goes
        assert charrnn(*words, cwd=DOCS, input=raw(text) + b"\n").stdout.count(text) == shown.count("Ann")


def test_raw_text_reaches_a_terminal_and_safe_text_a_pipe(of_bytes: Path, tmp_path: Path) -> None:
    args, text = ("sample", of_bytes, "--prime", "-", "-n", 0, "--seed", 1), HOSTILE + PEACEFUL
    assert shown_on_a_terminal(*args, "--raw-text", given=text.encode(), cwd=tmp_path) == text + "\n"
    assert charrnn(*args, "--safe-text", cwd=tmp_path, input=text).stdout == SHOWN + PEACEFUL


@pytest.mark.parametrize("options", [("--null",), ("--separator", r"\0"), ("--null", "--count", 2)])
def test_what_stands_between_samples_is_sent_as_it_is(options: tuple[object, ...], of_bytes: Path) -> None:
    args = ("sample", of_bytes, "--safe-text", "--prime", "-", "-n", 0, "--seed", 1)
    done = charrnn(*args, *options, cwd=of_bytes.parent, input="a\x1b\0")
    assert done.stdout == "a\\x1b\\x00\0" * (2 if "--count" in options else 1)


def test_a_newline_of_two_characters_is_one_on_a_terminal(of_bytes: Path, tmp_path: Path) -> None:
    shown = shown_on_a_terminal("score", of_bytes, "--above", 0, given=b"one\r\ntwo\rthree\r\n", cwd=tmp_path)
    assert shown == "one\ntwo\\rthree\n"


def test_a_sample_while_training_is_shown_as_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(("東\u3000京\u00ad\x1b\u202e" * 200), encoding="utf-8")
    options = ("--hidden-size", 8, "--layers", 1, "--engine", "numpy", "--steps", 4, "--sample-every", 4, "--seed", 1)
    done = charrnn("train", "c.txt", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sample = done.stderr.partition("sample at step 4:\n    ")[2].partition("\n")[0]
    assert {"\\x1b", "\\u202e"} <= {sample[n : n + length] for n in range(len(sample)) for length in (4, 6)}
    assert {"東", "京", "\u3000", "\u00ad"} <= set(sample)
    assert not {"\x1b", "\u202e"} & set(sample)
