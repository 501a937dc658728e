"""`charrnn inspect`: shows what models are and what they have learned, as text, JSON, a picture or a page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from charrnn.cli.terminal.console import model_file, notifier, spinning

NAME = "inspect"
HELP = "Show what a model is, how it learned, and what it has learned."
EXAMPLES = """\b
Without a view, the summary is shown. Views can be combined. A unit is
LAYER:INDEX, both from 0; the activation of an LSTM's unit is tanh of its cell
state c, that of other units is their output h. Characters that the model has
never seen are left out. --context and --page read the validation text, if the
corpus is where it was.

\b
Examples:
  charrnn inspect
  charrnn inspect model.safetensors --json | jq .history
  charrnn inspect --neurons chapter.txt --feature '[A-Z]+:'
  charrnn inspect --neurons 'To be, or not to be' --unit 0:17
  charrnn inspect rnn.safetensors gru.safetensors lstm.safetensors --context
  charrnn inspect --surprisal chapter.txt
  charrnn inspect --weights --vocabulary
  charrnn inspect --history --plot history.svg
  charrnn inspect --page model.html
"""


def _option(help: str, *names: str, envvar: str | None = None, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=False, envvar=envvar, show_envvar=False, metavar=metavar)


def command(
    ctx: typer.Context,
    checkpoints: Annotated[
        list[Path] | None, typer.Argument(help="The models' files. [the newest in checkpoints/]", show_default=False)
    ] = None,
    # The options of the views have the names of the registry, by which they are found in the context
    history: Annotated[bool, _option("Losses and learning rate over the steps, as charts.", "--history")] = False,
    neurons: Annotated[
        str | None, _option("Units that follow features of this text; - reads stdin.", metavar="TEXT|FILE")
    ] = None,
    surprisal: Annotated[
        str | None, _option("The surprisal of each character of this text.", metavar="TEXT|FILE")
    ] = None,
    context: Annotated[bool, _option("How far back predictions depend on the text; the gates.", "--context")] = False,
    weights: Annotated[bool, _option("Statistics of the tensors, spectral radii, dead units.", "--weights")] = False,
    vocabulary: Annotated[bool, _option("The nearest neighbours of each character.", "--vocabulary")] = False,
    feature: Annotated[
        list[str] | None,
        _option("With --neurons: look for this pattern too; can be repeated.", metavar="REGEX"),
    ] = None,
    unit: Annotated[str | None, _option("With --neurons: colour the text by this unit.", metavar="LAYER:INDEX")] = None,
    corpus: Annotated[Path | None, _option("Text for --context and --page. [the validation text]")] = None,
    page: Annotated[Path | None, _option("Write all views to a page, FILE.html; needs charrnn[page].")] = None,
    plot: Annotated[Path | None, _option("Draw the view to FILE.png, .svg or .pdf; needs charrnn[plot].")] = None,
    force: Annotated[bool, _option("Overwrite the page or the picture.", "--force")] = False,
    as_json: Annotated[
        bool, _option("Print a JSON object for each model, one a line.", "--json", envvar="CHARRNN_INSPECT_JSON")
    ] = False,
    quiet: Annotated[bool, _option("Print only errors to stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.cli.inspect import output_file, results
    from charrnn.cli.inspect.request import InspectRequest, requested_views
    from charrnn.cli.inspect.target import targets

    request = InspectRequest(
        requested_views(ctx.params), feature or [], unit, corpus, page, plot, as_json=as_json, force=force
    )
    notice = notifier(quiet)
    output_file.check_path(page, output_file.PAGE_SUFFIXES, force)
    output_file.check_path(plot, output_file.PICTURE_SUFFIXES, force)
    found = targets(checkpoints or [model_file(None, notice)], corpus)
    request.check_models([target.model for target in found])
    if page is not None:  # what is missing is an error before the long work
        import charrnn.inspection.report.page
    if plot is not None:
        import charrnn.inspection.picture  # noqa: F401
    with spinning("inspecting", quiet):
        if page is not None:
            size = output_file.write_page(page, request, found)
        else:
            looked = [(target, results.inspect(target, request)) for target in found]
            if plot is not None:
                size = output_file.write_picture(plot, request, looked)
    if output := page or plot:
        notice(f"wrote {output}, {size:,} bytes")
    elif as_json:
        results.print_json(looked)
    else:
        results.print_results(request, looked)
