"""The help in groups, what is said of options and commands that there aren't, and shell completion."""

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
from charrnn.dataset import files
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError
from charrnn.scoring import score
from support.processes import charrnn, environment, posix, refused

COMMANDS = cli.program().commands
ALL = [(name, old, new) for name in COMMANDS for new, words in suggestions.RENAMED.items() for old in words.split()]


def options(command: str) -> dict[str, Any]:
    """The options of a command by each of their names."""
    found = [parameter for parameter in COMMANDS[command].params if parameter.param_type_name == "option"]
    return {name: option for option in found for name in (*option.opts, *option.secondary_opts)}


def sections(text: str) -> dict[str, list[str]]:
    """The headings of a help, and the lines below each that begin with an option, an argument or a command."""
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
def test_each_option_stands_once_below_the_heading_of_its_group(name: str, tmp_path: Path) -> None:
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
def test_five_options_come_first(name: str, tmp_path: Path) -> None:
    assert len(sections(charrnn(name, "--help", cwd=tmp_path).stdout)[MOST_USED]) == 5


@pytest.mark.parametrize("name", COMMANDS)
def test_all_sections_have_one_column_for_what_they_tell(name: str, tmp_path: Path) -> None:
    shown = charrnn(name, "--help", cwd=tmp_path).stdout
    told = [line.help for line in options(name).values()]
    begins = {line.index(text.split(". ")[0][:20]) for text in told for line in shown.splitlines() if text[:20] in line}
    assert len(begins) == 1


def test_the_help_of_the_program_has_a_line_for_each_command_then_examples(tmp_path: Path) -> None:
    shown = charrnn("--help", cwd=tmp_path).stdout
    found = sections(shown)
    assert [*found] == ["Commands", "Options"]
    assert found["Commands"] == [f"{name:<{max(map(len, COMMANDS))}}  {COMMANDS[name].help}" for name in COMMANDS]
    examples = shown.partition("Examples:")[2].splitlines()[1:]
    assert [line.split()[:2] for line in examples] == [["charrnn", name] for name in COMMANDS]


@pytest.mark.parametrize("columns", [40, 200])
def test_help_is_readable_in_terminals_of_any_width(columns: int, tmp_path: Path) -> None:
    shown = charrnn("train", "--help", cwd=tmp_path, env={"COLUMNS": str(columns)}).stdout
    assert [*sections(shown)][:2] == ["Arguments", MOST_USED]
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_an_option_tells_typer_what_it_is_given() -> None:
    made = declared("A group", "A help.", "--name", show_default=True, envvar="X", metavar="Y", values=("ab", "b"))
    assert (made.rich_help_panel, made.help, made.show_default, made.envvar) == ("A group", "A help.", True, "X")
    assert (made.metavar, made.show_envvar, made.autocompletion("a")) == ("Y", False, ["ab"])
    plain = declared("A group", "A help.")
    assert (plain.show_default, plain.autocompletion) == (False, None)


# Options and commands that there aren't


@pytest.mark.parametrize(
    ("line", "said"),
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
        ("--frobnicate", "no option --frobnicate: charrnn --help lists them"),
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
        ("train --frobnicate", "train has no option --frobnicate: charrnn train --help lists them"),
        ("train -x", "train has no option -x: charrnn train --help lists them"),
        ("train --\x1b[31m", "train has no option --\\x1b[31m: charrnn train --help lists them"),
    ],
)
def test_what_there_is_not_is_answered_with_what_was_meant(line: str, said: str, tmp_path: Path) -> None:
    for name in ("my.txt", "my.safetensors"):
        (tmp_path / name).touch()
    assert refused(charrnn(*line.split(), cwd=tmp_path), 2) == f"charrnn: {said}"


def test_an_unknown_command_is_answered_with_all_that_there_are(tmp_path: Path) -> None:
    line = refused(charrnn("frobnicate", cwd=tmp_path), 2)
    *names, last = COMMANDS
    assert line == f"charrnn: no command 'frobnicate': there are {', '.join(names)} and {last}"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [(name, old, new) for name, old, new in ALL if f"--{new}" in options(name) and f"--{old}" not in options(name)],
)
def test_an_option_that_was_renamed_is_told_by_its_new_name(name: str, old: str, new: str, tmp_path: Path) -> None:
    line = refused(charrnn(name, f"--{old}", cwd=tmp_path), 2)
    assert line.startswith(f"charrnn: {name} has no option --{old}: did you mean ")
    assert f"--{new}" in meant(line)


def complaint(*args: str) -> str:
    """What a command line that is not understood is answered with, by the same code but in this process."""
    with pytest.raises(typer.TyperException) as caught:
        cli.program().main(list(args), standalone_mode=False, prog_name="charrnn")
    assert caught.value.exit_code == 2
    return caught.value.format_message()


