"""The words of a shell: a command line in a message is the same when it is pasted."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.dataset import shell_words
from charrnn.dataset.control_characters import one_line

WORDS = [
    "plain.txt",
    "it's",
    "two words",
    "a\nb",
    "a\tb\r",
    "\x1b[31m'\\n",
    "\x017",
    "\u2028\u202e",
    "é 東",
    os.fsdecode(b"caf\xe9"),
    "$HOME `ls` \n",
    "",
    "-n",
]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("a.txt", "a.txt"), ("a b", "'a b'"), ("a\nb", "$'a\\nb'"), ("it's\t", "$'it\\'s\\t'"), ("\x1b7", "$'\\0337'")],
)
def test_only_what_a_shell_needs_is_quoted(word: str, quoted: str) -> None:
    assert shell_words.quote(word) == quoted
    assert shell_words.join(["x", word]) == f"x {quoted}"


def test_a_lone_surrogate_that_is_no_byte_is_quoted_too() -> None:
    assert shell_words.quote("a\ud800") == "$'a\\355\\240\\200'"


@settings(max_examples=15)
@given(st.text(max_size=50))
def test_a_quoted_word_is_shown_as_it_is(word: str) -> None:
    word = word.encode("utf-8", "replace").decode()
    assert one_line(shell_words.quote(word)) == shell_words.quote(word)


def split(line: str, shell: str) -> list[bytes]:
    """The words that a shell makes of a command line."""
    script = f"printf '%s\\0' {line}".encode("utf-8", "surrogateescape")
    env = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run([shell, "-c", script], capture_output=True, check=True, env=env).stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh"])
def test_a_shell_reads_the_words_that_were_quoted(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    assert split(shell_words.join(WORDS), shell) == [*map(os.fsencode, WORDS)]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@settings(max_examples=15)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=20))
def test_bash_reads_any_words(words: list[str]) -> None:
    assert split(shell_words.join(words), "bash") == [word.encode() for word in words]
