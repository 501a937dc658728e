"""The help of the commands: plain text with the options in groups, and suggestions for unknown options."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from charrnn.cli.terminal.console import notice
from charrnn.cli.terminal.environment import naming_variables, unknown_variables
from charrnn.cli.terminal.path_values import refuse_empty
from charrnn.errors import ConfigError

# The groups of options
MOST_USED = "Most used"
READING = "What to read"
MODEL = "Model"
OPTIMISATION = "Optimisation"
START = "What to continue"
CHOICE = "Which characters"
TEXTS = "Which texts, and where they end"
LINES = "Which lines"
VIEWS = "More views"
RUN = "Run"
OUTPUT = "Output"

TEXT = "TEXT"
"""The metavariable of an option that takes a text."""
WANTED = {"int": "a whole number", "float": "a number", "bool": "1 or 0"}
"""What an option takes, by the first word of the error that its conversion raises."""
MAX_NAME_WIDTH = 26
"""The greatest width of the column of option names: a longer name has a line of its own."""


def option(
    group: str,
    help: str,
    *names: str,
    show_default: bool = False,
    envvar: str | None = None,
    metavar: str | None = None,
    parser: Callable[[str], Any] | None = None,
    values: tuple[str, ...] = (),
) -> Any:
    """An option of a command, in a group of its help; shell completion offers the values, if any."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return typer.Option(
        *names,
        help=help,
        show_default=show_default,
        envvar=envvar,
        show_envvar=False,
        metavar=metavar,
        parser=parser,
        autocompletion=complete if values else None,
        rich_help_panel=group,
    )


def either(values: tuple[str, ...]) -> str:
    """The values as a list in a sentence: `lstm, gru or rnn`."""
    return " or ".join(", ".join(part) for part in (values[:-1], values[-1:]) if part)


class Command(TyperCommand):
    """A command whose help has a section for each group of its options."""

    def get_help_option(self, ctx: Any) -> Any:
        return plain_flag(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_sections(self.get_params(ctx), ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        option: Any
        for option in self.params:
            if option.multiple and option.metavar == TEXT:
                # In the environment, such texts have newlines between them: blanks are part of a text
                option.envvar_list_splitter = "\n"
        with naming_variables(ctx), suggesting(ctx, [*args]), naming_values():
            refuse_empty(self, ctx, args)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        if not ctx.params.get("quiet"):
            for line in unknown_variables(ctx):
                notice(line)
        with naming_variables(ctx):
            return super().invoke(ctx)


class Program(TyperGroup):
    """The program: its help lists the commands before its own options."""

    def get_help_option(self, ctx: Any) -> Any:
        return plain_flag(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        write_sections(self.get_params(ctx), ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with suggesting(ctx, [*args]):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            from charrnn.cli.terminal.suggestions import no_such_command

            ctx.fail(no_such_command(args[0], self.commands))
        return super().resolve_command(ctx, args)


def plain_flag(option: Any) -> Any:
    """One of Typer's own flags, false by default, and not set by the environment.

    Typer's default is None: converting that to a bool loads Pydantic, which doubles the time of `charrnn train --help`.
    """
    if option is not None:
        option.default = False
        option.allow_from_autoenv = False
    return option


def write_sections(parameters: Iterable[Any], context: Any, formatter: Any) -> None:
    """Writes the arguments, then the options group by group, in the order in which the groups first appear.

    An option without a group, such as --help, joins the group before it.
    """
    sections: dict[str, list[tuple[str, str]]] = {}
    group = "Options"
    for parameter in parameters:
        if parameter.param_type_name == "option":
            group = heading = parameter.rich_help_panel or group
        else:
            heading = "Arguments"
        if row := parameter.get_help_record(context):
            sections.setdefault(heading, []).append(row)
    # One column for all sections: names are padded to the longest one that fits
    lengths = [len(name) for rows in sections.values() for name, _ in rows]
    width = max((length for length in lengths if length <= MAX_NAME_WIDTH), default=MAX_NAME_WIDTH)
    for heading, rows in sections.items():
        with formatter.section(heading):
            formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=width)


@contextmanager
def suggesting(context: Any, given: list[str]) -> Iterator[None]:
    """Adds a suggestion to the error of an unknown option in the command line `given`."""
    try:
        yield
    except typer.TyperException as error:
        unknown: Any = error
        if hasattr(unknown, "possibilities"):  # Typer's `NoSuchOption`, which is not public
            from charrnn.cli.terminal.suggestions import no_such_option

            unknown.message = no_such_option(unknown.option_name, given, context)
            unknown.possibilities = None
        raise


@contextmanager
def naming_values() -> Iterator[None]:
    """Says of a value that is no number what it is and what to give, as for all other values.

    Typer converts values with Pydantic, whose errors say neither. Before version 0.29 its own errors have both.
    """
    try:
        yield
    except typer.TyperException as error:
        option, problems = getattr(error, "param", None), getattr(error.__cause__, "errors", None)
        said = re.match(r"(.+) is not a valid (int|float|bool)", str(getattr(error, "message", "")), re.DOTALL)
        if option is None or not (problems or said):
            raise
        if problems:
            problem = problems()[0]
            value, kind = repr(problem["input"]), problem["type"].partition("_")[0]
        elif said:
            value, kind = said.groups()
        name, wanted = max(option.opts, key=len), WANTED.get(kind, "another value")
        raise ConfigError(f"{name} can't be {value:.60}: give {wanted}") from None
