"""`charrnn train`: trains a model on a text; here are its options, in `run` what it then does."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

NAME = "train"
HELP = "Train a model on a text."
EXAMPLES = """\b
What stands in [brackets] is the default with --steps or --epochs; with
--time, or none of them, it is chosen for this machine and this text.
Each option can come from the environment too: CHARRNN_TRAIN_LR=0.001.

\b
Examples:
  charrnn train corpus.txt --time 10m
  charrnn train src/ --cell gru --hidden-size 256 --epochs 20
  cat *.txt | charrnn train - --out all.safetensors
  charrnn train --resume --steps 20000
  charrnn train song.mid --bytes
  charrnn train names.txt --lines && charrnn sample --count 20
"""
DURATION = re.compile(r"(?:(\d+(?:\.\d*)?)h)?(?:(\d+(?:\.\d*)?)m)?(?:(\d+(?:\.\d*)?)s?)?")


def _option(help: str, *names: str, envvar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=False, envvar=envvar, show_envvar=False)


def from_environment(context: typer.Context, name: str) -> bool:
    """Whether an option has its value from the environment, not from the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"


def duration(text: str) -> float:
    """The seconds that a length of time like 90s, 3m or 1h30m has."""
    found = DURATION.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise typer.BadParameter(f"{text!r} is no length of time: write 90s, 3m or 1h")
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))


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
    locked: Annotated[
        bool | None,
        _option("Leave out the same units for a whole chunk. [anew for each character]", "--locked/--unlocked"),
    ] = None,
    drop_connect: Annotated[
        float | None, _option("Probability that a recurrent weight is left out of a step. [0]")
    ] = None,
    batch_size: Annotated[int | None, _option("Places of the text, or lines, that are read side by side. [50]")] = None,
    seq_length: Annotated[int | None, _option("Characters through which gradients go back. [50]")] = None,
    time: Annotated[
        float | None,
        typer.Option(
            help="Learn as much as this machine can in 90s, 3m or 1h: what isn't given is chosen. [3m]",
            parser=duration,
            metavar="TIME",
            show_default=False,
            show_envvar=False,
        ),
    ] = None,
    steps: Annotated[int | None, _option("Updates of the weights, instead of --time.")] = None,
    epochs: Annotated[int | None, _option("Readings of the text, instead of --time.")] = None,
    optimizer: Annotated[str | None, _option("adam, adamw, rmsprop, adagrad or sgd. [adam]")] = None,
    lr: Annotated[float | None, _option("Learning rate. [0.005; rmsprop: 0.002; adagrad and sgd: 0.1]")] = None,
    momentum: Annotated[float | None, _option("Of sgd. [0.9]")] = None,
    weight_decay: Annotated[float | None, _option("Pull of the weights towards zero. [0]")] = None,
    schedule: Annotated[
        str | None, _option("Of the rate: constant, step, linear, cosine. [step; linear with --time]")
    ] = None,
    warmup: Annotated[int | None, _option("Steps over which the rate rises from zero. [0]")] = None,
    hold: Annotated[int | None, _option("Steps after these before linear and cosine begin to fall. [0]")] = None,
    cooldown: Annotated[int | None, _option("Steps over which these fall to zero. [all that are left]")] = None,
    lr_decay: Annotated[float | None, _option("Factor of the step schedule for each epoch. [0.97]")] = None,
    lr_decay_after: Annotated[int | None, _option("Epochs before its first decay. [10]")] = None,
    clip: Annotated[float | None, _option("Largest norm, or value, of the gradient; 0: any. [5]")] = None,
    clip_by: Annotated[str | None, _option("norm or value. [norm]")] = None,
    average: Annotated[
        float | None, _option("Keep an average of the weights, of which this much remains at each step. [0: none]")
    ] = None,
    patience: Annotated[
        int | None, _option("Stop after so many evaluations without a better validation loss. [0: never]")
    ] = None,
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
    from charrnn.training import options

    given = {name: value for name, value in context.params.items() if value is not None}
    # What the environment says is for new runs: a resumed one has its settings in its file; and of two lengths the one
    # that was typed counts
    lengths = given.keys() & set(options.LENGTH_OPTIONS)
    overruled = given.keys() if resume else lengths if len(lengths) > 1 else set()
    given = {
        name: value for name, value in given.items() if name not in overruled or not from_environment(context, name)
    }

    from charrnn.checkpoint.lock import lock_path
    from charrnn.checkpoint.log import check_log
    from charrnn.checkpoint.naming import resume_path
    from charrnn.cli.train import files
    from charrnn.cli.train.run import Run
    from charrnn.config import between
    from charrnn.dataset import files
    from charrnn.errors import ConfigError

    if resume and ("init_from" in given or given.get("force")):
        raise ConfigError("--resume goes on with files of its own: --init-from and --force are for new runs")
    paths = tuple(corpus or ())
    check_log(log, paths, (out,))
    if as_bytes and (encoding or errors):
        raise ConfigError("--bytes decodes nothing: --encoding and --errors are for text")
    between("sample_every", sample_every or 0, 0)
    options = {
        name: given[name]
        for name in given.keys() & (options.MODEL_OPTIONS | options.TRAINING_OPTIONS | set(options.LENGTH_OPTIONS))
    }
    reading = {name: given[name] for name in ("encoding", "errors", "as_bytes") if given.get(name)}
    options.check(options)
    unasked = not resume and not options.keys() & set(options.LENGTH_OPTIONS)
    if unasked:
        options["time"] = options.DEFAULT_TIME
    if resume:
        training, path, held = files.resumed(paths, reading, options, out, quiet)
    else:
        training, path, held = files.started(paths, reading, options, out, init_from, force, quiet)
    source = training.state.source
    texts = source.paths if log is not None and source is not None else ()
    check_log(log, texts, (path, resume_path(path), lock_path(path), init_from, *files.list_files(texts)))
    every = max(200, training.state.training_config.steps // 8) if sample_every is None else sample_every
    begun_by = None if resume else files.command_words(paths, reading, init_from)
    this = Run(training, path, quiet, every, log, force, begun_by, unasked)
    try:
        code = this.go()
    finally:
        held.release()
    if as_json:
        typer.echo(json.dumps(this.result()))
    raise typer.Exit(code)
