"""`charrnn export`: writes a model in the format of other programs, which the name of the destination says."""

from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.terminal.console import notifier
from charrnn.cli.terminal.help import MOST_USED, RUN, option
from charrnn.cli.terminal.inputs import ModelArgument

NAME = "export"
HELP = "Write a model as a web page, for ONNX, or with a model card."
EXAMPLES = """\b
FILE.html is a page that needs nothing else: it opens from a disk or a web
server, writes in the browser, and makes no request. It is for models that
sample writes with, of texts, lines or labels. FILE.onnx is for ONNX Runtime.
A FOLDER gets the model and a README.md about it, a model card.

\b
Examples:
  charrnn export tales.html
  charrnn export checkpoints/names.safetensors names.html --title 'New names'
  charrnn export tales.safetensors tales.html --precision bfloat16 --force
  charrnn export tales.safetensors shared.html --no-provenance
  charrnn export tales.safetensors tales.onnx
  charrnn export tales.safetensors stormy-nights --license cc-by-4.0
"""


def command(
    checkpoint: ModelArgument = None,
    destination: Annotated[
        Path | None, typer.Argument(help="What to write: FILE.html, FILE.onnx or FOLDER.", show_default=False)
    ] = None,
    precision: Annotated[
        str | None,
        option(MOST_USED, "Format of a page's weights: int8 or bfloat16. [int8]", values=("int8", "bfloat16")),
    ] = None,
    title: Annotated[str | None, option(MOST_USED, "The title. [the name of the file]", metavar="TEXT")] = None,
    temp: Annotated[
        float | None, option(MOST_USED, "Temperature at which the page begins; its readers can change it. [0.8]")
    ] = None,
    no_provenance: Annotated[
        bool,
        option(MOST_USED, "Leave out the corpus, its size, the loss, the date and the file's name.", "--no-provenance"),
    ] = False,
    force: Annotated[bool, option(MOST_USED, "Overwrite an existing file.", "--force")] = False,
    license: Annotated[
        str | None,
        option(RUN, "License of a folder's model, as hubs write it, such as cc-by-4.0. [none]", metavar="NAME"),
    ] = None,
    quiet: Annotated[bool, option(RUN, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.checkpoint.model_file import load
    from charrnn.checkpoint.paths import SUFFIX
    from charrnn.cli.terminal.console import model_file
    from charrnn.cli.terminal.output_file import check_path
    from charrnn.errors import ConfigError
    from charrnn.export.formats import SUFFIXES, export, format_of
    from charrnn.export.options import ExportOptions

    if destination is None and checkpoint is not None and not checkpoint.endswith(SUFFIX):
        destination, checkpoint = Path(checkpoint), None
    if destination is None:
        words = [checkpoint, f"{Path(checkpoint).stem}{SUFFIXES[0]}"] if checkpoint else [f"page{SUFFIXES[0]}"]
        raise ConfigError(f"give the name of the file to write too: charrnn export {' '.join(words)}")
    notice = notifier(quiet)
    kind = format_of(destination)
    if destination.suffix:
        check_path(destination, SUFFIXES, force)
    else:
        from charrnn.export.card import check_folder_is_free

        check_folder_is_free(destination, force)
    source = model_file(None if checkpoint is None else Path(checkpoint), notice)
    loaded = load(source)
    size = export(source, loaded, destination, ExportOptions(precision, title, temp, license, not no_provenance))
    if loaded.model.ngrams is not None and not kind.has_ngrams:
        notice("left out: the n-grams, so that it predicts as the network alone does")
    notice(f"wrote {destination}, {size:,} bytes")
