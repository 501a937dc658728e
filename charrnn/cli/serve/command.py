"""`charrnn serve`: answers other programs over HTTP, as OpenAI's completions do."""

from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.terminal.computation import EngineOption, PrecisionOption
from charrnn.cli.terminal.console import model_file, notice, notifier
from charrnn.cli.terminal.help import MOST_USED, RUN, option

NAME = "serve"
HELP = "Let other programs have texts, scores and labels over HTTP."
LIMITS = "Limits"
EXAMPLES = """\b
Programs that know OpenAI's completions ask for texts at /v1/completions; a
token is a character. Scores are at /score, labels at /classify, a page that
writes at /, and what the server does at /healthz and /metrics.
A model is loaded when it is asked for, and again when its file has changed.
SIGTERM ends the server when the answers that have begun are complete.
Each option can come from the environment too: CHARRNN_SERVE_API_KEY=secret.

\b
Examples:
  charrnn serve
  charrnn serve tales.safetensors names.safetensors --port 8080
  CHARRNN_SERVE_API_KEY=secret charrnn serve tales.safetensors --host 0.0.0.0
  curl localhost:8000/v1/completions --json '{"prompt": "It was", "seed": 1}'
"""


def command(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The models' files. [the newest in checkpoints/, else that of the tales]", show_default=False
        ),
    ] = None,
    host: Annotated[
        str, option(MOST_USED, "Address to listen at; 0.0.0.0: all of this machine.", show_default=True)
    ] = "127.0.0.1",
    port: Annotated[int, option(MOST_USED, "Port to listen at; 0: any that is free.", show_default=True)] = 8000,
    api_key: Annotated[
        str | None,
        option(
            MOST_USED, "What clients must give as their key; better in CHARRNN_SERVE_API_KEY. [none]", metavar="TEXT"
        ),
    ] = None,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters of a prompt that are not in the model's vocabulary: error, skip, or nearest, "
            "which replaces them.",
            show_default=True,
            values=("error", "skip", "nearest"),
        ),
    ] = "error",
    max_tokens: Annotated[int, option(MOST_USED, "The most characters of a completion.", show_default=True)] = 10_000,
    batch_size: Annotated[
        int, option(LIMITS, "The most texts that are drawn side by side; others wait.", show_default=True)
    ] = 64,
    queue: Annotated[int, option(LIMITS, "The most texts that wait; more are refused.", show_default=True)] = 256,
    max_body: Annotated[int, option(LIMITS, "The most bytes of a request.", show_default=True)] = 1 << 20,
    timeout: Annotated[float, option(LIMITS, "The most seconds for an answer.", show_default=True)] = 300.0,
    drain: Annotated[
        float,
        option(LIMITS, "The most seconds, after SIGTERM, for answers that have begun.", show_default=True),
    ] = 30.0,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "float32",
    quiet: Annotated[bool, option(RUN, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    import os

    from charrnn.cli.serve.prepared import preparation
    from charrnn.cli.terminal.environment import DEBUG
    from charrnn.server.models import Models
    from charrnn.server.options import ServerOptions

    options = ServerOptions(
        host=host,
        port=port,
        api_key=api_key,
        batch_size=batch_size,
        queue=queue,
        max_tokens=max_tokens,
        max_body=max_body,
        timeout=timeout,
        drain=drain,
        unknown=unknown,
    )
    from charrnn.server.serve import serve

    log = notifier(quiet)
    paths = models or [model_file(None, log)]
    debug = os.environ.get(DEBUG, "") not in ("", "0")
    serve(Models(paths, preparation(engine, precision, quiet), notice), options, log, log, debug)