def meant(line: str) -> list[str]:
    """The names that an answer suggests."""
    return re.findall(r"-{1,2}\w[\w-]*", line.partition("did you mean ")[2])


@pytest.mark.parametrize("name", COMMANDS)
def test_what_an_option_is_called_elsewhere_leads_to_it(name: str) -> None:
    tried = 0
    for target, words in (*suggestions.RENAMED.items(), *suggestions.OPTIONS.items()):
        for word in words.split():
            given = f"--{word}" if len(word) > 1 else f"-{word}"
            if f"--{target}" in options(name) and not {given, f"--{word}", f"-{word}"} & {*options(name)}:
                line = complaint(name, given)
                assert f"--{target}" in meant(line), line
                assert set(meant(line)) <= set(options(name))
                tried += 1
    assert tried >= 10


def test_what_a_command_is_called_elsewhere_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for target, words in suggestions.COMMANDS.items():
        for word in words.split():
            assert word in COMMANDS or complaint(word) == f"no command {word!r}: did you mean {target}?"


def test_tables_lead_to_what_there_is() -> None:
    there = {name.lstrip("-") for command in COMMANDS for name in options(command)} | {"version"}
    old = {word for words in suggestions.RENAMED.values() for word in words.split()}
    to_come = {new for new, words in suggestions.RENAMED.items() if there & set(words.split())}
    assert {*suggestions.RENAMED, *suggestions.OPTIONS} <= there | to_come | {"no-locked-dropout"}
    assert set(suggestions.COMMANDS) <= {*COMMANDS, "--help", "--version"}
    assert not old & set(suggestions.OPTIONS)


SOME = {"temp": "--temp", "top-k": "--top-k", "top-p": "--top-p", "n": "-n", "length": "--length"}
ELSEWHERE = {"temperature": ("heat", "temp"), "size": ("length", "top-k")}


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
def test_names_are_near_as_they_are_typed(name: str, found: list[str]) -> None:
    assert suggestions.near(name, SOME, ELSEWHERE) == found


@given(st.text(max_size=20))
def test_only_what_is_known_is_near(name: str) -> None:
    found = suggestions.near(name, SOME, ELSEWHERE)
    assert set(found) <= set(SOME.values())
    assert len(found) == len(set(found)) <= suggestions.MAX_SUGGESTIONS


# Completion


def script(folder: Path) -> Path:
    """A program `charrnn` that a shell finds in this folder."""
    path = folder / "bin" / "charrnn"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m charrnn "$@"\n')
    path.chmod(0o755)
    return path


def home(folder: Path) -> dict[str, str]:
    """An environment in which this folder is home, and `charrnn` is found."""
    return environment({"HOME": str(folder), "PATH": f"{script(folder).parent}{os.pathsep}{os.environ['PATH']}"})


