"""`charrnn inspect`: shows what models are and what they have learned, as text, data, a picture or a page."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.terminal.console import model_file, notifier, one_line, spinning
from charrnn.cli.terminal.console import unit as place

if TYPE_CHECKING:
    from charrnn.inspection import Feature
    from charrnn.model.model import Model

NAME = "inspect"
HELP = "Show what a model is, how it learned, and what it has learned."
EXAMPLES = """\b
Views can be combined. Units are LAYER:INDEX, both from 0; where the unit of
an LSTM stands is the tanh of its memory c, and of the others its output h.
What a model has never seen is left out. --memory and --page read what the
training held out, if it is where it was.

\b
Examples:
  charrnn inspect
  charrnn inspect model.safetensors --json | jq .history
  charrnn inspect --neurons chapter.txt --follow '[A-Z]+:'
  charrnn inspect --neurons 'To be, or not to be' --unit 0:17
  charrnn inspect rnn.safetensors gru.safetensors lstm.safetensors --memory
  charrnn inspect --surprise chapter.txt
  charrnn inspect --weights --vocabulary
  charrnn inspect --history --plot history.svg
  charrnn inspect --page model.html
"""
SHOWN, DRAWN = 1000, 3200
"""Characters of a text that are shown in the terminal, and drawn to a picture, at the most."""
COMBINED = ("history", "memory")
"""Views that show several models in one chart."""


def _option(help: str, *names: str, envvar: str | None = None, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=False, envvar=envvar, show_envvar=False, metavar=metavar)


def command(
    checkpoints: Annotated[
        list[Path] | None, typer.Argument(help="The models' files. [the newest in checkpoints/]", show_default=False)
    ] = None,
    history: Annotated[bool, _option("Losses and learning rates over the steps, as charts.", "--history")] = False,
    neurons: Annotated[
        str | None, _option("Units that follow what has a name, in this text; -: stdin.", metavar="TEXT|FILE")
    ] = None,
    follow: Annotated[
        list[str] | None, _option("With --neurons: look for this pattern too; can be repeated.", metavar="REGEX")
    ] = None,
    unit: Annotated[str | None, _option("With --neurons: show the text by this unit.", metavar="LAYER:INDEX")] = None,
    memory: Annotated[bool, _option("How far back predictions reach: gradients, contexts, gates.", "--memory")] = False,
    surprise: Annotated[
        str | None, _option("How little each character of this text is expected.", metavar="TEXT|FILE")
    ] = None,
    weights: Annotated[bool, _option("The tensors: spread, spectral radius, dead units.", "--weights")] = False,
    vocabulary: Annotated[bool, _option("The nearest neighbours of each character.", "--vocabulary")] = False,
    corpus: Annotated[Path | None, _option("A text for --memory and --page. [what was held out]")] = None,
    page: Annotated[Path | None, _option("Write all views to a page, FILE.html: needs charrnn[page].")] = None,
    plot: Annotated[Path | None, _option("Draw the view to FILE.png, .svg or .pdf: needs charrnn[plot].")] = None,
    force: Annotated[bool, _option("Overwrite the page or the picture.", "--force")] = False,
    as_json: Annotated[
        bool, _option("One JSON object a line for each model.", "--json", envvar="CHARRNN_INSPECT_JSON")
    ] = False,
    quiet: Annotated[bool, _option("Nothing on stderr but errors.", "--quiet", "-q")] = False,
) -> None:
    views: dict[str, Any] = {
        "history": history,
        "neurons": neurons,
        "memory": memory,
        "surprise": surprise,
        "weights": weights,
        "vocabulary": vocabulary,
    }
    views = {name: given for name, given in views.items() if given not in (None, False)}
    _refuse_contradictions(views, bool(follow), unit is not None, corpus, page, plot, as_json, force)
    from charrnn.cli.inspect.target import MAX_TEXT, targets
    from charrnn.inspection import following

    asked = InspectRequest(
        views, [following(pattern) for pattern in follow or []], None if unit is None else place(unit)
    )
    notice = notifier(quiet)
    for path, suffixes in ((page, (".html", ".htm")), (plot, (".png", ".svg", ".pdf"))):
        _refuse_to_overwrite(path, suffixes, force)
    found = targets(checkpoints or [model_file(None, notice)], corpus)
    if plot is not None and len(found) > 1 and not set(views) <= set(COMBINED):
        raise _wrong(f"--plot draws --{next(iter(views))} of one model: name one")
    for subject in found:  # what is wrong with any of them, and what is missing, is known before the long work
        model = subject.model
        if asked.unit is not None:
            model.check_unit(*asked.unit)
    if page is not None:
        import charrnn.inspection.report
    if plot is not None:
        import charrnn.inspection.figures  # noqa: F401
    with spinning("looking inside", quiet):
        if page is not None:
            written = _write_page(page, found, asked)
        else:
            most = MAX_TEXT if as_json else DRAWN if plot is not None else SHOWN
            looks = [(subject, _look(subject, asked, most)) for subject in found]
            if plot is not None:
                written = _draw(plot, asked, looks)
    for path in (page, plot):
        if path is not None:
            notice(f"wrote {path}, {written:,} bytes")
            return
    if as_json:
        for _, data in looks:
            typer.echo(json.dumps(data, allow_nan=False))
    else:
        _print(asked, looks)


@dataclass(frozen=True)
class InspectRequest:
    """What is asked for: views by name, with the text of those that have one; features beside those that are named;
    and a unit, where it is not to be the best."""

    views: dict[str, Any]
    features: list["Feature"]
    unit: tuple[int, int] | None


Results = list[tuple["Subject", dict[str, Any]]]


def _look(subject: "Subject", asked: InspectRequest, most: int) -> dict[str, Any]:
    """What was asked for of a checkpoint, as data; where a unit stands in so many characters, at the most."""
    from charrnn import inspection
    from charrnn.inspection.trace import beginning

    about = {"file": str(subject.path), "bytes": subject.path.stat().st_size if subject.path.exists() else 0}
    if not asked.views:
        return about | inspection.summary(subject.checkpoint)
    model, data = subject.model, about
    for name, given in asked.views.items():
        match name:
            case "history":
                data["history"] = inspection.summary(subject.checkpoint)["history"]
            case "neurons":
                text = subject.text(given)
                data["neurons"] = found = inspection.neurons(model, text, asked.features)
                found["unit"] = _standing(model, found, asked.unit, beginning(model, text, most))
            case "memory":
                data["memory"] = inspection.remembrance(model, subject.held_out)
            case "surprise":
                text = subject.text(given)
                data["surprise"] = {"text": text} | inspection.surprise(model, text)
            case "weights":
                data["weights"] = inspection.weights(model)
            case "vocabulary":
                data["vocabulary"] = inspection.neighbours(model)
    return data


def _standing(model: "Model", found: dict[str, Any], unit: tuple[int, int] | None, text: str) -> dict[str, Any] | None:
    """Where a unit stands after each character of a text: the one asked for, or the best that was found, if any was."""
    import numpy as np

    from charrnn.inspection import activations

    follows = None
    if unit is None:
        if not found["features"]:
            return None
        follows, best = found["features"][0]["follows"], found["features"][0]["units"][0]
        unit = best["layer"], best["index"]
    stands = [None if np.isnan(a) else float(a) for a in activations(model, text, [unit])[0]]
    return {"layer": unit[0], "index": unit[1], "follows": follows, "text": text, "stands": stands}


def _print(asked: InspectRequest, looks: Results) -> None:
    """Prints the views in their order: those of all models together, and then the others of one after the other."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not asked.views:
        from charrnn.cli.inspect.summary_view import summary_view
    else:
        from charrnn.cli.inspect import views

    def show(parts: Iterable[Any]) -> None:
        for part in parts:
            console.print(part)

    names = [(subject.name, data) for subject, data in looks]
    if "history" in asked.views:
        show(views.history(names, console))
    if "memory" in asked.views:
        show(views.memory([(name, data["memory"]) for name, data in names], console))
    for subject, data in looks:
        if len(looks) > 1 and not set(asked.views) <= set(COMBINED):
            show([Text(f"\n{one_line(str(subject.path))}", style="bold")])
        if not asked.views:
            show(summary_view(data, console.width))
        if "neurons" in asked.views:
            show(views.neurons(data["neurons"], console))
        if "surprise" in asked.views:
            show(views.surprise(data["surprise"], SHOWN, console))
        if "weights" in asked.views:
            show(views.weights(data["weights"]))
        if "vocabulary" in asked.views:
            show(views.vocabulary(data["vocabulary"]))


