"""The help in groups, the suggestions for unknown options and commands, and shell completion."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from charrnn import cli, config, engine
from charrnn.cli.terminal import suggestions
from charrnn.cli.terminal.help import MOST_USED
from charrnn.cli.terminal.help import option as declared
from charrnn.dataset.file_decoder import ERROR_HANDLERS
from charrnn.dataset.vocabulary import POLICIES, Vocabulary
from charrnn.errors import ConfigError
from charrnn.export.page import weights
from charrnn.sampling import request
from charrnn.scoring import score
from charrnn.training.state import UNKNOWN
from support.processes import charrnn, environment, error_line, posix

PROGRAM = cli.program()
COMMANDS = PROGRAM.commands
ALL = [(name, old, new) for name in COMMANDS for new, words in suggestions.RENAMED.items() for old in words.split()]


def options(command: str) -> dict[str, Any]:
    """The options of a command by each of their names."""
    found = [parameter for parameter in COMMANDS[command].params if parameter.param_type_name == "option"]
    return {name: option for option in found for name in (*option.opts, *option.secondary_opts)}


def sections(text: str) -> dict[str, list[str]]:
    """The headings of a help text, with the lines below each that begin with an option, an argument or a command."""
    found: dict[str, list[str]] = {}
    below: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"(\S.*):", line):
            below = found.setdefault(heading[1], [])
        elif not line:
            below = []
        elif re.match(r"  \S", line):
            below.append(line.strip())
    return found


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_listed_once_under_the_heading_of_its_group(name: str, tmp_path: Path) -> None:
    shown = sections(charrnn(name, "--help", cwd=tmp_path).stdout)
    assert [*shown][:2] == ["Arguments", MOST_USED]
    groups = list(dict.fromkeys(option.rich_help_panel for option in options(name).values()))
    assert [*shown][1:] == groups
    for option in {id(option): option for option in options(name).values()}.values():
        names = {group: " ".join(line.partition("  ")[0] for line in shown[group]) for group in groups}
        found = [group for group in groups for word in re.split("[ ,]+", names[group]) if word == option.opts[0]]
        assert found == [option.rich_help_panel]
    assert sum(line.startswith("-h, --help ") for line in shown[groups[-1]]) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_group_has_five_options(name: str, tmp_path: Path) -> None:
    assert len(sections(charrnn(name, "--help", cwd=tmp_path).stdout)[MOST_USED]) == 5


@pytest.mark.parametrize("name", COMMANDS)
def test_all_descriptions_begin_in_the_same_column(name: str, tmp_path: Path) -> None:
    shown = charrnn(name, "--help", cwd=tmp_path).stdout
    texts = [option.help for option in options(name).values()]
    columns = {
        line.index(text.split(". ")[0][:20]) for text in texts for line in shown.splitlines() if text[:20] in line
    }
    assert len(columns) == 1


def test_the_help_of_the_program_has_a_line_for_each_command_then_examples(tmp_path: Path) -> None:
    shown = charrnn("--help", cwd=tmp_path).stdout
    found = sections(shown)
    assert [*found] == ["Commands", "Options"]
    assert found["Commands"] == [f"{name:<{max(map(len, COMMANDS))}}  {COMMANDS[name].help}" for name in COMMANDS]
    examples = shown.partition("Examples:")[2].splitlines()[1:]
    assert [line.split()[:2] for line in examples] == [["charrnn", name] for name in COMMANDS]


@pytest.mark.parametrize("columns", [40, 200])
def test_help_fits_eighty_columns_in_terminals_of_any_width(columns: int, tmp_path: Path) -> None:
    shown = charrnn("train", "--help", cwd=tmp_path, env={"COLUMNS": str(columns)}).stdout
    assert [*sections(shown)][:2] == ["Arguments", MOST_USED]
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_an_option_passes_its_settings_to_typer() -> None:
    found = declared("A group", "A help.", "--name", show_default=True, envvar="X", metavar="Y", values=("ab", "b"))
    assert (found.rich_help_panel, found.help, found.show_default, found.envvar) == ("A group", "A help.", True, "X")
    assert (found.metavar, found.show_envvar, found.autocompletion("a")) == ("Y", False, ["ab"])
    plain = declared("A group", "A help.")
    assert (plain.show_default, plain.autocompletion) == (False, None)


# Unknown options and commands


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("generate", "no command 'generate': did you mean sample?"),
        ("write", "no command 'write': did you mean sample?"),
        ("fit corpus.txt", "no command 'fit': did you mean train?"),
        ("perplexity", "no command 'perplexity': did you mean score?"),
        ("info", "no command 'info': did you mean inspect?"),
        ("help", "no command 'help': did you mean --help?"),
        ("trian corpus.txt", "no command 'trian': did you mean train?"),
        ("Train", "no command 'Train': did you mean train?"),
        ("-", "no command '-': did you mean charrnn train -?"),
        ("my.txt", "no command 'my.txt': did you mean charrnn train my.txt?"),
        ("my.safetensors", "no command 'my.safetensors': did you mean charrnn sample my.safetensors?"),
        ("--verison", "no option --verison: did you mean --version?"),
        ("-v", "no option -v: did you mean --version?"),
        ("--frobnicate", "no option --frobnicate: charrnn --help describes those that there are"),
        ("--temp 0.8 sample", "no option --temp before a command: did you mean charrnn sample --temp?"),
        ("--json score", "no option --json before a command: did you mean charrnn score --json?"),
        ("sample --temperature 0.8", "sample has no option --temperature: did you mean --temp?"),
        ("sample --temperature=0.8", "sample has no option --temperature: did you mean --temp?"),
        ("sample -temperature 0.8", "sample has no option -temperature: did you mean --temp?"),
        ("sample --temprature 0.8", "sample has no option --temprature: did you mean --temp?"),
        ("sample --num-chars 9", "sample has no option --num-chars: did you mean --length?"),
        ("sample --max-tokens 9", "sample has no option --max-tokens: did you mean --length?"),
        ("sample --primetext A", "sample has no option --primetext: did you mean --prime?"),
        ("sample --num-samples 9", "sample has no option --num-samples: did you mean --count?"),
        ("sample -k 9", "sample has no option -k: did you mean --count or --top-k?"),
        ("sample --out my.txt", "sample has no option --out: it writes to stdout, as in charrnn sample > FILE"),
        (
            "sample --model my.safetensors",
            "sample has no option --model: name the file without it, as in charrnn sample model.safetensors",
        ),
        ("train --hiden-size 9", "train has no option --hiden-size: did you mean --hidden-size?"),
        ("train --hidden_size 9", "train has no option --hidden_size: did you mean --hidden-size?"),
        ("train --Hidden-Size 9", "train has no option --Hidden-Size: did you mean --hidden-size?"),
        ("train -rnn_size 9", "train has no option -rnn_size: did you mean --hidden-size?"),
        ("train --num-layers 9", "train has no option --num-layers: did you mean --layers?"),
        ("train --learning-rate 9", "train has no option --learning-rate: did you mean --lr?"),
        ("train --lr-dec 9", "train has no option --lr-dec: did you mean --lr-decay or --lr-decay-after?"),
        ("train --model gru", "train has no option --model: did you mean --cell?"),
        ("train --output my.safetensors", "train has no option --output: did you mean --out?"),
        ("train --data my.txt", "train has no option --data: name the file without it, as in charrnn train corpus.txt"),
        ("train --temp 1", "train has no option --temp: charrnn sample has --temp"),
        ("train --frobnicate", "train has no option --frobnicate: charrnn train --help describes those that there are"),
        ("train -x", "train has no option -x: charrnn train --help describes those that there are"),
        ("train --\x1b[31m", "train has no option --\\x1b[31m: charrnn train --help describes those that there are"),
    ],
)
def test_the_error_for_an_unknown_name_has_a_suggestion(line: str, message: str, tmp_path: Path) -> None:
    for name in ("my.txt", "my.safetensors"):
        (tmp_path / name).touch()
    shown, _, listed = error_line(charrnn(*line.split(), cwd=tmp_path), 2).partition(" (the ")
    assert shown == f"charrnn: {message}"
    command = line.split()[0]
    if " option " not in message:
        assert listed == f"commands are {', '.join([*COMMANDS][:-1])} and {[*COMMANDS][-1]})"
    elif command in COMMANDS:
        longest = {max(option.opts, key=len) for option in options(command).values()}
        assert {*re.findall(r"--[\w-]+", listed)} == {*longest, "--help"}
    else:
        own = "--version, --install-completion, --show-completion, --help"
        assert listed == f"options before a command: {own})"


def test_the_error_for_an_unknown_command_without_a_suggestion_lists_all_commands(tmp_path: Path) -> None:
    line = error_line(charrnn("frobnicate", cwd=tmp_path), 2)
    *names, last = COMMANDS
    assert line == f"charrnn: no command 'frobnicate': the commands are {', '.join(names)} and {last}"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [(name, old, new) for name, old, new in ALL if f"--{new}" in options(name) and f"--{old}" not in options(name)],
)
def test_the_new_name_of_a_renamed_option_is_suggested(name: str, old: str, new: str, tmp_path: Path) -> None:
    line = error_line(charrnn(name, f"--{old}", cwd=tmp_path), 2)
    assert line.startswith(f"charrnn: {name} has no option --{old}: did you mean ")
    assert f"--{new}" in suggested(line)


def usage_error(*args: str) -> str:
    """The error message for a command line, by the same code but in this process."""
    with pytest.raises(typer.TyperException) as caught:
        PROGRAM.main(list(args), standalone_mode=False, prog_name="charrnn")
    assert caught.value.exit_code == 2
    return caught.value.format_message()


def suggested(message: str) -> list[str]:
    """The names that an error message suggests."""
    return re.findall(r"-{1,2}\w[\w-]*", message.partition("did you mean ")[2].partition("?")[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_suggested_for_their_names_in_other_programs(name: str) -> None:
    tried = 0
    for target, words in (*suggestions.RENAMED.items(), *suggestions.OPTIONS.items()):
        for word in words.split():
            given = f"--{word}" if len(word) > 1 else f"-{word}"
            if f"--{target}" in options(name) and not {given, f"--{word}", f"-{word}"} & {*options(name)}:
                message = usage_error(name, given)
                assert f"--{target}" in suggested(message), message
                assert set(suggested(message)) <= set(options(name))
                tried += 1
    assert tried >= 10


def test_commands_are_suggested_for_their_names_in_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target, words in suggestions.COMMANDS.items():
        for word in words.split():
            start = f"no command {word!r}: did you mean {target}? (the commands are "
            assert word in COMMANDS or usage_error(word).startswith(start)


def test_the_tables_suggest_only_names_that_exist() -> None:
    existing = {name.lstrip("-") for command in COMMANDS for name in options(command)} | {"version"}
    old = {word for words in suggestions.RENAMED.values() for word in words.split()}
    not_yet_renamed = {new for new, words in suggestions.RENAMED.items() if existing & set(words.split())}
    assert {*suggestions.RENAMED, *suggestions.OPTIONS} <= existing | not_yet_renamed | {"no-locked-dropout"}
    assert set(suggestions.COMMANDS) <= {*COMMANDS, "--help", "--version"}
    assert not old & set(suggestions.OPTIONS)


KNOWN = {"temp": "--temp", "top-k": "--top-k", "top-p": "--top-p", "n": "-n", "length": "--length"}
SYNONYMS = {"temperature": ("heat", "temp"), "size": ("length", "top-k")}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("--TEMP", ["--temp"]),
        ("-length", ["--length"]),
        ("--temperature", ["--temp"]),
        ("--tempreture", ["--temp"]),
        ("--size", ["--length", "--top-k"]),
        ("--top", ["--top-k", "--top-p"]),
        ("--te", ["--temp"]),
        ("--lenght", ["--length"]),
        ("--t", []),
        ("--time", []),
        ("--", []),
        ("--" + "x" * 100_000, []),
    ],
)
def test_near_names_are_spellings_synonyms_parts_and_typing_errors(name: str, found: list[str]) -> None:
    assert suggestions.near(name, KNOWN, SYNONYMS) == found


@given(st.text(max_size=20))
def test_near_names_are_known_names_without_duplicates(name: str) -> None:
    found = suggestions.near(name, KNOWN, SYNONYMS)
    assert set(found) <= set(KNOWN.values())
    assert len(found) == len(set(found)) <= suggestions.MAX_SUGGESTIONS


# Completion


def script(folder: Path) -> Path:
    """A program `charrnn` in a folder `bin` of this folder."""
    path = folder / "bin" / "charrnn"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m charrnn "$@"\n')
    path.chmod(0o755)
    return path


def home(folder: Path) -> dict[str, str]:
    """An environment in which this folder is the home, and `charrnn` is on the path."""
    return environment({"HOME": str(folder), "PATH": f"{script(folder).parent}{os.pathsep}{os.environ['PATH']}"})


def run(*line: str, env: Mapping[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Runs a shell to its end."""
    return subprocess.run(
        line, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def completions(line: str, cwd: Path) -> list[str]:
    """The completions that bash gets for the last word of a line."""
    words = line.split(" ")
    env = {"_CHARRNN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = charrnn(cwd=cwd, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("charrnn tr", ["train", "translate"]),
        ("charrnn ", [*COMMANDS]),
        ("charrnn --ver", ["--version"]),
        ("charrnn --version tr", ["train", "translate"]),
        ("charrnn --show-completion tr", ["train", "translate"]),
        ("charrnn train --hid", ["--hidden-size"]),
        ("charrnn train --time bad --hid", ["--hidden-size"]),
        ("charrnn train --cell ", [*config.CELLS]),
        ("charrnn train --nonlinearity ", [*config.NONLINEARITIES]),
        ("charrnn train --nonl", ["--nonlinearity"]),
        ("charrnn train --optimizer ad", [name for name in config.OPTIMIZERS if name.startswith("ad")]),
        ("charrnn sample --frobnicate --tem", ["--temp"]),
        ("charrnn sample ", []),  # the shell completes file names
    ],
)
def test_commands_options_and_values_are_completed(line: str, words: list[str], tmp_path: Path) -> None:
    assert completions(line, tmp_path) == words