def run(*line: str, env: Mapping[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Runs a shell to its end."""
    return subprocess.run(
        line, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def completions(line: str, cwd: Path) -> list[str]:
    """What the program answers a bash that completes the last word of a line."""
    words = line.split(" ")
    asked = {"_CHARRNN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = charrnn(cwd=cwd, env=asked)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("charrnn tr", ["train"]),
        ("charrnn ", [*COMMANDS]),
        ("charrnn --ver", ["--version"]),
        ("charrnn --version tr", ["train"]),
        ("charrnn --show-completion tr", ["train"]),
        ("charrnn train --hid", ["--hidden-size"]),
        ("charrnn train --time bad --hid", ["--hidden-size"]),
        ("charrnn train --cell ", ["lstm", "gru", "rnn"]),
        ("charrnn train --optimizer ad", ["adam", "adamw", "adagrad"]),
        ("charrnn sample --frobnicate --tem", ["--temp"]),
        ("charrnn sample ", []),  # the shell completes files
    ],
)
def test_commands_options_and_values_are_completed(line: str, words: list[str], tmp_path: Path) -> None:
    assert completions(line, tmp_path) == words


def test_help_beside_completions_is_whole(tmp_path: Path) -> None:
    asked = {"_CHARRNN_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = charrnn(cwd=tmp_path, env=asked | {"_TYPER_COMPLETE_ARGS": "charrnn train --"})
    shown = dict(line.split("\t") for line in done.stdout.splitlines())
    assert shown.keys() >= {name for name in options("train") if name.startswith("--")}
    assert all(shown[name] == option.help for name, option in options("train").items() if name in shown)
    done = charrnn(cwd=tmp_path, env=asked | {"_TYPER_COMPLETE_ARGS": "charrnn "})
    assert dict(line.split("\t") for line in done.stdout.splitlines()) == {n: c.help for n, c in COMMANDS.items()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_imports_nothing_heavy(shell: str, tmp_path: Path) -> None:
    asked = {"_CHARRNN_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "charrnn train --c"}
    asked |= {"COMP_WORDS": "charrnn train --c", "COMP_CWORD": "2", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run(sys.executable, "-X", "importtime", "-m", "charrnn", env=environment(asked), cwd=tmp_path)
    assert "--clip" in done.stdout
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "charrnn.cli" in found
    assert not found & {"numpy", "rich", "rich.console", "safetensors", "numba", "tqdm"}


def test_an_empty_request_for_completions_is_none(tmp_path: Path) -> None:
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
def test_bash_completes_once_it_is_installed(tmp_path: Path) -> None:
    env = home(tmp_path)
    done = run("bash", "--norc", "-c", "charrnn --install-completion; exit $?", env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "bash completion installed" in done.stderr
    ask = (
        'COMP_WORDS=(charrnn tr) COMP_CWORD=1; _charrnn_completion charrnn; echo "${COMPREPLY[@]}"; complete -p charrnn'
    )
    done = run("bash", "--norc", "-c", f'. "$HOME/.bashrc"; {ask}', env=env, cwd=tmp_path)
    assert done.stdout.splitlines() == ["train", "complete -o default -F _charrnn_completion charrnn"]
    assert done.stderr == ""
    shown = run("bash", "--norc", "-c", "charrnn --show-completion; exit $?", env=env, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.strip() == (tmp_path / ".bash_completions" / "charrnn.sh").read_text().strip()


@posix
@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish_completes_once_it_is_installed(tmp_path: Path) -> None:
    env = home(tmp_path)
    assert run("fish", "-c", "charrnn --install-completion; exit $status", env=env, cwd=tmp_path).returncode == 0
    done = run("fish", "-c", "complete -C 'charrnn tr'", env=env, cwd=tmp_path)
    assert done.stdout == f"train\t{COMMANDS['train'].help}\n"


@posix
@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_finds_the_script_once_it_is_installed(tmp_path: Path) -> None:
    env = home(tmp_path)
    done = run("zsh", "-f", "-c", "charrnn --install-completion; exit $?", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("zsh", "-f", "-i", "-c", '. "$HOME/.zshrc"; echo $_comps[charrnn]', env=env, cwd=tmp_path)
    assert done.stdout == "_charrnn\n"


@posix
@pytest.mark.skipif(not shutil.which("dash"), reason="needs a shell that can't complete")
@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_a_shell_that_cannot_complete_is_told_so_in_one_line(option: str, tmp_path: Path) -> None:
    env = home(tmp_path)
    done = run("dash", "-c", f"charrnn {option}; exit $?", env=env, cwd=tmp_path)
    assert "bash, zsh, fish and powershell" in refused(done, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"bin"}


@posix
def test_a_home_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    env = home(tmp_path) | {"HOME": str(tmp_path / "bin" / "charrnn")}
    for shell in filter(shutil.which, ("bash", "zsh")):
        refused(run(shell, "-c", "charrnn --install-completion; exit $?", env=env, cwd=tmp_path), 1)


def test_the_environment_asks_for_no_option_that_ends_the_program(tmp_path: Path) -> None:
    asked = {f"CHARRNN_{name}": "1" for name in ("INSTALL_COMPLETION", "SHOW_COMPLETION", "HELP", "VERSION")}
    asked |= {"CHARRNN_TRAIN_HELP": "1", "HOME": str(tmp_path), "_CHARRNN_COMPLETE": ""}
    line = refused(charrnn("train", "missing.txt", cwd=tmp_path, env=asked), 1)
    assert "missing.txt" in line
    assert not list(tmp_path.glob(".*rc"))


def test_values_that_are_completed_are_those_that_are_taken() -> None:
    values = {
        "cell": config.CELLS,
        "optimizer": config.OPTIMIZERS,
        "schedule": config.SCHEDULES,
        "clip-by": config.CLIPPINGS,
        "engine": engine.ENGINES,
        "errors": files.ERROR_HANDLERS,
    }
    offered = {
        (command, name.lstrip("-")): tuple(item.value for item in option.shell_complete(None, ""))
        for command in COMMANDS
        for name, option in options(command).items()
        if option._custom_shell_complete is not None
    }
    assert len(offered) == 10
    for (command, name), found in offered.items():
        if name in values:
            assert sorted(found) == sorted(values[name]), name
        elif command == "score":
            assert found == score.UNKNOWN_POLICIES
        else:
            for policy in found:
                Vocabulary("ab").replace_unknown("a", policy)
            with pytest.raises(ConfigError):
                Vocabulary("ab").admit("a", "other")
