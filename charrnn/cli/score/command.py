"""`charrnn score`: how well a model predicts a text; `line_filter` prints its lines, `text_heatmap` its characters."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated

from charrnn.cli.terminal.adaptation import (
    AdaptPullOption,
    AdaptRateOption,
    AdaptSegmentOption,
    adaptation_config,
    begin,
    bytes_of,
    check_precision,
    learning_bar,
)
from charrnn.cli.terminal.computation import EngineOption, ScorePrecisionOption
from charrnn.cli.terminal.console import model_file, notifier
from charrnn.cli.terminal.help import LINES, MOST_USED, RUN, option
from charrnn.cli.terminal.inputs import (
    ARRIVAL_BLOCK,
    EncodingOption,
    ModelArgument,
    TextsArgument,
    model_and_texts,
)
from charrnn.cli.terminal.record_options import DOCUMENTS, RECORDS_BY, record_form
from charrnn.cli.terminal.sharing import RankTimeoutOption, SharingOption, sharing
from charrnn.cli.terminal.undecoded import UndecodedBytes
from charrnn.errors import ConfigError

NAME = "score"
HELP = "Score how well a model predicts a text, in bits per character."
EXAMPLES = """\b
A line is scored with its newline, if it has one and the model knows it. It is
scored as a text of its own; with --stateful, after the lines before it. An
empty line is only a newline; a line with nothing to score has a score of 0.
\\r\\n and \\r count as \\n, as in training, but lines are printed unchanged.

\b
The score of a text is that of all of it, read on from the first character to
the last. A model that learned lines reads each line on its own, as it learned
them, so that their scores, weighted by length, average to that of the text.

\b
A model of records, such as cards or files, scores these in the place of
lines, divided as in its training unless an option says how.

\b
--sort and --top imply --per-line. So do --above and --below, but they print
lines alone, without scores, unless you give --per-line or --json as well.
--above 99% prints the lines that are more surprising than 99% of those that
were held out in training. Each option can come from the environment too:
CHARRNN_SCORE_TOP=20.

\b
Where lines are scored, a character that the model has never seen costs as
many bits as so rare an event. The network does not read it.

\b
Exit codes: 0 done, 1 failed, 2 wrong usage. With --exit-code they are those
of grep: 0 if a line was printed, 1 if none was, 2 after any error.

\b
Examples:
  charrnn score chapter.txt
  charrnn score model.safetensors --json < chapter.txt | jq .bpc
  charrnn score --top 10 names.txt
  tail -f app.log | charrnn score --above 99%
  charrnn score --above 99.9% --exit-code app.log && echo odd lines
  charrnn score --heatmap chapter.txt
  charrnn score --adapt chapter.txt
  charrnn score --windows 256 chapter.txt
  charrnn score model.safetensors old.txt --encoding cp1251
  mpiexec -n 4 charrnn score big.txt --distributed
