"""The commands of the interactive mode: how each is typed, and which of the lines that begin with a slash are one."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from charrnn.cli.terminal import setting_names
from charrnn.cli.terminal.help import either
from charrnn.cli.terminal.suggestions import plain
from charrnn.errors import CharRNNError, ConfigError

ALONE = ("back", "new", "text", "help", "quit")
"""The commands that take nothing: with more on its line, the word is text."""
COMMANDS = {
    "more": ("/more [TEXT]", "go on, as Enter does; with TEXT after it"),
    "again": ("/again [SEED]", "write the last piece again, with the next seed or SEED"),
    "back": ("/back", "take the last piece back, or an edit of it"),
    "edit": ("/edit, /edit text", "edit the last piece, or the text"),
    "new": ("/new", "begin another text; /back returns to this one"),
    "text": ("/text", "show the whole text"),
    "save": ("/save FILE", "write the text to a file; /save! FILE overwrites one"),
    "state": ("/state [FILE]", "show the settings, or save the state for --state-in"),
    "seed": ("/seed [N]", "show the seeds, or set that of the next piece"),
    "length": ("/length N", "the most characters of a piece; sentence: just a sentence"),
    "min_length": ("/min-length N", "the fewest characters of a piece"),
    "end": ("/end sentence", "end with the last sentence that fits; /end: no longer"),
    "stop": ("/stop TEXT", "end before this text too; /stop: before none"),
    "stop_after": ("/stop-after TEXT", "end after this text too; /stop-after: after none"),
    "label": ("/label NAME", "the label, or source, of a text; /label: type it"),
    "match": ("/match REGEX", "only what matches this expression; /match: anything"),
    "temp": ("/temp X", "the temperature: low is conservative, high varied"),
    "top_k": ("/top-k K", "only the K likeliest characters; 0: all"),
    "top_p": ("/top-p P", "only the likeliest characters, of probability P together"),
    "min_p": ("/min-p P", "only characters P times as probable as the likeliest"),
    "typical": ("/typical P", "only characters of the most typical surprisal"),
    "penalty": ("/penalty X", "nats that a repetition costs, as --loop-penalty"),
    "loop_penalty": ("/loop-penalty X", ""),
    "allow": ("/allow CHARACTERS", "only these characters; /allow: all"),
    "ban": ("/ban CHARACTERS", "none of these characters; /ban: any"),
    "unknown": ("/unknown NAME", "characters it has never seen: error, skip or nearest"),
    "help": ("/help", "these lines"),
    "quit": ("/quit", "leave, as Ctrl-D does"),
}
"""The commands by the names of their fields: how each is typed, and what it does; without that, another name of one."""
FIELDS = {"penalty": "loop_penalty", "again": "seed"}
"""The commands that set a field of another name."""
COMMAND_NAMES = {name: f"/{plain(name)}" for name in COMMANDS} | {"stops": "/stop", "to_temp": "/temp"}
"""How the settings are typed."""
TEXT_HELP = (
    "text has the escapes of --prime: backslash n is a newline",
    'several lines are one text if """ begins the first and ends the last',
    "a line without one of these commands is text; // begins one with a slash",
)
SYNONYMS = {
    "temperature": "temp",
    "t": "temp",
    "exit": "quit",
    "q": "quit",
    "undo": "back",
    "retry": "again",
    "redo": "again",
    "regenerate": "again",
    "continue": "more",
    "next": "more",
    "write": "save",
    "w": "save",
    "clear": "new",
    "reset": "new",
    "regex": "match",
    "show": "text",
    "settings": "state",
    "h": "help",
}
"""Names of other programs."""
MIN_BEGUN, MIN_ALIKE, LONG = 3, 4, 6
"""The fewest letters of a word that may be the beginning of a command, a command with a typing error, and with two."""


class Command(NamedTuple):
    """A command as it was typed."""

    name: str
    """In the spelling of a field."""
    value: str
    forced: bool = False
    """Whether it may overwrite a file."""


def parse(typed: str) -> Command | None:
    """The command in a line; None if the line is text.

    Raises `ConfigError` for what looks like a misspelt command.
    """
    line = typed.removeprefix("\ufeff").removesuffix("\r")  # which a model of bytes reads as text, and no command has
    found = re.fullmatch(r"/([A-Za-z][\w-]*)(!?)(?:[ \t](.*))?", line, re.DOTALL)
    if not found:
        return None
    word, forced, value = found[1], bool(found[2]), found[3] or ""
    name = word.replace("-", "_")
    if name in ALONE and (value.strip() or forced):
        return None
    if name in COMMANDS and (not forced or name in ("save", "state")):
        return Command(name, value, forced)
    if meant := _meant(word):
        raise ConfigError(
            f"no command /{word}{found[2]}: did you mean {either(meant)}? A line of text can begin with //"
        )
    return None


def message(error: CharRNNError, command: Command | None = None) -> str:
    """The message of an error with the settings in it as the commands that set them, the present one as it is typed."""
    typed = dict(COMMAND_NAMES)
    if command and command.name in FIELDS:
        typed[FIELDS[command.name]] = typed[command.name]
    return as_commands(setting_names.as_typed(error, typed), typed)


def as_commands(text: str, typed: Mapping[str, str] = COMMAND_NAMES) -> str:
    """A message in which the options that have a command are that."""
    return setting_names.replace(
        setting_names.as_options(text), {f"--{plain(name)}": shown for name, shown in typed.items()}
    )


def help_lines() -> list[str]:
    """A line for each command, and what else can be typed."""
    shown = [usage for usage in COMMANDS.values() if usage[1]]
    width = max(len(usage) for usage, _ in shown)
    return [f"{usage:<{width}}  {text}" for usage, text in shown] + [*TEXT_HELP]


def _meant(word: str) -> tuple[str, ...]:
    """The commands that a word may mean: by another name, by its beginning, or with a typing error."""
    word, known = plain(word), {plain(name): f"/{plain(name)}" for name in COMMANDS}
    if word in known or word in SYNONYMS:
        return (known[SYNONYMS.get(word, word)],)
    begun = tuple(shown for name, shown in known.items() if len(word) >= MIN_BEGUN and name.startswith(word))
    most = (len(word) >= MIN_ALIKE) + (len(word) >= LONG)
    return begun or tuple(shown for name, shown in known.items() if _typing_errors(word, name) <= most)


def _typing_errors(typed: str, meant: str) -> int:
    """The letters too many, too few, wrong or swapped with the next (the optimal string alignment distance)."""
    before: list[int] = [0] * (len(meant) + 1)
    last: list[int] = [*range(len(meant) + 1)]
    for i, a in enumerate(typed, 1):
        row = [i]
        for j, b in enumerate(meant, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b)))
            if i > 1 and j > 1 and (a, typed[i - 2]) == (meant[j - 2], b):
                row[j] = min(row[j], before[j - 2] + 1)
        before, last = last, row
    return last[-1]
