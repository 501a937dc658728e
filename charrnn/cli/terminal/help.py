"""The help of the commands: plain text, their options in groups; what they don't know is answered by `suggestions`."""

from collections.abc import Callable, Iterable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# The groups of options
MOST_USED = "Most used"
READING = "What to read"
MODEL = "Model"
OPTIMISATION = "Optimisation"
START = "What to go on from"
CHOICE = "Which characters"
TEXTS = "Which texts, and where they end"
LINES = "Which lines"
VIEWS = "More views"
RUN = "Run"
OUTPUT = "Output"

WIDEST = 26
"""Columns of an option's name, at the most: the help of one that has more begins on a line of its own."""


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
    """An option of a command, and the heading that its help stands under; a shell completes the values, if any."""

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


class Command(TyperCommand):
    """A command whose help has a section for each group of its options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_sections(self.get_params(ctx), ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise _explained(error, ctx, given) from None


class Program(TyperGroup):
    """The program: its help names the commands before its own options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        write_sections(self.get_params(ctx), ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise _explained(error, ctx, given) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            from charrnn.cli.terminal.suggestions import no_such_command

            ctx.fail(no_such_command(args[0], self.commands))
        return super().resolve_command(ctx, args)


def write_sections(parameters: Iterable[Any], context: Any, formatter: Any) -> None:
    """Writes the arguments, then the options group by group, as they first appear; one without a group, as --help is,
    stands with those before it."""
    sections: dict[str, list[tuple[str, str]]] = {}
    heading = "Options"
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            section = "Arguments"
        else:
            section = heading = parameter.rich_help_panel or heading
        if row := parameter.get_help_record(context):
            sections.setdefault(section, []).append(row)
    # One column for all sections: names are made as long as the longest that still fits
    lengths = [len(name) for rows in sections.values() for name, _ in rows]
    width = max((length for length in lengths if length <= WIDEST), default=WIDEST)
    for section, rows in sections.items():
        with formatter.section(section):
            formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=width)


def _explained(error: typer.TyperException, context: Any, given: list[str]) -> typer.TyperException:
    """The error of a command line: where an option is unknown, its message says what may have been meant."""
    unknown: Any = error
    if hasattr(unknown, "possibilities"):  # Typer's `NoSuchOption`, which it doesn't export
        from charrnn.cli.terminal.suggestions import no_such_option

        unknown.message = no_such_option(unknown.option_name, given, context)
        unknown.possibilities = None
    return error