"""


def command(
    checkpoint: ModelArgument = None,
    files: TextsArgument = None,
    per_line: Annotated[
        bool, option(MOST_USED, "Print each line's bits per character, a tab, and the line.", "--per-line")
    ] = False,
    top: Annotated[int | None, option(MOST_USED, "Print this many of the most surprising lines, in order.")] = None,
    above: Annotated[
        str | None,
        option(
            MOST_USED,
            "Print lines with more bits per character than X; X% is a quantile of held-out lines.",
            metavar="X",
        ),
    ] = None,
    heatmap: Annotated[
        bool, option(MOST_USED, "Print the text, each character in a colour for its surprisal.", "--heatmap")
    ] = False,
    as_json: Annotated[
        bool,
        option(MOST_USED, "Print a JSON object, or one for each line.", "--json", envvar="CHARRNN_SCORE_JSON"),
    ] = False,
    below: Annotated[
        str | None,
        option(
            LINES, "Print lines with fewer bits per character than X; X% is a quantile of held-out lines.", metavar="X"
        ),
    ] = None,
    sort: Annotated[bool, option(LINES, "Print lines in order, the most surprising first.", "--sort")] = False,
    records_by: Annotated[str | None, option(LINES, RECORDS_BY, metavar="TEXT")] = None,
    documents: Annotated[bool | None, option(LINES, DOCUMENTS, "--documents")] = None,
    csv: Annotated[
        str | None, option(LINES, "Score the texts in this column of CSV, one in each row.", metavar="COLUMN")
    ] = None,
    jsonl: Annotated[
        str | None, option(LINES, "Score the texts in this field of JSON lines, one in each.", metavar="FIELD")
    ] = None,
    stateful: Annotated[
        bool, option(LINES, "Score each line after the lines before it, with the state carried along.", "--stateful")
    ] = False,
    forget: Annotated[
        bool, option(LINES, "With --adapt and lines: begin each line with the trained weights.", "--forget")
    ] = False,
    exit_code: Annotated[
        bool,
        option(LINES, "With --above or --below, exit as grep: 0 if a line was printed, 1 if none was.", "--exit-code"),
    ] = False,
    encoding: EncodingOption = None,
    unknown: Annotated[
        str | None,
        option(
            RUN,
            "What to do with characters that are not in the model's vocabulary: error, skip, or count what they cost. "
            "[count for lines, else error]",
            values=("error", "skip", "count"),
        ),
    ] = None,
    windows: Annotated[
        int | None,
        option(RUN, "Score windows of N characters, each from a fresh state, as transformers read.", metavar="N"),
    ] = None,
    adapt: Annotated[
        bool,
        option(
            RUN,
            "Learn from the text while reading it: each character is scored before it is learned from.",
            "--adapt",
        ),
    ] = False,
    adapt_rate: AdaptRateOption = None,
    adapt_pull: AdaptPullOption = None,
    adapt_segment: AdaptSegmentOption = None,
    engine: EngineOption = "auto",
    precision: ScorePrecisionOption = "float32",
    threads: Annotated[int | None, option(RUN, "Number of threads for lines and records. [one for each core]")] = None,
    distributed: SharingOption = False,
    rank_timeout: RankTimeoutOption = None,
    quiet: Annotated[bool, option(RUN, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> int:
    from charrnn.checkpoint.model_file import load
    from charrnn.cli.score import line_filter
    from charrnn.cli.score.threshold import Threshold
    from charrnn.cli.terminal.text_score import notify_unknown, print_score, score_of
    from charrnn.cli.terminal.texts import open_texts
    from charrnn.config import check_threads, one_of
    from charrnn.errors import VocabularyError
    from charrnn.scoring.rank_answers import answering
    from charrnn.scoring.score import UNKNOWN_POLICIES

    with sharing(distributed, rank_timeout, quiet) as ranks:
        above_, below_ = Threshold.parse("--above", above), Threshold.parse("--below", below)
        wanted = line_filter.LineFilter(sort, top, above_, below_)
        form = record_form(records_by, documents, csv, jsonl)
        by_line = per_line or wanted.filters or wanted.sorts
        policy = unknown or ("count" if by_line else "error")
        one_of("unknown", policy, UNKNOWN_POLICIES)
        check_threads(threads)
        how = adaptation_config(adapt, adapt_rate, adapt_pull, adapt_segment)
        check_precision(adapt, precision)
        if forget and not (adapt and by_line):
            missing = " and ".join(["--adapt"] * (not adapt) + ["--per-line"] * (not by_line))
            raise ConfigError(
                f"--forget is for the scores of lines of a model that learns: add {missing}, or leave it out"
            )
        if adapt and threads is not None and not forget:
            raise ConfigError("--adapt reads in one order, and learns from it: leave out --threads, or add --forget")
        if forget and stateful:
            raise ConfigError("--forget and --stateful can't both be given: a text that goes on is not forgotten")
        if adapt and wanted.has_percent:
            raise ConfigError("a percentage is of lines that teach the model nothing: leave out --adapt, or give bits")
        if adapt and windows is not None:
            raise ConfigError("--adapt and --windows can't both be given: what is learned is carried on")
        if stateful and not by_line:
            raise ConfigError("--stateful is for the scores of lines: add --per-line, or leave it out")
        if stateful and wanted.has_percent:
            raise ConfigError("a percentage is of lines that are scored alone: leave out --stateful, or give bits")
        if heatmap and (by_line or as_json):
            raise ConfigError("--heatmap prints the whole text: leave out --json and the options for lines")
        if windows is not None and (by_line or heatmap):
            raise ConfigError(
                "--windows is for the score of a whole text: leave out --heatmap and the options for lines"
            )
        if distributed and (adapt or stateful or heatmap):
            name = "--adapt" if adapt else "--stateful" if stateful else "--heatmap"
            raise ConfigError(f"{name} reads the text in its order, so ranks can't share it: leave out --distributed")
        if exit_code and not wanted.filters:
            raise ConfigError("--exit-code says whether a line is --above or --below a number: give one of these")
        given, paths = model_and_texts(NAME, checkpoint, files)
        waits = wanted.sorts or not (by_line or heatmap)
        arriving = ARRIVAL_BLOCK if by_line or heatmap else 0
        shown, notice = line_filter.Shown(), notifier(quiet)
        with _exit_codes_of_grep(exit_code):
            model, parts, has_several, size = open_texts(
                lambda: load(model_file(given, notice)).model,
                paths,
                engine=engine,
                precision=precision,
                encoding=encoding,
                form=form,
                waits=waits,
                arriving=arriving,
                quiet=quiet,
                adapts=adapt,
            )
            if heatmap and model.reads_records:
                raise ConfigError("--heatmap prints a continuous text, and this model reads records: give --per-line")
            undecoded = UndecodedBytes(model)
            wanted = wanted.in_bits(model, notice)
            adaptation = None
            if how is not None:
                adaptation = begin(model, how, quiet)
                if by_line or heatmap:
                    forgets = ", which is forgotten after each line" * forget
                    notice(f"adapted scores: the model learns from the text as it reads it{forgets}")
            try:
                if heatmap:
                    from charrnn.cli.score import text_heatmap

                    shown.unknown = text_heatmap.show(model, parts, policy, quiet, undecoded, adaptation)
                elif by_line:
                    plain = line_filter.line_only if wanted.filters and not per_line else line_filter.with_score
                    printed = line_filter.as_object if as_json else plain
                    scores = answering(
                        "scores",
                        model,
                        ranks,
                        stateful=stateful,
                        unknown=policy,
                        threads=threads,
                        adaptation=adaptation,
                        forgets=forget,
                    )
                    shown = line_filter.show(model, parts, scores, wanted, printed, undecoded, has_several)
                else:
                    shows = learning_bar(parts, size, bytes_of, adaptation, quiet) if adaptation else nullcontext(parts)
                    with shows as parts:
                        found = score_of(
                            model, parts, policy, threads, undecoded, has_several, windows, adaptation, ranks
                        )
                    print_score(found, model, as_json)
                    shown.unknown = found.unknown
            except VocabularyError as error:
                raise VocabularyError(f"{error} with --unknown skip, or count them with --unknown count") from None
        notify_unknown(shown.unknown, policy, model, undecoded, notice)
        return 1 if exit_code and not shown.lines else 0


@contextmanager
def _exit_codes_of_grep(wanted: bool) -> Iterator[None]:
    """Gives every error the exit code 2, if that is wanted: 1 says that no line was printed."""
    try:
        yield
    except Exception as error:
        if wanted:
            error.exit_code = 2  # type: ignore[attr-defined]
        raise
