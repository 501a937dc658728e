"""The command line: a thin printer over the library; one file for each command, and none imported before it is run."""

import os
import signal
import sys
from typing import Annotated

import typer

from charrnn.cli import inspect, sample, train
from charrnn.cli.console import say
from charrnn.errors import CharRNNError

app = typer.Typer(
    name="charrnn",
    help="Train a character-level recurrent network on a text, and write new text in its manner.",
    epilog="Examples: charrnn train corpus.txt && charrnn sample --temp 0.8",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "CHARRNN", "help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"charrnn {version('charrnn')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, show_envvar=False, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for module in (train, sample, inspect):
    app.command(module.NAME, help=module.HELP, epilog=module.EXAMPLES)(module.command)


def main() -> None:
    """Runs the program and ends the process: what goes wrong becomes one line on stderr and an exit code."""
    debug = os.environ.get("CHARRNN_DEBUG", "") not in ("", "0")
    try:
        code = app(standalone_mode=False, prog_name="charrnn")
        sys.stdout.flush()
    except (CharRNNError, typer.TyperException) as error:
        if debug:
            raise
        text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        say("charrnn: " + " ".join(text.split()))
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read our output wants no more of it. Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except typer.Abort:
        code = 1
    except Exception as error:
        if debug:
            raise
        say(f"charrnn: {type(error).__name__}: {error} (CHARRNN_DEBUG=1 shows where)".replace("\n", " "))
        code = 1
    sys.exit(code)
