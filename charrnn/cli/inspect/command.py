"""`charrnn inspect`: shows what models are and what they have learned, as text, JSON, a picture or a page."""

from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.terminal.console import model_file, notifier, spinning
from charrnn.cli.terminal.help import MOST_USED, OUTPUT, READING, VIEWS, option

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
  charrnn inspect classifier.safetensors --attribution 'Llanfair'
  charrnn inspect translator.safetensors --attention 'March 3, 1999'
  charrnn inspect --weights --vocabulary
  charrnn inspect --history --plot history.svg
  charrnn inspect --page model.html
  charrnn inspect --page shared.html --no-text
"""


def command(
    ctx: typer.Context,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The models' files. [the newest in checkpoints/, else that of the tales]", show_default=False
        ),
    ] = None,
    # The option of a view has the view's name in the registry, by which it is found in the context
    history: Annotated[
        bool, option(MOST_USED, "Losses and learning rate over the steps, as charts.", "--history")
    ] = False,
    neurons: Annotated[
        str | None, option(MOST_USED, "Units that follow features of this text; -: stdin.", metavar="TEXT|FILE")
    ] = None,
    surprisal: Annotated[
        str | None, option(MOST_USED, "Surprisal of each character of this text; -: stdin.", metavar="TEXT|FILE")
    ] = None,
    attribution: Annotated[
        str | None,
        option(VIEWS, "Which characters speak for the label or the spans of this text; -: stdin.", metavar="TEXT|FILE"),
    ] = None,
    attention: Annotated[
        str | None,
        option(
            VIEWS, "What a translator reads of this source for each character it writes; -: stdin.", metavar="TEXT|FILE"
        ),
    ] = None,
    page: Annotated[
        Path | None, option(MOST_USED, "Write all views to a page, FILE.html; needs Jinja2, matplotlib.")
    ] = None,
    as_json: Annotated[
        bool, option(MOST_USED, "Print a JSON object for each model.", "--json", envvar="CHARRNN_INSPECT_JSON")
    ] = False,
    context: Annotated[bool, option(VIEWS, "How far back predictions depend on the text; gates.", "--context")] = False,
    weights: Annotated[
        bool, option(VIEWS, "Statistics of the tensors; spectral radii; dead units.", "--weights")
    ] = False,
    vocabulary: Annotated[bool, option(VIEWS, "Nearest neighbours of each character.", "--vocabulary")] = False,
    feature: Annotated[
        list[str] | None,
        option(VIEWS, "With --neurons: look for this pattern too; can be repeated.", metavar="REGEX"),
    ] = None,
    unit: Annotated[
        str | None, option(VIEWS, "With --neurons: colour the text by this unit.", metavar="LAYER:INDEX")
    ] = None,
    corpus: Annotated[Path | None, option(READING, "Text for --context and --page. [the validation text]")] = None,
    encoding: Annotated[
        str | None,
        option(READING, "Encoding of texts in files, unless a byte order mark says it. [that of the training text]"),
    ] = None,
    plot: Annotated[Path | None, option(OUTPUT, "Draw the view to FILE.png, .svg or .pdf; needs matplotlib.")] = None,
    force: Annotated[bool, option(OUTPUT, "Overwrite the page or the picture.", "--force")] = False,
    no_text: Annotated[
        bool, option(OUTPUT, "With --page: leave out the texts that it shows, to share it.", "--no-text")
    ] = False,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.cli.inspect import output_file, results
    from charrnn.cli.inspect.request import InspectRequest, requested_views
    from charrnn.cli.inspect.target import targets
    from charrnn.cli.terminal.output_file import PAGE_SUFFIXES, PICTURE_SUFFIXES, check_path, quiet_matplotlib

    request = InspectRequest(
        requested_views(ctx.params), feature or [], unit, corpus, encoding, page, plot, as_json, force, no_text
    )
    notice = notifier(quiet)
    check_path(page, PAGE_SUFFIXES, force)
    check_path(plot, PICTURE_SUFFIXES, force)
    found = targets(checkpoints or [model_file(None, notice)], corpus, encoding)
    request.check_models([target.model for target in found])
    quiet_matplotlib()
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
