"""The options that were given to `charrnn train`: which of them count, how a run is trained, how its text is read."""

from typing import Any

import typer

from charrnn.cli.terminal.record_options import record_form
from charrnn.config import PAIR_LAYOUTS, between, one_of
from charrnn.dataset.bad_lines import nouns
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.errors import ConfigError

RECORD_FLAGS = ("records_by", "documents")
"""Options for the layout `lines` that say which other texts are texts of their own; so does one column of a table."""
LAYOUT_FLAGS = {"lines": "lines", "pairs": "pairs", "labels": "classify", "tags": "tags"}
"""The option that chooses each layout; `--pairs --attention` is that of `translations`."""
RANK_OPTIONS = {"exchange", "members", "rank_timeout", "sync_every", "outer_lr", "outer_momentum"}
"""The options for the ranks of a distributed run."""
FORMATS = ("csv", "jsonl", "conll")
"""The options that say in which form pairs are written."""


def from_environment(context: typer.Context, name: str) -> bool:
    """Whether the value of an option comes from the environment, not from the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"


def given_options(context: typer.Context, resume: bool, lengths: tuple[str, ...]) -> dict[str, Any]:
    """The options that were given.

    The environment sets options for new runs only: a resumed run has its settings in its file. Of two lengths, layouts
    or forms of a text, the one on the command line counts; and with a layout on the command line, nothing that is for
    other layouts. Raises `ConfigError` for options that contradict each other.
    """
    given = {name: value for name, value in context.params.items() if value is not None}
    typed = {name for name, value in given.items() if not from_environment(context, name) and value is not False}
    overruled = {*given} if resume else set()
    if any("," not in given[name] for name in typed & {"csv", "jsonl"}) and not typed & {*LAYOUT_FLAGS.values()}:
        overruled |= {*LAYOUT_FLAGS.values(), *RECORD_FLAGS}
    if typed & {*RECORD_FLAGS}:
        overruled |= {*FORMATS, "skip_bad", "attention"}
    for alternatives in (lengths, (*LAYOUT_FLAGS.values(), *RECORD_FLAGS), FORMATS):
        if typed & {*alternatives}:
            overruled |= {*alternatives}
    for one, others in (({"val_file"}, {"val_fraction", "val_spread"}), ({"val_fraction", "val_spread"}, {"val_file"})):
        overruled |= others if typed & one else set()
    for layout, flag in LAYOUT_FLAGS.items():
        if flag in typed:
            overruled |= {"val_spread"} if layout == "lines" else {"val_spread", "min_count"}
            overruled |= set() if layout in PAIR_LAYOUTS else {*FORMATS, "skip_bad"}
            overruled |= set() if layout == "tags" else {"conll"}
            overruled |= set() if layout == "pairs" else {"attention"}
            overruled |= set() if layout in ("labels", "tags") else {"lm_weight"}
    overruled |= set() if given.get("distributed") else {*RANK_OPTIONS}
    given = {
        name: value for name, value in given.items() if name not in overruled or not from_environment(context, name)
    }
    _check_contradictions(given, resume)
    _check_columns(given, context)
    return given


def _check_columns(given: dict[str, Any], context: typer.Context) -> None:
    """Raises `ConfigError` for pairs of which the environment names only one column."""
    layouts = [layout for layout, flag in LAYOUT_FLAGS.items() if layout in PAIR_LAYOUTS and given.get(flag)]
    for name in ("csv", "jsonl"):
        if layouts and name in given and "," not in given[name] and from_environment(context, name):
            raise ConfigError(
                f"--{LAYOUT_FLAGS[layouts[0]]} reads two columns, and the environment names one: give "
                f"--{name} {','.join(nouns(layouts[0]))}, or unset the variable to read lines with tabs"
            )


def training_options(given: dict[str, Any], resume: bool) -> Any:
    """The training options among those that were given; a new run without a length has the default time.

    Raises `ConfigError` for options that are out of range or contradict each other. Whether those of a layout are right
    for a resumed run is known only when its file is read.
    """
    from charrnn.training import options as train_options

    names = {*train_options.MODEL_OPTIONS, *train_options.TRAINING_OPTIONS, "attention", *train_options.LENGTH_OPTIONS}
    options: Any = {name: value for name, value in given.items() if name in names}
    layouts = [layout for layout, flag in LAYOUT_FLAGS.items() if given.get(flag)]
    form = given_records(given)
    if len(layouts) + (form is not None) > 1:
        flags = [f"--{LAYOUT_FLAGS[layout]}" for layout in layouts]
        raise ConfigError(
            f"{' and '.join([*flags, *_records_flag(form)])} can't both be given: "
            f"a {'text' if form else 'line'} is read in one way"
        )
    if "sync_every" in given:
        options |= sync_options(given["sync_every"])
    if layouts or form is not None:
        options["layout"] = layouts[0] if layouts else "lines"
    length = train_options.LENGTH_OPTIONS
    if not resume and not options.keys() & {*length}:
        options["time"] = train_options.DEFAULT_TIME
    of_layout = ("skip_bad", "attention", "lm_weight", "val_spread", "min_count") if resume else ()
    checked: Any = {name: value for name, value in options.items() if name not in of_layout}
    train_options.check(checked, resume or "init_from" in given, None if resume else "step")
    return options


def sync_options(text: str) -> dict[str, Any]:
    """The options that `--sync-every` means. Raises `ConfigError` for what is neither a number nor `auto`."""
    if text == "auto":
        return {"sync_every": 1, "sync_grows": True}
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise ConfigError(f"sync_every can't be {text!r}: give a number of steps, or auto", "sync_every")
    return {"sync_every": int(text), "sync_grows": False}


def given_records(given: dict[str, Any]) -> RecordForm | None:
    """What a text of its own is, if an option other than `--lines` says so."""
    has_pairs = any(given.get(flag) for layout, flag in LAYOUT_FLAGS.items() if layout in PAIR_LAYOUTS)
    columns = {name: given[name] for name in ("csv", "jsonl") if name in given}
    if has_pairs or given.get("conll") or any("," in text for text in columns.values()):
        columns = {}
    return record_form(given.get("records_by"), given.get("documents"), columns.get("csv"), columns.get("jsonl"))


def _records_flag(form: RecordForm | None) -> list[str]:
    return [] if form is None else [f"--{form.option}"]


def _check_contradictions(given: dict[str, Any], resume: bool) -> None:
    """Raises `ConfigError` for options that contradict each other, or are no values."""
    from charrnn.training.options import check_without_validation
    from charrnn.training.state import UNKNOWN

    if resume and ("init_from" in given or "unknown" in given or given.get("force")):
        raise ConfigError("--resume continues its own files: --init-from, --unknown and --force are for new runs")
    if "unknown" in given and "init_from" not in given:
        raise ConfigError("--unknown is for what the model of --init-from has never seen: leave it out")
    if (alone := RANK_OPTIONS.intersection(given)) and not given.get("distributed"):
        names = " and ".join(f"--{name.replace('_', '-')}" for name in sorted(alone))
        raise ConfigError(f"{names} is only for several ranks: give --distributed too")
    one_of("unknown", given.get("unknown", "new"), UNKNOWN)
    if given.get("as_bytes") and any(map(given.get, ("encoding", "errors", "normalize"))):
        raise ConfigError("--bytes does not decode the text: leave out --encoding, --errors and --normalize")
    if not resume and given.get("val_fraction") == 0:
        check_without_validation(given)
    between("sample_every", given.get("sample_every") or 0, 0)


def read_options(given: dict[str, Any], resume: bool) -> dict[str, Any]:
    """The options that say how to read the text: the fields of a `Source`."""
    found = {name: given[name] for name in ("encoding", "errors", "as_bytes") if given.get(name)}
    if given.get("val_file"):
        if others := [f"--{name.replace('_', '-')}" for name in ("val_fraction", "val_spread") if name in given]:
            raise ConfigError(f"--val-file leaves nothing of the corpus to hold out: leave out {' and '.join(others)}")
        found["val_paths"] = tuple(given["val_file"])
    if found.get("as_bytes") and given.get("min_count"):
        raise ConfigError("--min-count is for characters: leave out --bytes")
    found |= {name: tuple(given[name]) for name in ("include", "exclude") if given.get(name)}
    if given.get("normalize"):
        found["normalization"] = given["normalize"]
    formats = [name for name in FORMATS if given.get(name)]
    form = given_records(given)
    if form is not None or given.get("lines"):
        found["record_form"] = form or LINES
    if form is not None and form.kind in formats:
        if found.get("as_bytes"):
            raise ConfigError(f"--{form.kind} reads characters: leave out --bytes")
        formats.remove(form.kind)
    if not formats:
        return found
    option = f"--{formats[0]}"
    if len(formats) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in formats)} can't both be given: give one of them")
    if not resume and option == "--conll" and not given.get("tags"):
        raise ConfigError("--conll is for words with tags: give --tags too")
    if not resume and not any(given.get(flag) for layout, flag in LAYOUT_FLAGS.items() if layout in PAIR_LAYOUTS):
        n = given[formats[0]].count(",") + 1
        if n > 2:
            raise ConfigError(
                f"{option} {given[formats[0]]} is {n} columns: give one, or two with --pairs, --classify or --tags"
            )
        raise ConfigError(
            f"{option} {given[formats[0]]} is two columns: add --pairs, --classify or --tags, or give one column"
        )
    if found.get("as_bytes"):
        raise ConfigError(f"{option} reads characters: leave out --bytes")
    found["table"] = formats[0]
    if option != "--conll":
        columns = tuple(name.strip() for name in given[formats[0]].split(","))
        if len({*columns}) != 2 or not all(columns):
            raise ConfigError(f"{option} is the names of two columns, such as source,target, not {given[formats[0]]!r}")
        found["columns"] = columns
    if not resume or "skip_bad" in given:
        found["skip_bad"] = bool(given.get("skip_bad"))
    return found
