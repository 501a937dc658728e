"""The options of `charrnn sample` as values, and the checks of those that contradict each other."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from charrnn import engine as engines
from charrnn.checkpoint.atomic_file import check_folder
from charrnn.cli.terminal.console import unit
from charrnn.config import LINE_LAYOUTS, SamplingConfig, between, check_threads, one_of
from charrnn.dataset.escapes import unescape
from charrnn.dataset.vocabulary import POLICIES
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.model.model import Model

READ_FILES = "a text to read: --prime -, --prime-file, --corpus or --interactive"
"""What --encoding needs."""
PRIME = "a text to learn from: --prime or --prime-file"
"""What --adapt needs."""
PRIME_LINES = "lines to continue: --prime - or --prime-file"
"""What --per-line needs."""


def sampling_config(params: Mapping[str, Any]) -> SamplingConfig:
    """The configuration that the options give. Raises `ConfigError` for a number out of range."""
    between("count", params["count"], 1)
    check_threads(params["threads"])
    temp, to_temp = parse_temperatures(params["temp"])
    allow, ban = params["allow"], params["ban"]
    if "" in (allow, ban, *(params["stop"] or []), *(params["stop_after"] or [])):
        raise ConfigError("--allow, --ban, --stop and --stop-after need characters: leave out the option that is empty")
    between("max_copy", 1 if params["max_copy"] is None else params["max_copy"], 1)
    one_of("unknown", params["unknown"], POLICIES)
    engines.resolve(params["engine"], 0)  # an invalid one is an error before anything is read
    same = {name: params[name] for name in ("top_k", "top_p", "min_p", "typical", "loop_penalty")}
    return SamplingConfig(temp=temp, to_temp=to_temp, allow=allow or "", ban=ban or "", **same)


def parse_temperatures(text: str) -> tuple[float, float | None]:
    """A temperature, or two with a colon between them."""
    first, colon, last = text.partition(":")
    try:
        return float(first), float(last) if colon else None
    except ValueError:
        raise ConfigError(f"--temp can't be {text!r}: give a number, or two as in 0.4:1.2") from None


def parse_clamped_units(texts: Sequence[str]) -> dict[tuple[int, int], float]:
    """The units (layer, index) to clamp, and their values: see `console.unit`."""
    found: dict[tuple[int, int], float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            where, number = unit(name), float(value)
        except (ValueError, ConfigError):
            raise ConfigError(f"--clamp-unit is LAYER:INDEX=VALUE, such as 0:17=0.9, not {text!r}") from None
        if where in found:
            raise ConfigError(f"unit {name} can't be clamped twice: give one --clamp-unit for it")
        found[where] = number
    return found


def unescaped(name: str, texts: Sequence[str] | None) -> list[str]:
    """The texts of an option that can be repeated, with the characters that their escapes stand for."""
    return [unescape(text, name) for text in texts or ()]


def notify_length(model: Model, notice: Callable[[str], None]) -> None:
    """Says at which length a record is cut if that is not twice the length of the longest one."""
    lines, unit = model.line_set, model.record_form.unit
    if model.reads_lines and lines is not None and lines.usual is not None:
        notice(
            f"{unit} are cut after {model.default_length:,} characters: all but a few of the training text have at "
            f"most {lines.usual:,}, the longest {lines.longest:,}; --length sets another length"
        )


def draw_seed() -> int:
    """A random seed that is short enough to type again."""
    import secrets  # only a run without --seed needs it

    return secrets.randbelow(1_000_000)


def check_contradictions(params: Mapping[str, Any]) -> None:
    """Raises `ConfigError` for options that exclude each other, and for options that need another one."""
    given = {f"--{name.replace('_', '-')}": value is not None and value is not False for name, value in params.items()}
    given["--count"] = params["count"] > 1
    given["--json"] = params["as_json"]
    given["--stop-after"], given["--clamp-unit"] = bool(params["stop_after"]), bool(params["clamp_unit"])
    given["--prime -"] = "-" in (params["prime"], str(params["prime_file"]))
    given[PRIME_LINES] = params["prime"] == "-" or params["prime_file"] is not None
    given[PRIME] = params["prime"] is not None or params["prime_file"] is not None
    given[READ_FILES] = given[PRIME_LINES] or params["corpus"] is not None or params["interactive"]
    states = ("--state-in", "--state-out")
    for a, b, why in (
        ("--prime", "--prime-file", "give one of them"),
        ("--per-line", "--count", "each line is continued once"),
        ("--label", "--per-line", "each line to continue begins with its own source and tab"),
        ("--match", "--stop-after", "the expression says where a text ends"),
        ("--match", "--end", "the expression says where a text ends"),
        ("--stop-after", "--end", "each says where a text ends"),
        ("--no-echo", "--json", "the prime is in a field of its own"),
        ("--no-empty", "--per-line", "each line is continued once"),
        ("--no-empty", "--state-in", "only one text follows a state"),
        ("--adapt", "--clamp-unit", "a model with clamped units does not learn"),
        ("--adapt", "--interactive", "keep what is learned with `charrnn adapt`, and write with that model"),
        ("--adapt", "--per-line", "it learns from one text, and continues that"),
        *(("--adapt", state, "the state of a text is that of the trained model") for state in states),
        *((state, other, "only a single text has a state") for state in states for other in ("--count", "--per-line")),
        *((state, "--json", "only a single text has a state") for state in states),
        ("--interactive", "--per-line", "you type the lines"),
        ("--interactive", "--prime -", "you type the lines there"),
        *(
            ("--interactive", other, "leave one out")
            for other in ("--json", "--count", "--no-empty", "--out-dir", *states)
        ),
        *(("--interactive", other, "you read the texts") for other in ("--separator", "--null")),
        *(
            ("--out-dir", other, "each sample has a file")
            for other in ("--per-line", "--json", "--separator", "--null")
        ),
        *(("--out-dir", state, "only a single text on stdout has a state") for state in states),
        *(("--json", other, "a JSON object is one line") for other in ("--separator", "--null")),
        ("--separator", "--null", "give one of them"),
    ):
        if given[a] and given[b]:
            raise ConfigError(f"{a} and {b} can't both be given: {why}")
    for a, b, what in (
        ("--max-copy", "--corpus", ", the text that must not be copied: that of the training"),
        ("--corpus", "--max-copy", ", how many characters of it may be copied"),
        ("--logprobs", "--json", ""),
        ("--history", "--interactive", ""),
        ("--per-line", PRIME_LINES, ""),
        ("--adapt", PRIME, ""),
        ("--encoding", READ_FILES, ""),
    ):
        if given[a] and not given[b]:
            raise ConfigError(f"{a} needs {b}{what}")


def check_files(state_out: Path | None, force: bool, prime_file: Path | None, read: tuple[Path | None, ...]) -> None:
    """Raises an error if --state-out would overwrite a file that it must not, or --prime-file is a folder."""
    if state_out is not None:
        _check_state_out(state_out, force, read)
    if prime_file is not None and prime_file.is_dir():
        raise CorpusError(f"can't read {prime_file}: it is a folder")


def _check_state_out(path: Path, force: bool, read: tuple[Path | None, ...]) -> None:
    """Raises `CheckpointError` if it is no file, one that is read, in no folder, or exists and `force` is not given."""
    if str(path) == "-" or (os.path.exists(path) and not os.path.isfile(path)):
        raise CheckpointError(f"{path} is not a file: give --state-out the name of a file")
    if any(other is not None and os.path.realpath(other) == os.path.realpath(path) for other in read):
        raise CheckpointError(f"{path} is a file that this command reads: give --state-out another name")
    if os.path.exists(path) and not force:
        raise CheckpointError(f"{path} exists: overwrite it with --force, or give another --state-out")
    check_folder(path)


def check_model(model: Model, params: Mapping[str, Any]) -> None:
    """Raises `ConfigError` for options that the model does not have."""
    layout = model.layout
    model.check_language_model()
    if params["adapt"]:
        from charrnn.scoring.adaptable import check_adaptable

        check_adaptable(model)
    if layout not in LINE_LAYOUTS and (params["novel"] or params["unique"]):
        other = "; --max-copy N --corpus FILE keeps a text from copying more than N characters" * params["novel"]
        raise ConfigError(
            f"--novel and --unique need a model of lines or records: `charrnn train --lines` makes one of lines{other}"
        )
    if layout != "pairs" and params["label"] is not None:
        raise ConfigError("--label needs a model of pairs: `charrnn train --pairs` makes one")
    if layout == "pairs" and not params["per_line"] and not (params["interactive"] and params["label"] is None):
        from charrnn.sampling.lines import check_label  # other models need not wait for it

        check_label(model, params["label"])
    if layout in LINE_LAYOUTS and (params["state_in"] is not None or params["state_out"] is not None):
        unit = model.record_form.unit[:-1]
        raise ConfigError(f"--state-in and --state-out need a model of continuous text: a {unit} is never continued")
