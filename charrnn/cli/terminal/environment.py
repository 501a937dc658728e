"""The environment: the variables that set options, those that an error is about, and those that set nothing."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from charrnn.cli.terminal import setting_names
from charrnn.errors import CharRNNError

PREFIX = "CHARRNN_"
DEBUG = "CHARRNN_DEBUG"
MIN_VALUE = 3
"""The fewest characters of a value by which an error is recognised as being about it."""
SIZE = re.compile("0*[1-9][0-9]{0,3}")
"""The width or height of a terminal, in characters."""


def variables(command: Any) -> dict[str, Any]:
    """The options of a command by the variables that set them; for an option with two, the one to suggest is first."""
    found = {}
    for option in command.params:
        if option.param_type_name == "option" and option.allow_from_autoenv:
            for name in filter(None, (option.envvar, f"{PREFIX}{command.name}_{option.name}".upper())):
                found[name] = option
    return found


@contextmanager
def naming_variables(context: Any) -> Iterator[None]:
    """Has an error name options as they are typed, and the variables of the environment that it is about.

    Without these you may look for the option in vain.
    """
    try:
        yield
    except typer.TyperException as error:
        invalid: Any = error
        if (option := getattr(invalid, "param", None)) is not None and (said := _said(context, option)):
            invalid.message = f"{invalid.message} ({said})"
        raise
    except CharRNNError as error:
        typed = setting_names.options(context.command)
        error.args = (setting_names.as_options(setting_names.as_typed(error, typed)),)
        named = [_said(context, option) for option in context.command.params if _is_about(error, option, context)]
        if any(named):
            error.args = (f"{error} ({', '.join(filter(None, named))})",)
        raise


def _said(context: Any, option: Any) -> str:
    """The variable that has set an option, with its value; empty if none has."""
    source = context.get_parameter_source(option.name)
    if source is None or source.name != "ENVIRONMENT":
        return ""
    name = next(name for name, known in variables(context.command).items() if known is option and os.environ.get(name))
    return f"{name}={os.environ[name]} is set"


def _is_about(error: CharRNNError, option: Any, context: Any) -> bool:
    """Whether the message of an error names an option, or quotes its value."""
    text, value = str(error), context.params.get(option.name)
    is_named = any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for name in option.opts)
    values = value if isinstance(value, list) else [value]
    return is_named or any(len(str(value)) >= MIN_VALUE and str(value) in text for value in values)


def unknown_variables(context: Any) -> Iterator[str]:
    """A notice for each variable that is meant to set an option of this command, and does not."""
    program, command = context.find_root().command, context.command
    known = {DEBUG, *(name for other in program.commands.values() for name in variables(other))}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and (advice := _advice(name, program, command)):
            yield f"{name} sets no option: {advice}"


def _advice(name: str, program: Any, command: Any) -> str:
    """What a variable may mean; empty if it may be meant for another command, or for another program."""
    from charrnn.cli.terminal.suggestions import near_name, near_option

    word = name.removeprefix(PREFIX)
    first, _, rest = word.partition("_")
    if (own := first.lower()) in program.commands:
        if own != command.name:
            return ""  # that command will say so
        tried = [(command, rest)]
    else:
        meant = near_name(first, program.commands)
        tried = [*([(program.commands[meant], rest)] if meant and rest else []), (command, word)]
    for other, option in tried:
        if found := near_option(option, other):
            return f"did you mean {next(name for name, known in variables(other).items() if known is found)}?"
    if near_name(word, ["debug"]):
        return f"did you mean {DEBUG}?"
    return f"charrnn {command.name} --help lists what can be set" if own == command.name else ""


def drop_invalid_sizes() -> None:
    """Removes sizes of the terminal from the environment that none has, such as COLUMNS=0: the real ones then count."""
    for name in ("COLUMNS", "LINES"):
        if not SIZE.fullmatch(os.environ.get(name, "80")):
            del os.environ[name]