def test_completions_have_the_full_descriptions(tmp_path: Path) -> None:
    env = {"_CHARRNN_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = charrnn(cwd=tmp_path, env=env | {"_TYPER_COMPLETE_ARGS": "charrnn train --"})
    shown = dict(line.split("\t") for line in done.stdout.splitlines())
    assert shown.keys() >= {name for name in options("train") if name.startswith("--")}
    assert all(shown[name] == option.help for name, option in options("train").items() if name in shown)
    done = charrnn(cwd=tmp_path, env=env | {"_TYPER_COMPLETE_ARGS": "charrnn "})
    assert dict(line.split("\t") for line in done.stdout.splitlines()) == {n: c.help for n, c in COMMANDS.items()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_imports_nothing_heavy(shell: str, tmp_path: Path) -> None:
    env = {"_CHARRNN_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "charrnn train --c"}
    env |= {"COMP_WORDS": "charrnn train --c", "COMP_CWORD": "2", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run(sys.executable, "-X", "importtime", "-m", "charrnn", env=environment(env), cwd=tmp_path)
    assert "--clip" in done.stdout
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "charrnn.cli" in found
    assert not found & {"numpy", "rich", "rich.console", "safetensors", "numba", "tqdm"}


def test_an_empty_completion_variable_is_ignored(tmp_path: Path) -> None:
    env = environment({"_CHARRNN_COMPLETE": ""})
    assert charrnn("--version", cwd=tmp_path, env=env).stdout.startswith("charrnn ")
    code = "from charrnn import cli; cli.program(); import rich"
    assert run(sys.executable, "-c", code, env=env, cwd=tmp_path).returncode == 0


def test_help_imports_no_pydantic(tmp_path: Path) -> None:
    for args in (("--help",), ("train", "--help")):
        done = run(sys.executable, "-X", "importtime", "-m", "charrnn", *args, env=environment(), cwd=tmp_path)
        assert done.returncode == 0
        assert not re.search(r"\| +pydantic\b", done.stderr)


@posix
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_after_the_installation(tmp_path: Path) -> None:
    env = home(tmp_path)
    done = run("bash", "--norc", "-c", "charrnn --install-completion; exit $?", env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "bash completion installed" in done.stderr
    ask = (
        'COMP_WORDS=(charrnn i) COMP_CWORD=1; _charrnn_completion charrnn; echo "${COMPREPLY[@]}"; complete -p charrnn'
    )
    done = run("bash", "--norc", "-c", f'. "$HOME/.bashrc"; {ask}', env=env, cwd=tmp_path)
    assert done.stdout.splitlines() == ["inspect", "complete -o default -F _charrnn_completion charrnn"]
    assert done.stderr == ""
    shown = run("bash", "--norc", "-c", "charrnn --show-completion; exit $?", env=env, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.strip() == (tmp_path / ".bash_completions" / "charrnn.sh").read_text().strip()


@posix
@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish_completes_after_the_installation(tmp_path: Path) -> None:
    env = home(tmp_path)
    assert run("fish", "-c", "charrnn --install-completion; exit $status", env=env, cwd=tmp_path).returncode == 0
    done = run("fish", "-c", "complete -C 'charrnn ins'", env=env, cwd=tmp_path)
    assert done.stdout == f"inspect\t{COMMANDS['inspect'].help}\n"


@posix
@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_finds_the_script_after_the_installation(tmp_path: Path) -> None:
    env = home(tmp_path)
    done = run("zsh", "-f", "-c", "charrnn --install-completion; exit $?", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("zsh", "-f", "-i", "-c", '. "$HOME/.zshrc"; echo $_comps[charrnn]', env=env, cwd=tmp_path)
    assert done.stdout == "_charrnn\n"


@posix
@pytest.mark.skipif(not shutil.which("dash"), reason="needs a shell that can't complete")
@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_a_shell_without_completion_is_an_error_in_one_line(option: str, tmp_path: Path) -> None:
    env = home(tmp_path)
    done = run("dash", "-c", f"charrnn {option}; exit $?", env=env, cwd=tmp_path)
    assert "bash, zsh, fish and powershell" in error_line(done, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"bin"}


@posix
def test_a_home_that_is_not_writable_is_an_error_in_one_line(tmp_path: Path) -> None:
    env = home(tmp_path) | {"HOME": str(tmp_path / "bin" / "charrnn")}
    for shell in filter(shutil.which, ("bash", "zsh")):
        error_line(run(shell, "-c", "charrnn --install-completion; exit $?", env=env, cwd=tmp_path), 1)


def test_the_environment_can_not_set_options_that_end_the_program(tmp_path: Path) -> None:
    env = {f"CHARRNN_{name}": "1" for name in ("INSTALL_COMPLETION", "SHOW_COMPLETION", "HELP", "VERSION")}
    env |= {f"CHARRNN_{name.upper()}_HELP": "1" for name in COMMANDS} | {"HOME": str(tmp_path), "_CHARRNN_COMPLETE": ""}
    for name in COMMANDS:
        line = error_line(charrnn(name, "missing.safetensors", "--quiet", cwd=tmp_path, env=env), 1, 2)
        assert "missing.safetensors" in line
    assert not list(tmp_path.glob(".*rc"))


def test_the_completed_values_are_the_valid_ones() -> None:
    values = {
        "cell": config.CELLS,
        "nonlinearity": config.NONLINEARITIES,
        "optimizer": config.OPTIMIZERS,
        "schedule": config.SCHEDULES,
        "clip-by": config.CLIPPINGS,
        "engine": engine.ENGINES,
        "errors": ERROR_HANDLERS,
        "end": request.ENDS,
        "normalize": config.NORMALIZATIONS,
        "exchange": config.PRECISIONS,
    }
    offered = {
        (command, name.lstrip("-")): tuple(item.value for item in option.shell_complete(None, ""))
        for command in COMMANDS
        for name, option in options(command).items()
        if option._custom_shell_complete is not None
    }
    assert len(offered) == 30
    for (command, name), found in offered.items():
        if name == "precision":
            values[name] = {"train": ("auto", *config.PRECISIONS), "export": weights.PRECISIONS}.get(
                command, config.WEIGHT_PRECISIONS
            )
        if name in values:
            assert sorted(found) == sorted(values[name]), name
        elif command == "train":
            assert found == UNKNOWN
        elif command == "score":
            assert found == score.UNKNOWN_POLICIES
        elif command == "tag":
            assert found == POLICIES[:2]
        else:
            for policy in found:
                Vocabulary("ab").replace_unknown("a", policy)
            with pytest.raises(ConfigError):
                Vocabulary("ab").replace_unknown("a", "other")