def _draw(path: Path, asked: InspectRequest, looks: Results) -> int:
    """Draws the only view to a file; returns its size."""
    from charrnn.checkpoint.atomic_file import write_bytes
    from charrnn.inspection import figures

    (view,) = asked.views
    names = [(one_line(subject.name), data if view == "history" else data[view]) for subject, data in looks]
    (_, data), *_ = names
    match view:
        case "history":
            panels = figures.history(names)
        case "memory":
            panels = figures.memory(names) + (figures.gates(data) if len(names) == 1 else [])
        case "neurons" if asked.unit is not None:
            panels = figures.unit(data["unit"]["text"], data["unit"]["stands"])
        case "surprise":
            panels = figures.surprise(data["text"], data)
        case _:
            panels = getattr(figures, view)(data)
    content = figures.picture(panels, path.suffix.lower())
    write_bytes(path, content)
    return len(content)


def _write_page(path: Path, found: list["Subject"], asked: InspectRequest) -> int:
    """Writes a page of all views; returns its size."""
    from charrnn.checkpoint.atomic_file import write_bytes
    from charrnn.inspection.report import ReportEntry, render

    given = asked.views.get("neurons", asked.views.get("surprise"))
    models = [
        ReportEntry(
            one_line(subject.name),
            subject.checkpoint,
            subject.held_out,
            None if given is None else subject.text(given),
        )
        for subject in found
    ]
    content = render(models, asked.features).encode("utf-8", "replace")
    write_bytes(path, content)
    return len(content)


