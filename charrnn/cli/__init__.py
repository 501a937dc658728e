"""The command line: a thin printer over the library; one file for each command, and none imported before it is run."""

import errno
import io
import os
import signal
import sys
from typing import Annotated

import typer

from charrnn.cli.inspect import command as inspect
from charrnn.cli.sample import command as sample
from charrnn.cli.score import command as score
from charrnn.cli.terminal.console import notice
from charrnn.cli.train import command as train
from charrnn.errors import CharRNNError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LONGEST = 2000
"""Characters of an error that are said."""

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
            "--version",
            callback=_version,
            is_eager=True,
            allow_from_autoenv=False,
            show_envvar=False,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for module in (train, sample, score, inspect):
    app.command(module.NAME, help=module.HELP, epilog=module.EXAMPLES)(module.command)


def main() -> None:
    """Runs the program and ends the process: what goes wrong becomes one line on stderr and an exit code."""
    debug = os.environ.get("CHARRNN_DEBUG", "") not in ("", "0")
    _open_streams()
    try:
        code = app(standalone_mode=False, prog_name="charrnn")
        sys.stdout.flush()
    except (CharRNNError, typer.TyperException) as error:
        if debug:
            raise
        text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        _complain(text)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 128 + signal.SIGINT
    except (Exception, SystemExit) as error:
        if _is_closed_pipe(error):
            code = 0  # whoever read our output wants no more of it
        elif debug or isinstance(error, SystemExit):
            raise
        else:
            _complain(_unforeseen(error))
            code = 1
    _drop_what_nobody_takes()
    sys.exit(code)


def _drop_what_nobody_takes() -> None:
    """Empties the buffers that can't be written out: Python would try again at its end, and exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_streams() -> None:
    """Makes the standard streams what the program expects, whatever the shell has made of them.

    One that the shell has closed is opened on nothing: else the next file to be opened, a checkpoint perhaps, would
    take its number and whatever is printed to it. What is printed is UTF-8 in every locale, as the files are.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _complain(text: str) -> None:
    """Says in one line, and no endless one, what went wrong: it may quote a file."""
    line = " ".join(text.split())
    notice("charrnn: " + (line if len(line) <= LONGEST else f"{line[:LONGEST]} …"))


def _unforeseen(error: Exception) -> str:
    """What is said of an error that no command knows of."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if isinstance(error, FileNotFoundError) and _folder_is_gone():
        return "the current folder is gone: change to one that is there"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"can't write {error.filename or 'the output'}: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'the output'}: {error.strerror}"
    else:
        text = f"{type(error).__name__}: {error}"
    return f"{text} (CHARRNN_DEBUG=1 shows where)"


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _is_closed_pipe(error: BaseException | None) -> bool:
    """Whether nobody reads stdout any more; Typer makes a `SystemExit` of it."""
    return (isinstance(error, OSError) and error.errno == errno.EPIPE) or (
        isinstance(error, SystemExit) and _is_closed_pipe(error.__context__)
    )
