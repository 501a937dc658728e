"""The command line: a thin printer over the library, with one folder per command; a command imports what it needs."""

import io
import os
import signal
import sys
from typing import Annotated, Any

import typer.main

from charrnn.cli.adapt import command as adapt
from charrnn.cli.classify import command as classify
from charrnn.cli.export import command as export
from charrnn.cli.inspect import command as inspect
from charrnn.cli.sample import command as sample
from charrnn.cli.score import command as score
from charrnn.cli.serve import command as serve
from charrnn.cli.tag import command as tag
from charrnn.cli.terminal import completion
from charrnn.cli.terminal.console import is_closed_pipe
from charrnn.cli.terminal.environment import DEBUG, drop_invalid_sizes
from charrnn.cli.terminal.failure import print_error, unexpected
from charrnn.cli.terminal.help import Command, Program
from charrnn.cli.train import command as train
from charrnn.cli.translate import command as translate
from charrnn.cli.warm_up import command as warm_up
from charrnn.errors import CharRNNError
from charrnn.version import VERSION

EXAMPLES = """\b
charrnn COMMAND --help lists the options of a command.

\b
Examples:
  charrnn train corpus.txt --time 10m
  charrnn sample --temp 0.8 --length 500
  charrnn translate dates.safetensors letters.txt
  charrnn classify regions.safetensors places.txt
  charrnn tag --spans < letters.txt
  charrnn score chapter.txt
  charrnn adapt tales.safetensors page.txt --out page.safetensors
  charrnn inspect --history
  charrnn export tales.html
  charrnn serve tales.safetensors
  charrnn warm-up
"""

app = typer.Typer(
    name="charrnn",
    help="Train a character-level recurrent network on a text, and write new text in its manner.",
    epilog=EXAMPLES,
    cls=Program,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "CHARRNN", "help_option_names": ["-h", "--help"]},
)


def _version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:  # a shell may complete a line with --version
        typer.echo(f"charrnn {VERSION}")
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


for module in (train, sample, translate, classify, tag, score, adapt, inspect, export, serve, warm_up):
    texts = {"help": module.HELP, "short_help": module.HELP, "epilog": module.EXAMPLES}
    app.command(module.NAME, cls=Command, **texts)(module.command)


def program() -> Any:
    """The program that Typer makes, with its shell completion adapted."""
    typer_program = typer.main.get_command(app)
    completion.adapt(typer_program)
    return typer_program


def main() -> None:
    """Runs the program and ends the process: an error becomes one line on stderr and an exit code."""
    debug = os.environ.get(DEBUG, "") not in ("", "0")
    _open_streams()
    drop_invalid_sizes()
    try:
        code = program().main(standalone_mode=False, prog_name="charrnn")
        sys.stdout.flush()
    except (CharRNNError, typer.TyperException) as error:
        if debug:
            raise
        print_error(error.format_message() if isinstance(error, typer.TyperException) else str(error))
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 128 + signal.SIGINT
    except (Exception, SystemExit) as error:
        if _is_closed_pipe(error):
            code = 0  # the reader of the output has read enough
        elif debug or isinstance(error, SystemExit):
            raise
        else:
            print_error(unexpected(error))
            code = getattr(error, "exit_code", 1)
    _discard_unwritable_output()
    sys.exit(code)


def _discard_unwritable_output() -> None:
    """Discards output that can't be written: otherwise Python would try again at its end, and exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_streams() -> None:
    """Prepares the standard streams.

    A stream that the shell has closed is opened on the null device: otherwise the next file to be opened, perhaps a
    checkpoint, would get its descriptor and the text printed to it. Output is UTF-8 in every locale, as files are.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _is_closed_pipe(error: BaseException | None) -> bool:
    """Whether the error means that stdout is a closed pipe; Typer turns that into a `SystemExit`."""
    return is_closed_pipe(error) or (isinstance(error, SystemExit) and _is_closed_pipe(error.__context__))
