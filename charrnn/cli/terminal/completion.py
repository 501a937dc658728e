"""Shell completion: Typer's --install-completion and --show-completion, adapted to this program's conventions."""

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import typer

from charrnn.cli.terminal.console import notice
from charrnn.cli.terminal.help import plain_flag

COMPLETE_VARIABLE = "_CHARRNN_COMPLETE"
"""The environment variable by which a shell asks for completions, or for the completion script."""
HELP = {
    "install_completion": "Let this shell complete commands and options.",
    "show_completion": "Print the script for that, and install nothing.",
}


def adapt(program: Any) -> None:
    """Adapts Typer's two options: the environment can't set them, and their output follows this program's rules."""
    for option in program.params:
        if option.name in HELP:
            option.help = HELP[option.name]
            plain_flag(option)
            option.callback = _answer(option.callback)
    if os.environ.get(COMPLETE_VARIABLE):
        # If Rich is installed, Typer loads it at each press of Tab to strip markup from the help: it mistakes
        # [defaults] for markup, breaks lines that zsh and fish need whole, and takes longer than all the rest
        modules: dict[str, Any] = sys.modules
        modules["rich"] = None


def _answer(callback: Any) -> Any:
    """Wraps Typer's callback, which prints and exits: only scripts go to stdout, and an error is one line on stderr."""

    def answer(context: Any, option: Any, wanted: Any) -> None:
        if not wanted or context.resilient_parsing:
            return
        output, code = io.StringIO(), 0
        try:
            with redirect_stdout(output), redirect_stderr(output):
                callback(context, option, wanted)
        except SystemExit as end:
            code = int(end.code or 0)
        except typer.Exit as end:
            code = end.exit_code
        if code:
            raise typer.TyperException(
                "completion is for bash, zsh, fish and powershell, and this shell does not seem to be one of them:"
                f" {COMPLETE_VARIABLE}=source_bash charrnn prints the script for bash"
            )
        if option.name == "show_completion":
            typer.echo(output.getvalue(), nl=False)
        else:
            for line in output.getvalue().splitlines():
                notice(line)
        raise typer.Exit

    return answer
