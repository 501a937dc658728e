"""The names of settings in errors: the library writes those of its parameters, a user types options or commands."""

import re
from collections.abc import Mapping
from typing import Any

from charrnn.errors import ConfigError

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


def as_typed(error: ConfigError, typed: Mapping[str, str]) -> str:
    """The message of an error with its settings as they are typed.

    These are the settings that the error has, and every name with an underscore, which is no word of a sentence. What
    stands in quotes or is part of something longer, such as a path, is no name.
    """
    names = {name for name in typed if name in error.settings or "_" in name}
    if not names:
        return str(error)
    return replace(str(error), {name: typed[name] for name in names})


def replace(text: str, typed: Mapping[str, str]) -> str:
    """A message with names as they are typed, where they stand alone and not in quotes."""
    alternatives = "|".join(map(re.escape, sorted(typed, key=len, reverse=True)))
    pattern = rf"{QUOTED}|(?<![\w/.=<'\"`-])(?:{alternatives})(?![\w/='\"`-]|\.\w)"
    return re.sub(pattern, lambda found: typed.get(found[0], found[0]), text)
