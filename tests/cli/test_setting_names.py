"""The names of settings in errors: on the command line those of options, and in interactive mode those of commands."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer

from charrnn.cli import program
from charrnn.cli.terminal import setting_names
from charrnn.config import SamplingConfig
from charrnn.errors import CharRNNError, ConfigError
from charrnn.sampling.request import SamplingRequest
from support.processes import charrnn, error_line
from support.readmes import ROOT

MODELS = ROOT / "tests" / "fixtures" / "docs"
LETTERS = MODELS / "letters.txt"
LINES = {
    "train": ["train", LETTERS],
    "sample": ["sample", MODELS / "tales.safetensors"],
    "translate": ["translate", MODELS / "dates.safetensors", LETTERS],
    "classify": ["classify", MODELS / "classifier.safetensors", LETTERS],
    "tag": ["tag", MODELS / "tagger.safetensors", LETTERS],
    "score": ["score", MODELS / "tales.safetensors", LETTERS],
    "adapt": ["adapt", MODELS / "tales.safetensors", LETTERS, "--out", "adapted.safetensors"],
    "inspect": ["inspect", MODELS / "tales.safetensors"],
    "export": ["export", MODELS / "tales.safetensors", "tales.html"],
    "serve": ["serve", MODELS / "tales.safetensors", "--port", "0"],
    "warm-up": ["warm-up"],
}
"""A command line of each command, to which an option with a bad value is added."""
BAD = {int: "-7", float: "nan", str: "nonsense"}
"""A value that no setting of a type has."""
ALSO = {
    ("train", "--lm-weight"): ["--classify"],
    **{("score", f"--adapt-{name}"): ["--adapt"] for name in ("rate", "pull", "segment")},
    **{("sample", f"--adapt-{name}"): ["--adapt", "--prime", "a"] for name in ("rate", "pull", "segment")},
    **{
        ("train", f"--{name}"): ["--distributed"] for name in ("exchange", "rank-timeout", "outer-lr", "outer-momentum")
    },
    ("train", "--unknown"): ["--init-from", str(MODELS / "tales.safetensors")],
}
"""The options that an option needs."""
TEXTS = ("label", "match", "prime", "allow", "ban")
"""The options that complete their values, and take any text."""


def settings() -> list[tuple[str, str, str]]:
    """Each option of each command that has a number or one of several values: its command, its name, a bad value."""
    found = []
    for name, command in program().commands.items():
        types = get_type_hints(import_module(f"charrnn.cli.{name.replace('-', '_')}.command").command)
        for option in (each for each in command.params if each.param_type_name == "option"):
            kinds = {*get_args(types.get(option.name))} or {types.get(option.name)}
            has_choices = option._custom_shell_complete is not None and option.name not in TEXTS
            kind = next((kind for kind in (int, float) if kind in kinds), str if has_choices else None)
            if kind:
                found.append((name, max(option.opts, key=len), BAD[kind]))
    return found


def test_there_are_settings_of_every_command() -> None:
    assert {command for command, _, _ in settings()} == {*LINES} - {"inspect"}  # which has names and patterns only
    assert len(settings()) > 60


@pytest.mark.parametrize(("command", "option", "bad"), settings())
def test_a_bad_value_is_an_error_that_names_its_option(
    command: str, option: str, bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = [*map(str, LINES[command]), *ALSO.get((command, option), []), option, bad]
    with pytest.raises((CharRNNError, typer.TyperException)) as error:
        program().main(line, standalone_mode=False, prog_name="charrnn")
    assert error.value.exit_code == 2
    message = error.value.format_message() if isinstance(error.value, typer.TyperException) else str(error.value)
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", message), message
    assert bad in message
    assert not re.search(r"[a-z]_[a-z]", message), message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("train LETTERS --clip 0 --clip-by value", "--clip-by is only for a --clip above 0"),
        ("train LETTERS --momentum 0.5", "--momentum is only for --optimizer sgd"),
        ("train LETTERS --nonlinearity relu", "--nonlinearity relu is only for --cell rnn, not lstm"),
        ("train LETTERS --normalize nfx", "--normalize can't be 'nfx': choose one of nfc, nfd, nfkc, none"),
        (
            "train LETTERS --init-from TALES --hidden-size 9",
            "--hidden-size can't be 9: the model of --init-from has 128",
        ),
        ("sample TALES --temp 1:-2", "--temp must be from 0 to 1e+06, not -2"),
        ("sample TALES --min-length 9 -n 5", "--min-length must be at most the --length, 5, not 9"),
    ],
)
def test_a_real_command_line_has_every_setting_as_it_is_typed(line: str, says: str, tmp_path: Path) -> None:
    words = line.replace("LETTERS", str(LETTERS)).replace("TALES", str(LINES["sample"][1])).split()
    assert says in error_line(charrnn(*words, cwd=tmp_path), 2)


def test_in_python_an_error_has_the_names_of_parameters() -> None:
    for make, says in (
        (lambda: SamplingRequest(min_length=9, length=5), "min_length must be at most the length, 5, not 9"),
        (lambda: SamplingConfig(top_p=2.0), "top_p must be from 0 to 1, not 2"),
        (lambda: SamplingRequest(end="word"), "end can't be 'word': choose one of sentence"),
    ):
        with pytest.raises(ConfigError) as error:
            make()
        assert str(error.value) == says


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        (
            "overwrite it with `force=True`, or give another `checkpoint`",
            "overwrite it with --force, or give another --out",
        ),
        ('`errors="replace"`, or `as_bytes=True`', "--errors replace, or --bytes"),
        ('give `checkpoint="a b.safetensors"`', "give --out a b.safetensors"),
        ("match `include='*.c'`: `temp=0`", "match --include '*.c': --temp 0"),
        ('`layout="labels"` or `table="conll"`', "--classify or --conll"),
        ('`charrnn.train(layout="lines")` makes', "`charrnn train --lines` makes"),
        ("`charrnn.sample_lines(label=…)`, `charrnn.translate`", "`charrnn sample --label`, `charrnn translate`"),
        ("continue it with `charrnn.resume`", "continue it with --resume"),
        ("'`force=True`' and \"`lr`\" are in `text`", "'`force=True`' and \"`lr`\" are in --text"),
        ("the key `charrnn`; `gzip -dc a.gz > copy`", "the key `charrnn`; `gzip -dc a.gz > copy`"),
    ],
)
def test_the_code_in_an_error_becomes_options_and_commands(said: str, typed: str) -> None:
    assert setting_names.as_options(said) == typed


def texts(path: Path, kind: type[ast.AST]) -> Iterator[str]:
    """The texts in the syntax of a file, within nodes of a kind."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kind):
            yield from (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def test_errors_of_the_library_say_what_to_do_in_python() -> None:
    known = {name for command in program().commands.values() for each in command.params for name in each.opts}
    only_typed = ("cli", "distributed", "plugins", "server")
    paths = [p for p in (ROOT / "charrnn").rglob("*.py") if p.relative_to(ROOT / "charrnn").parts[0] not in only_typed]
    found = [text for path in paths for text in texts(path, ast.Raise)]
    assert not [text for text in found if re.search("--[a-z]", text) and "`charrnn sample --state-out`" not in text]
    named = [setting_names.as_options(code[0]) for text in found for code in re.finditer(setting_names.CODE, text)]
    options = {word for text in named for word in text.strip("`").split() if word.startswith("--")}
    assert len(options) > 20
    assert options <= known


def test_only_names_of_settings_become_options() -> None:
    typed = {"end": "--end", "min_length": "--min-length", "stop": "--stop"}
    error = ConfigError("end can't be 'end' or \"min_length\": min_length, /end, end.txt, a_min_length and end.", "end")
    assert setting_names.as_typed(error, typed) == (
        "--end can't be 'end' or \"min_length\": --min-length, /end, end.txt, a_min_length and --end."
    )
    assert setting_names.as_typed(ConfigError("a stop at the end"), typed) == "a stop at the end"
