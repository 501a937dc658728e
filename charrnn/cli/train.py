"""`charrnn train`: trains a model on a text; here are its options, in `run` what it then does."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

NAME = "train"
HELP = "Train a model on a text."
EXAMPLES = """\b
Each option can come from the environment too: CHARRNN_TRAIN_LR=0.001.

\b
Examples:
  charrnn train corpus.txt
  charrnn train src/ --cell gru --hidden-size 256 --epochs 20
  cat *.txt | charrnn train - --out all.safetensors
  charrnn train --resume --steps 20000
  charrnn train song.mid --bytes
  charrnn train names.txt --lines && charrnn sample --count 20
"""
LENGTHS = {"steps", "epochs"}


def _option(help: str, *names: str, envvar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=False, envvar=envvar, show_envvar=False)


def from_environment(context: typer.Context, name: str) -> bool:
    """Whether an option has its value from the environment, not from the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"


def command(
    context: typer.Context,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, or - for stdin. [tales that come with charrnn]", show_default=False),
    ] = None,
    as_bytes: Annotated[
        bool, _option("A model of bytes, of any file.", "--bytes", envvar="CHARRNN_TRAIN_BYTES")
    ] = False,
    encoding: Annotated[str | None, _option("Of the text. [utf-8]")] = None,
    errors: Annotated[
        str | None, _option("What isn't in it: strict, replace, ignore, backslashreplace, surrogateescape. [strict]")
    ] = None,
    lines: Annotated[bool | None, _option("Each line is a text of its own, as in a list of names.", "--lines")] = None,
    val_fraction: Annotated[
        float | None, _option("Share of the text, at its end, or of its lines, to validate on. [0.1]")
    ] = None,
    cell: Annotated[str | None, _option("lstm, gru or rnn. [lstm]")] = None,
    hidden_size: Annotated[int | None, _option("Units of a layer. [128]")] = None,
    layers: Annotated[int | None, _option("Layers, one above the other. [2]")] = None,
    dropout: Annotated[float | None, _option("Probability that a unit is left out in training. [0]")] = None,
    batch_size: Annotated[int | None, _option("Places of the text, or lines, that are read side by side. [50]")] = None,
    seq_length: Annotated[int | None, _option("Characters through which gradients go back. [50]")] = None,
    steps: Annotated[int | None, _option("Updates of the weights. [ten million characters, or 50 epochs]")] = None,
    epochs: Annotated[int | None, _option("Readings of the text, instead of --steps.")] = None,
    optimizer: Annotated[str | None, _option("adam, adamw, rmsprop, adagrad or sgd. [adam]")] = None,
    lr: Annotated[float | None, _option("Learning rate. [0.005; rmsprop: 0.002; adagrad and sgd: 0.1]")] = None,
    momentum: Annotated[float | None, _option("Of sgd. [0.9]")] = None,
    weight_decay: Annotated[float | None, _option("Pull of the weights towards zero. [0]")] = None,
    schedule: Annotated[
        str | None, _option("Of the rate: constant, step, linear, cosine. [step; cosine where no length is given]")
    ] = None,
    warmup: Annotated[int | None, _option("Steps over which the rate rises from zero. [0]")] = None,
    lr_decay: Annotated[float | None, _option("Factor of the step schedule for each epoch. [0.97]")] = None,
    lr_decay_after: Annotated[int | None, _option("Epochs before its first decay. [10]")] = None,
    clip: Annotated[float | None, _option("Largest norm, or value, of the gradient; 0: any. [5]")] = None,
    clip_by: Annotated[str | None, _option("norm or value. [norm]")] = None,
    out: Annotated[Path | None, _option("The model's file. [checkpoints/CORPUS.safetensors]", "--out", "-o")] = None,
    resume: Annotated[bool, _option("Go on with the training of --out, or with the newest.", "--resume")] = False,
    init_from: Annotated[Path | None, _option("Start from the weights of this model.")] = None,
    force: Annotated[bool, _option("Overwrite files that are there.", "--force")] = False,
    seed: Annotated[int | None, _option("Same seed, same model. [drawn]")] = None,
    engine: Annotated[str | None, _option("auto, numpy or numba. [auto]")] = None,
    threads: Annotated[int | None, _option("Threads to compute with. [one for each core]")] = None,
    eval_every: Annotated[int | None, _option("Steps between evaluations. [an epoch's, from 50 to 1000]")] = None,
    sample_every: Annotated[
        int | None, _option("Steps between samples on stderr; 0: none. [an eighth of all, from 200]")
    ] = None,
    log: Annotated[Path | None, _option("File for losses, rate and speed: a JSON object a line.")] = None,
    as_json: Annotated[
        bool, _option("At the end, the results as a JSON object on stdout.", "--json", envvar="CHARRNN_TRAIN_JSON")
    ] = False,
    quiet: Annotated[bool, _option("Nothing on stderr but errors.", "--quiet", "-q")] = False,
) -> None:
    given = {name: value for name, value in context.params.items() if value is not None}
    # What the environment says is for new runs: a resumed one has its settings in its file; and of two lengths the one
    # that was typed counts
    overruled = given.keys() if resume else {"steps", "epochs"} if steps is not None and epochs is not None else set()
    given = {
        name: value for name, value in given.items() if name not in overruled or not from_environment(context, name)
    }

    from charrnn import recipe
    from charrnn.cli import run
    from charrnn.config import between
    from charrnn.errors import ConfigError

    if resume and ("init_from" in given or given.get("force")):
        raise ConfigError("--resume goes on with files of its own: --init-from and --force are for new runs")
    paths = tuple(corpus or ())
    run.check_log(log, (*paths, out))
    if as_bytes and (encoding or errors):
        raise ConfigError("--bytes decodes nothing: --encoding and --errors are for text")
    between("sample_every", sample_every or 0, 0)
    options = {name: given[name] for name in given.keys() & (recipe.MODEL | recipe.TRAINING | {"epochs"})}
    reading = {name: given[name] for name in ("encoding", "errors", "as_bytes") if given.get(name)}
    recipe.check(options)
    if resume:
        training, path = run.resumed(paths, reading, options, out)
    else:
        training, path = run.started(paths, reading, options, out, init_from, force)
    every = max(200, training.snapshot.training.steps // 8) if sample_every is None else sample_every
    this = run.Run(training, path, quiet, every, log, force, new=not resume)
    code = this.go()
    if as_json:
        typer.echo(json.dumps(this.result()))
    raise typer.Exit(code)
