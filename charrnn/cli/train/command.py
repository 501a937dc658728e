"""`charrnn train`: trains a model on a text. This module declares the options; `run` does the work."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.terminal.computation import TrainPrecisionOption
from charrnn.cli.terminal.console import notifier
from charrnn.cli.terminal.help import MODEL, MOST_USED, OPTIMISATION, OUTPUT, READING, RUN, either, option
from charrnn.cli.terminal.record_options import DOCUMENTS, RECORDS_BY
from charrnn.cli.train import log_options, rank_options
from charrnn.cli.train.duration import duration
from charrnn.cli.train.examples import EXAMPLES
from charrnn.config import CELLS, CLIPPINGS, NONLINEARITIES, NORMALIZATIONS, OPTIMIZERS, SCHEDULES

__all__ = ["EXAMPLES", "HELP", "NAME", "command"]

NAME = "train"
HELP = "Train a model on a text."


def command(
    context: typer.Context,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, or - for stdin. [the tales that come with charrnn]", show_default=False),
    ] = None,
    time: Annotated[
        float | None,
        option(
            MOST_USED,
            "Training time, such as 90s, 3m or 1h; options that you leave out are chosen for it. [3m]",
            metavar="TIME",
            parser=duration,
        ),
    ] = None,
    hidden_size: Annotated[int | None, option(MOST_USED, "Units in each layer. [128]")] = None,
    lines: Annotated[
        bool | None, option(MOST_USED, "Each line is a text of its own, as in a list of names.", "--lines")
    ] = None,
    out: Annotated[
        Path | None, option(MOST_USED, "The model's file. [checkpoints/CORPUS.safetensors]", "--out", "-o")
    ] = None,
    resume: Annotated[
        bool, option(MOST_USED, "Continue the run of --out, of a model or text, or the latest.", "--resume")
    ] = False,
    records_by: Annotated[str | None, option(READING, RECORDS_BY, metavar="TEXT")] = None,
    documents: Annotated[bool | None, option(READING, DOCUMENTS, "--documents")] = None,
    pairs: Annotated[
        bool | None,
        option(READING, "Each line is a source, a tab and a target: a label and a text, or two texts.", "--pairs"),
    ] = None,
    classify: Annotated[bool | None, option(READING, "Each line is a text, a tab and its label.", "--classify")] = None,
    tags: Annotated[
        bool | None,
        option(READING, "Each line is a text, a tab and as many tags: one for each of its characters.", "--tags"),
    ] = None,
    as_bytes: Annotated[
        bool, option(READING, "Train on bytes, of any file.", "--bytes", envvar="CHARRNN_TRAIN_BYTES")
    ] = False,
    encoding: Annotated[str | None, option(READING, "Encoding of files without a byte order mark. [utf-8]")] = None,
    errors: Annotated[
        str | None,
        option(
            READING,
            "What to do with invalid bytes: strict, replace, ignore, backslashreplace, surrogateescape. [strict]",
            values=("strict", "replace", "ignore", "backslashreplace", "surrogateescape"),
        ),
    ] = None,
    normalize: Annotated[
        str | None,
        option(
            READING,
            f"Normal form of Unicode for this and all later texts of the model: {either(NORMALIZATIONS)}. [none]",
            values=NORMALIZATIONS,
        ),
    ] = None,
    csv: Annotated[
        str | None,
        option(READING, "A column of CSV, each row a text of its own; or two, as the two of pairs.", metavar="A[,B]"),
    ] = None,
    jsonl: Annotated[
        str | None,
        option(READING, "A field of JSON lines, each a text of its own; or two, as the two of pairs.", metavar="A[,B]"),
    ] = None,
    conll: Annotated[
        bool | None,
        option(READING, "With --tags: a word and its tag a line, an empty line between sentences.", "--conll"),
    ] = None,
    skip_bad: Annotated[
        bool | None,
        option(READING, "With --pairs, --classify or --tags: skip bad lines, and count them. [an error]", "--skip-bad"),
    ] = None,
    include: Annotated[
        list[str] | None,
        option(READING, "Read only these files of a folder, such as '*.py'; repeatable. [all]", metavar="PATTERN"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        option(READING, "Leave these files or folders of a folder out; repeatable. [none]", metavar="PATTERN"),
    ] = None,
    val_fraction: Annotated[
        float | None, option(READING, "Fraction of the text (its end), or of the lines, for validation. [0.1]")
    ] = None,
    val_spread: Annotated[
        bool | None, option(READING, "Hold out blocks from all over the text. [its end]", "--val-spread")
    ] = None,
    val_file: Annotated[
        list[str] | None,
        option(
            READING,
            "Validate on this file or folder, and learn the whole corpus; can be repeated.",
            "--val-file",
            metavar="FILE",
        ),
    ] = None,
    min_count: Annotated[
        int | None, option(READING, "Replace or leave out rarer characters. [0; with --time where they cost too much]")
    ] = None,
    cell: Annotated[str | None, option(MODEL, f"Type of the cells: {either(CELLS)}. [lstm]", values=CELLS)] = None,
    nonlinearity: Annotated[
        str | None, option(MODEL, f"Nonlinearity of an rnn: {either(NONLINEARITIES)}. [tanh]", values=NONLINEARITIES)
    ] = None,
    layers: Annotated[int | None, option(MODEL, "Number of layers. [2]")] = None,
    dropout: Annotated[float | None, option(MODEL, "Probability of dropping a unit in training. [0]")] = None,
    attention: Annotated[
        bool | None,
        option(
            MODEL,
            "For pairs: an encoder reads the source, and a decoder looks back at it. [if the sources are no labels]",
            "--attention/--no-attention",
        ),
    ] = None,
    locked_dropout: Annotated[
        bool | None,
        option(
            MODEL,
            "Drop the same units for a whole batch. [new ones at each time step]",
            "--locked-dropout/--no-locked-dropout",
        ),
    ] = None,
    drop_connect: Annotated[
        float | None, option(MODEL, "Probability of dropping a recurrent weight in training. [0]")
    ] = None,
    ngrams: Annotated[
        int | None, option(MODEL, "Mix in how often n-grams of up to so many characters occur; 0: none. [0]")
    ] = None,
    lm_weight: Annotated[
        float | None,
        option(
            MODEL, "With --classify or --tags: weight of the loss of predicting the next characters too. [0.5; tags: 0]"
        ),
    ] = None,
    init_from: Annotated[Path | None, option(MODEL, "Start from the weights of this model.")] = None,
    unknown: Annotated[
        str | None,
        option(
            MODEL,
            "What to do with characters that the model of --init-from has never seen: new (learn them), skip, or "
            "nearest, which replaces them. [new]",
            values=("new", "skip", "nearest"),
        ),
    ] = None,
    batch_size: Annotated[
        int | None, option(OPTIMISATION, "Parts of the text, or lines, to read side by side. [50]")
    ] = None,
    seq_length: Annotated[int | None, option(OPTIMISATION, "Truncated-BPTT length, in characters. [50]")] = None,
    optimizer: Annotated[
        str | None, option(OPTIMISATION, f"Optimizer: {either(OPTIMIZERS)}. [adam]", values=OPTIMIZERS)
    ] = None,
    lr: Annotated[
        float | None, option(OPTIMISATION, "Learning rate. [0.005; rmsprop: 0.002; adagrad and sgd: 0.1]")
    ] = None,
    momentum: Annotated[float | None, option(OPTIMISATION, "Momentum of sgd. [0.9]")] = None,
    weight_decay: Annotated[float | None, option(OPTIMISATION, "Weight decay. [0; adamw: 0.01]")] = None,
    schedule: Annotated[
        str | None,
        option(
            OPTIMISATION,
            f"Schedule of the learning rate: {', '.join(SCHEDULES)}. [step; linear with --time]",
            values=SCHEDULES,
        ),
    ] = None,
    warmup: Annotated[
        int | None, option(OPTIMISATION, "Steps over which the learning rate rises from zero. [0]")
    ] = None,
    hold: Annotated[
        int | None, option(OPTIMISATION, "Steps after the warm-up before linear and cosine begin to fall. [0]")
    ] = None,
    cooldown: Annotated[
        int | None, option(OPTIMISATION, "Steps over which linear and cosine fall to zero. [all remaining]")
    ] = None,
    lr_decay: Annotated[
        float | None, option(OPTIMISATION, "Factor of the step schedule for each epoch. [0.97]")
    ] = None,
    lr_decay_after: Annotated[
        int | None, option(OPTIMISATION, "Epochs before the first decay of the step schedule. [10]")
    ] = None,
    clip: Annotated[
        float | None, option(OPTIMISATION, "Largest norm (or value) of the gradient; 0: no clipping. [5]")
    ] = None,
    clip_by: Annotated[
        str | None, option(OPTIMISATION, f"Clip the gradient by {either(CLIPPINGS)}. [norm]", values=CLIPPINGS)
    ] = None,
    ema_decay: Annotated[
        float | None, option(OPTIMISATION, "EMA decay of the weights; 0 disables averaging. [0]")
    ] = None,
    steps: Annotated[int | None, option(RUN, "Training steps, instead of --time.")] = None,
    epochs: Annotated[int | None, option(RUN, "Passes over the text, instead of --time.")] = None,
    patience: Annotated[
        int | None, option(RUN, "Stop after this many evaluations without a better model; 0: never. [0]")
    ] = None,
    eval_every: Annotated[
        int | None, option(RUN, "Steps between evaluations. [one epoch, but 50 to 1000 steps; 5 of a short text]")
    ] = None,
    sample_every: Annotated[
        int | None, option(RUN, "Steps between samples on stderr; 0: none. [an eighth of the run, at least 200]")
    ] = None,
    seed: Annotated[int | None, option(RUN, "Random seed: the same seed gives the same model. [random]")] = None,
    engine: Annotated[
        str | None, option(RUN, "Engine: auto, numpy or numba. [auto]", values=("auto", "numpy", "numba"))
    ] = None,
    precision: TrainPrecisionOption = None,
    threads: Annotated[int | None, option(RUN, "Number of threads. [one a core; above 4 each has 8 rows]")] = None,
    distributed: rank_options.DistributedOption = False,
    exchange: rank_options.ExchangeOption = None,
    members: rank_options.MembersOption = None,
    sync_every: rank_options.SyncEveryOption = None,
    outer_lr: rank_options.OuterLrOption = None,
    outer_momentum: rank_options.OuterMomentumOption = None,
    rank_timeout: rank_options.RankTimeoutOption = None,
    force: Annotated[bool, option(OUTPUT, "Overwrite existing files.", "--force")] = False,
    log: log_options.LogOption = None,
    tensorboard: log_options.TensorboardOption = None,
    as_json: Annotated[
        bool, option(OUTPUT, "Print the results as a JSON object on stdout.", "--json", envvar="CHARRNN_TRAIN_JSON")
    ] = False,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.checkpoint.event_file import check_events
    from charrnn.checkpoint.log import check_log
    from charrnn.checkpoint.manager import CheckpointManager
    from charrnn.cli.train import files, job
    from charrnn.cli.train.given import given_options, read_options, training_options
    from charrnn.cli.train.run import Run
    from charrnn.training import options as train_options

    group, limits = None, {"exchange": exchange, "outer_lr": outer_lr, "outer_momentum": outer_momentum}
    with job.joined(distributed, rank_timeout, members, quiet, **limits) as ranks, ExitStack() as contexts:
        given, paths = given_options(context, resume, train_options.LENGTH_OPTIONS), tuple(corpus or ())
        check_log(log, (*paths, *(val_file or ())), (out,), continues=resume or force)
        check_events(tensorboard, (*paths, *(val_file or ())), continues=resume or force, others=(out, log))
        options = training_options(given, resume)
        reading = read_options(given, resume)
        default_time = not resume and not given.keys() & set(train_options.LENGTH_OPTIONS)
        if members and ranks is not None:
            from charrnn.cli.train.members import Members

            group, ranks = contexts.enter_context(Members(ranks, paths, out, given)), None
            paths, out, options = group.paths, group.own_path, group.own_options(options)
            if not group.is_first:
                quiet, as_json, log, tensorboard = True, False, None, None
        draws = sample_every != 0 and (tensorboard is not None or not quiet)
        if resume:
            started = files.resume(paths, reading, options, out=out, quiet=quiet, draws=draws, ranks=ranks)
        else:
            started = files.start(
                paths,
                reading,
                options,
                out=out,
                init_from=init_from,
                unknown=unknown,
                force=force,
                quiet=quiet,
                draws=draws,
                ranks=ranks,
            )
        files.check_logs(started, log, tensorboard, init_from)
        trainer, path, lock = started
        run = Run(
            CheckpointManager(
                trainer, path, lock, log=log, tensorboard=tensorboard, resumed=resume, force=force, warn=notifier(quiet)
            ),
            quiet=quiet,
            sample_every=draws * (sample_every or max(200, trainer.state.training_config.steps // 8)),
            command=None if resume else files.command_words(paths, reading, init_from, unknown, trainer.n_ranks),
            default_time=default_time,
            default_min_count=not resume and "min_count" not in options,
        )
        code, more = (run.go(), {}) if group is None else group.train(run)
        if as_json:
            typer.echo(json.dumps(run.result() | more))
        raise typer.Exit(code)
