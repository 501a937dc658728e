"""The names of settings in errors: the library writes those of its parameters, a user types options or commands.

overwrite it with `force=True`, or give another `checkpoint`    in Python
overwrite it with --force, or give another --out                on the command line
"""

import re
from collections.abc import Mapping
from typing import Any

from charrnn.errors import CharRNNError, ConfigError

OTHER_NAMES = {
    "stop": ("stops",),
    "temp": ("to_temp",),
    "normalize": ("normalization",),
    "no_provenance": ("provenance",),
    "adapt_rate": ("rate",),
    "adapt_pull": ("pull",),
    "adapt_segment": ("segment",),
}
"""Parameters with other names than their options."""
OPTIONS = {
    "adaptation": "adapt",
    "as_bytes": "bytes",
    "checkpoint": "out",
    "clamp_units": "clamp-unit",
    "normalization": "normalize",
    "val_paths": "val-file",
}
"""Parameters whose options have other names, for errors that name them as code; others differ by hyphens alone."""
FLAGS = {
    ("layout", "lines"): "lines",
    ("layout", "pairs"): "pairs",
    ("layout", "labels"): "classify",
    ("layout", "tags"): "tags",
    ("table", "conll"): "conll",
}
"""Values of parameters that are options of their own."""
COMMANDS = {"sample_lines": "sample"}
"""Functions of `charrnn` with other names than the commands."""
CODE = r"`(?:charrnn\.(?P<function>\w+)(?:\((?P<argument>[^`]*)\))?|(?P<setting>(?!charrnn\b)[a-z]\w*(?:=[^`]+)?))`"
"""A function or a setting, as the library writes it."""
QUOTED = r"""(?<!\w)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)"""
"""What a user has given, as Python shows it; the apostrophe of a word is no quotation mark."""


def options(command: Any) -> dict[str, str]:
    """How the options of a command are typed, by the names of their parameters."""
    found: dict[str, str] = {}
    for option in command.params:
        if option.param_type_name == "option":
            typed = max(option.opts, key=len)
            found |= dict.fromkeys((option.name, *OTHER_NAMES.get(option.name, ())), typed)
    return found


def as_options(text: str) -> str:
    """A message of the library with the code in it as options and commands: `layout="lines"` becomes --lines.

    What stands in quotes is the user's.
    """

    def typed(found: re.Match[str]) -> str:
        if found["setting"]:
            return _option(found["setting"])
        if not found["function"]:
            return found[0]
        if found["function"] == "resume":
            return "--resume"
        words = ["charrnn", COMMANDS.get(found["function"], found["function"])]
        if found["argument"]:
            words.append(_option(found["argument"]))
        return f"`{' '.join(words)}`"

    return re.sub(f"{QUOTED}|{CODE}", typed, text)


def _option(setting: str) -> str:
    """A setting, such as `engine="numpy"`, as it is typed. The value … stands for any."""
    name, _, value = setting.partition("=")
    value = value[1:-1] if value[:1] == value[-1:] == '"' else value
    flag = FLAGS.get((name, value), OPTIONS.get(name, name.replace("_", "-")))
    return f"--{flag}" if value in ("", "True", "…") or (name, value) in FLAGS else f"--{flag} {value}"


def as_typed(error: CharRNNError, typed: Mapping[str, str]) -> str:
    """The message of an error with its settings as they are typed.

    These are the settings that the error has and, if it is about settings, every name with an underscore, which is no
    word of a sentence. What stands in quotes or is part of something longer, such as a path, is no name.
    """
    has_names = isinstance(error, ConfigError)
    names = {name for name in typed if name in error.settings or (has_names and "_" in name)}
    if not names:
        return str(error)
    return replace(str(error), {name: typed[name] for name in names})


def replace(text: str, typed: Mapping[str, str]) -> str:
    """A message with names as they are typed, where they stand alone and not in quotes."""
    alternatives = "|".join(map(re.escape, sorted(typed, key=len, reverse=True)))
    pattern = rf"{QUOTED}|(?<![\w/.=<'\"`-])(?:{alternatives})(?![\w/='\"`-]|\.\w)"
    return re.sub(pattern, lambda found: typed.get(found[0], found[0]), text)
