"""The paths among the values of a command: an empty one is refused, which would mean the current folder."""

import inspect
from pathlib import Path
from typing import Any, get_args

from charrnn.errors import ConfigError

TEXTS = ("checkpoint", "corpus", "files", "val_file")
"""The parameters whose paths are no `Path`: one may be -, or the order of several says what they are."""


def refuse_empty(command: Any, context: Any, args: list[str]) -> None:
    """Raises `ConfigError` if a path on the command line is empty, as that of an unset variable in a shell is.

    An empty variable of the environment sets no option.
    """
    if context.resilient_parsing or not any(not arg or arg.endswith("=") for arg in args):
        return
    given, _, _ = command.make_parser(context).parse_args(args=[*args])
    for parameter in command.params:
        value = given.get(parameter.name)
        values = value if isinstance(value, (list, tuple)) else [value]
        if "" in values and _is_path(command, parameter.name):
            is_option = parameter.param_type_name == "option"
            name = max(parameter.opts, key=len) if is_option else parameter.name.upper()
            raise ConfigError(f"{name} can't be empty: give the name of a file or a folder")


def _is_path(command: Any, name: str) -> bool:
    """Whether a parameter of a command is a path, or a list of paths."""
    if name in TEXTS:
        return True
    declared = inspect.signature(command.callback).parameters.get(name)
    return declared is not None and _names_path(declared.annotation)


def _names_path(annotation: Any) -> bool:
    return annotation is Path or any(map(_names_path, get_args(annotation)))
