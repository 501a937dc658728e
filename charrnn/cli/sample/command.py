"""`charrnn sample`: writes text with a trained model. The options are here; the modules beside it do the work."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.sample.examples import EXAMPLES as EXAMPLES
from charrnn.cli.terminal.adaptation import AdaptPullOption, AdaptRateOption, AdaptSegmentOption, adaptation_config
from charrnn.cli.terminal.computation import EngineOption, PrecisionOption
from charrnn.cli.terminal.console import Output, model_file, notifier
from charrnn.cli.terminal.help import CHOICE, MOST_USED, OUTPUT, RUN, START, TEXT, TEXTS, option

NAME = "sample"
HELP = "Write text with a trained model."


def command(
    context: typer.Context,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="The model's file. [the newest in checkpoints/, else that of the tales]", show_default=False
        ),
    ] = None,
    temp: Annotated[
        str,
        option(
            MOST_USED,
            "Temperature: low is more conservative, high more varied; 0: always the likeliest character; "
            "0.4:1.2: from 0.4 to 1.2 along the text.",
            show_default=True,
        ),
    ] = "1",
    length: Annotated[
        int | None,
        option(
            MOST_USED,
            "The most characters to write; -1: without end. [1000; of a line or record twice the longest]",
            "--length",
            "-n",
        ),
    ] = None,
    prime: Annotated[str | None, option(MOST_USED, "Text to continue, \\n in it is a newline; -: from stdin.")] = None,
    count: Annotated[
        int,
        option(MOST_USED, "Samples, or lines, to write; each ends with a newline.", "--count", "-c", show_default=True),
    ] = 1,
    seed: Annotated[int | None, option(MOST_USED, "Random seed: the same seed gives the same text. [random]")] = None,
    prime_file: Annotated[Path | None, option(START, "File with the text to continue.")] = None,
    encoding: Annotated[
        str | None,
        option(
            START,
            "Encoding of the prime's file, --corpus and what --interactive reads, unless a byte order mark says it. "
            "[that of the training text]",
        ),
    ] = None,
    adapt: Annotated[
        bool, option(START, "Learn from the prime before continuing it, in its manner.", "--adapt")
    ] = False,
    per_line: Annotated[
        bool, option(START, "Continue each line of --prime - or --prime-file up to a newline.", "--per-line")
    ] = False,
    interactive: Annotated[bool, option(START, "Write a text together with the model.", "--interactive")] = False,
    history: Annotated[bool, option(START, "With --interactive: keep the lines you type.", "--history")] = False,
    unknown: Annotated[
        str,
        option(
            START,
            "What to do with characters of a prime that are not in the model's vocabulary: error, skip, or nearest, "
            "which replaces them.",
            show_default=True,
            values=("error", "skip", "nearest"),
        ),
    ] = "error",
    label: Annotated[
        str | None,
        option(START, "Label of the text, for a model of pairs: its source. [drawn by its frequency]"),
    ] = None,
    state_in: Annotated[Path | None, option(START, "Continue the text whose state is in this file.")] = None,
    top_k: Annotated[
        int, option(CHOICE, "Draw from the k likeliest characters only; 0: from all.", show_default=True)
    ] = 0,
    top_p: Annotated[
        float,
        option(CHOICE, "Draw from the likeliest characters, up to this total probability.", show_default=True),
    ] = 1.0,
    min_p: Annotated[
        float,
        option(
            CHOICE, "Draw from characters at least this probable, relative to the likeliest one.", show_default=True
        ),
    ] = 0.0,
    typical: Annotated[
        float,
        option(
            CHOICE,
            "Draw from the characters of the most typical surprisal, up to this total probability.",
            show_default=True,
        ),
    ] = 1.0,
    loop_penalty: Annotated[
        float,
        option(
            CHOICE,
            "Nats that a character loses for each character by which it lengthens a repetition.",
            show_default=True,
        ),
    ] = 0.0,
    allow: Annotated[
        str | None,
        option(
            CHOICE,
            "Only these characters, ranges and classes, such as 'a-z .'; \\d is any digit, \\w any letter, digit or _, "
            "\\s any white space.",
        ),
    ] = None,
    ban: Annotated[str | None, option(CHOICE, "None of these characters, ranges and classes.")] = None,
    clamp_unit: Annotated[
        list[str] | None,
        option(
            CHOICE,
            "Clamp a unit to a value from -1 to 1 (with ReLU from 0), as `inspect` shows it; can be repeated.",
            metavar="LAYER:INDEX=VALUE",
        ),
    ] = None,
    stop: Annotated[list[str] | None, option(TEXTS, "End before this text; can be repeated.", metavar=TEXT)] = None,
    stop_after: Annotated[
        list[str] | None, option(TEXTS, "End after this text; can be repeated.", metavar=TEXT)
    ] = None,
    stop_at_newline: Annotated[bool, option(TEXTS, "End before the first newline.", "--stop-at-newline")] = False,
    end: Annotated[
        str | None,
        option(TEXTS, "What to end with, the last that fits into --length: sentence.", values=("sentence",)),
    ] = None,
    min_length: Annotated[
        int, option(TEXTS, "The fewest characters to write before one of these ends.", show_default=True)
    ] = 0,
    match: Annotated[
        str | None, option(TEXTS, "Write only a text that matches this regular expression as a whole, within --length.")
    ] = None,
    max_copy: Annotated[
        int | None, option(TEXTS, "The most consecutive characters that may be copied from --corpus.")
    ] = None,
    corpus: Annotated[Path | None, option(TEXTS, "The text for --max-copy.")] = None,
    novel: Annotated[
        bool, option(TEXTS, "Skip lines, or records, that are in the training text, and draw others.", "--novel")
    ] = False,
    unique: Annotated[
        bool, option(TEXTS, "Skip lines, or records, that were written before, and draw others.", "--unique")
    ] = False,
    no_empty: Annotated[
        bool, option(TEXTS, "Skip samples of nothing but white space, and draw others.", "--no-empty")
    ] = False,
    adapt_rate: AdaptRateOption = None,
    adapt_pull: AdaptPullOption = None,
    adapt_segment: AdaptSegmentOption = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "float32",
    threads: Annotated[int | None, option(RUN, "Number of threads. [one for each core; with NumPy one]")] = None,
    as_json: Annotated[
        bool, option(OUTPUT, "Print a JSON object for each sample, one a line.", "--json", envvar="CHARRNN_SAMPLE_JSON")
    ] = False,
    logprobs: Annotated[
        bool,
        option(
            OUTPUT,
            "With --json: each character's log-probability, and the likeliest characters in its place.",
            "--logprobs",
        ),
    ] = False,
    no_echo: Annotated[bool, option(OUTPUT, "Print only what follows the prime.", "--no-echo")] = False,
    safe_text: Annotated[
        bool | None,
        option(OUTPUT, "Show control characters as escapes. [on a terminal]", "--safe-text/--raw-text"),
    ] = None,
    separator: Annotated[
        str | None,
        option(
            OUTPUT,
            "Text after each sample; \\n is a newline. [a newline; of records, what is between them, or a blank line]",
            metavar="TEXT",
        ),
    ] = None,
    null: Annotated[bool, option(OUTPUT, "NUL after each sample, as xargs -0 reads it.", "--null", "-0")] = False,
    out_dir: Annotated[
        Path | None, option(OUTPUT, "Write each sample to a file of its own in this folder, with a number as its name.")
    ] = None,
    state_out: Annotated[Path | None, option(OUTPUT, "Write the state of the text at its end to this file.")] = None,
    force: Annotated[bool, option(OUTPUT, "Overwrite --state-out, and files in --out-dir.", "--force")] = False,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.checkpoint.model_file import load
    from charrnn.cli.sample import ends, options
    from charrnn.cli.sample.constraints import constraint_factory
    from charrnn.cli.sample.primes import clean_prime, read_prime, read_primes
    from charrnn.cli.sample.samples import Failures, SampleFiles, SamplePrinter, first_written, write_text
    from charrnn.cli.terminal.engine import adapting, sampling, with_engine
    from charrnn.sampling.generate import TextGenerator, continuations, samples
    from charrnn.sampling.request import SamplingRequest
    from charrnn.sampling.state import GenerationState

    config = options.sampling_config(context.params)
    how = adaptation_config(adapt, adapt_rate, adapt_pull, adapt_segment)
    units = options.parse_clamped_units(clamp_unit or [])
    stop, stop_after = options.unescaped("--stop", stop), options.unescaped("--stop-after", stop_after)
    options.unescaped("--prime", [prime or ""])
    options.check_contradictions(context.params)
    notice = notifier(quiet)
    path = model_file(checkpoint, notice)
    options.check_files(state_out, force, prime_file, (path, corpus, prime_file))
    after_each = "\0" if null else None if separator is None else options.unescaped("--separator", [separator])[0]
    model = load(path).model.with_encoding(encoding)
    options.check_model(model, context.params)
    if length is None:
        length = model.default_length
        options.notify_length(model, notice)
    characters = math.inf if per_line or interactive or length < 0 else count * length
    work, page = sampling(precision), ""
    if how is not None:
        work, page = adapting(model), read_prime(prime, prime_file, model)
        work = work._replace(kernels=work.kernels | sampling(precision).kernels)
        characters += len(page)  # to learn from
    model = with_engine(model, engine, characters, quiet, precision if how is None else "float32", work)
    model = model.clamp_units(units)
    until = [model.end] if model.reads_lines else ["\n"] if per_line else []
    stops = [*stop, *(["\n"] if stop_at_newline else []), *until]
    after = None if state_in is None else GenerationState.load(state_in, model)
    told, seed = seed is None and after is None, options.draw_seed() if seed is None else seed
    request = SamplingRequest(
        length=length,
        seed=seed,
        config=config,
        stops=stops,
        stop_after=stop_after,
        end=end,
        min_length=min_length,
        threads=threads,
    )
    clean = partial(clean_prime, model=model, unknown=unknown, notice=notice)
    output = Output(safe_text)
    files = None if out_dir is None else SampleFiles(model, out_dir, count, force, not no_echo)
    # after all checks of options, since it may read a corpus
    request = replace(request, constraints=constraint_factory(model, match, max_copy, corpus, notice))
    if match is not None and not interactive:
        ends.check_match(model, request)
    if told:
        notice(f"seed: {seed}")
    for line in ends.impossible(model, request):
        notice(line)
    if how is not None:
        from charrnn.cli.sample.adapted import adapted

        model, begun = adapted(model, how, page, clean, precision, quiet)
        request = replace(request, prime=begun)
    printer = files or SamplePrinter(model, output, as_json, logprobs, after_each, not no_echo)
    empty, failures = 0, Failures()
    report = failures if count > 1 else None  # the only one that fails is the error
    if interactive:
        from charrnn.cli.sample.interactive import converse

        converse(model, request, context.params, output)
    elif per_line:
        primes = read_primes(prime_file, model, clean)
        empty = printer.write(continuations(model, primes, request, on_failure=failures))
    else:
        if how is None:
            request = replace(request, prime=clean(read_prime(prime, prime_file, model)))
        if model.reads_lines:
            from charrnn.sampling.lines import sample_lines

            wanted = partial(sample_lines, novel=novel, unique=unique, skip_empty=no_empty, on_failure=report)
            empty = printer.write(wanted(model, request, count=count, label=label))
        elif as_json or count > 1 or out_dir is not None:
            empty = printer.write(samples(model, request, count=count, skip_empty=no_empty, on_failure=report))
        else:
            text = TextGenerator(model, request, after=after)
            pieces = text.pieces()
            if no_empty:
                text, pieces = first_written(model, request)
                if text.request.seed != seed:
                    notice(f"empty texts were skipped: this is the text of seed {text.request.seed}")
            whole = match is not None and not text.is_certain  # one that may not match in the end is held back
            shown = "" if no_echo else request.prime_text
            empty += not write_text(shown, ["".join(pieces)] if whole else pieces, output)
            if state_out is not None:
                text.state.save(state_out, model)
            output.write(after_each or "", own=True)
    output.close()
    if end and empty:
        notice(ends.without_sentence(request, empty))
    failures.check()