def _refuse_contradictions(
    views: dict[str, Any],
    follow: bool,
    unit: bool,
    corpus: Path | None,
    page: Path | None,
    plot: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Raises `ConfigError` for options that exclude each other, or want each other and come alone."""
    for wrong, why in (
        (follow and "neurons" not in views, "--follow is for --neurons TEXT: give the text, too"),
        (unit and "neurons" not in views, "--unit is for --neurons TEXT: give the text, too"),
        (corpus and not (page or "memory" in views), "--corpus is for --memory and --page"),
        (corpus and str(corpus) == "-", "--corpus is a file: stdin is for --neurons and --surprise"),
        (force and not (page or plot), "--force is for --page and --plot"),
        (page and plot, "--page and --plot can't both be given"),
        ((page or plot) and as_json, "--json can't be given with a page or a picture"),
        (page and set(views) - {"neurons", "surprise"}, "--page has all views: leave out those that it is given with"),
        (page and {"neurons", "surprise"} <= set(views), "--page has one text: give --neurons or --surprise"),
        (page and unit, "--unit can't be given with --page, where any unit can be chosen"),
        (plot and len(views) != 1, "--plot draws a single view: name one, such as --history"),
        ([*views.values()].count("-") > 1, "stdin is one text: give - once"),
    ):
        if wrong:
            raise _wrong(why)


def _refuse_to_overwrite(path: Path | None, suffixes: tuple[str, ...], force: bool) -> None:
    """Raises `CheckpointError` where a file is in the way, and `ConfigError` where its name says it is no such file."""
    from charrnn.errors import CheckpointError

    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise _wrong(f"{path} should end in {' or '.join(suffixes)}")
    if path.exists() and not force:
        raise CheckpointError(f"{path} is there already: overwrite it with --force, or give another name")


def _wrong(text: str) -> Exception:
    from charrnn.errors import ConfigError

    return ConfigError(text)
