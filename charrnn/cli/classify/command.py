"""`charrnn classify`: the label of each line of a text, as it arrives."""

from operator import itemgetter
from pathlib import Path
from typing import Annotated

from charrnn.cli.terminal.computation import EngineOption
from charrnn.cli.terminal.console import Output, model_file, notifier
from charrnn.cli.terminal.help import MOST_USED, OUTPUT, RUN, option
from charrnn.cli.terminal.inputs import (
    EncodingOption,
    ModelArgument,
    TextsArgument,
    UnknownCounter,
    answered,
    done_with_unknown,
    find_texts,
    load_model,
    model_and_texts,
    rows_of,
    size_of_texts,
)
from charrnn.cli.terminal.sharing import RankTimeoutOption, SharingOption, sharing
from charrnn.config import LOGIT_ADJUSTMENT

NAME = "classify"
HELP = "Give each line its label with a classifier."
EXAMPLES = """\b
Each line of the output is the label, a tab and the line.
`charrnn train texts.tsv --classify` makes a model that can do this.
Each option can come from the environment too: CHARRNN_CLASSIFY_TOP=3.

\b
Examples:
  charrnn classify regions.safetensors places.txt
  tail -f reviews.txt | charrnn classify | grep ^negative
  charrnn classify --top 3 names.txt
  charrnn classify --evaluate test.tsv
  charrnn classify --evaluate test.tsv --plot confusion.svg
"""


def command(
    checkpoint: ModelArgument = None,
    files: TextsArgument = None,
    top: Annotated[
        int | None, option(MOST_USED, "Print this many of the likeliest labels, each with its probability.")
    ] = None,
    scores: Annotated[
        bool, option(MOST_USED, "Print the probability of every label, under a line that names them.", "--scores")
    ] = False,
    evaluate: Annotated[
        bool,
        option(
            MOST_USED, "Compare with the labels in the input, after a tab, and print how good they are.", "--evaluate"
        ),
    ] = False,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters that are not in the model's vocabulary: error, skip, or nearest, which "
            "replaces them.",
            show_default=True,
            values=("error", "skip", "nearest"),
        ),
    ] = "skip",
    as_json: Annotated[
        bool,
        option(MOST_USED, "Print a JSON object for each line, one a line.", "--json", envvar="CHARRNN_CLASSIFY_JSON"),
    ] = False,
    encoding: EncodingOption = None,
    logit_adjustment: Annotated[
        float,
        option(
            RUN,
            "Divide the probability of each label by its share of the training texts to this power: the higher, the "
            "more often rare labels are found; 0: not at all.",
            show_default=True,
        ),
    ] = LOGIT_ADJUSTMENT,
    engine: EngineOption = "auto",
    threads: Annotated[int | None, option(RUN, "Number of threads. [one for each core]")] = None,
    distributed: SharingOption = False,
    rank_timeout: RankTimeoutOption = None,
    plot: Annotated[
        Path | None,
        option(OUTPUT, "With --evaluate: draw which labels are confused to FILE.png, .svg or .pdf; needs matplotlib."),
    ] = None,
    force: Annotated[bool, option(OUTPUT, "Overwrite the picture.", "--force")] = False,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.cli.classify import results
    from charrnn.cli.terminal.output_file import PICTURE_SUFFIXES, check_path, quiet_matplotlib
    from charrnn.config import between
    from charrnn.errors import ConfigError, VocabularyError
    from charrnn.scoring.classify import classifier_of
    from charrnn.scoring.rank_answers import answering

    with sharing(distributed, rank_timeout, quiet) as ranks:
        if sum((top is not None, scores, evaluate)) > 1:
            raise ConfigError("--top, --scores and --evaluate print different things: give one of them")
        if plot is not None and not evaluate:
            raise ConfigError("--plot draws what --evaluate counts: add --evaluate, and give the labels")
        if force and plot is None:
            raise ConfigError("--force is only for --plot: add it, or leave out --force")
        check_path(plot, PICTURE_SUFFIXES, force)
        between("--top", 1 if top is None else top, 1)
        if plot is not None:  # what is missing is an error before the long work
            quiet_matplotlib()
            import charrnn.inspection.picture  # noqa: F401
        given, paths = model_and_texts(NAME, checkpoint, files)
        notice = notifier(quiet)
        size = size_of_texts(paths)
        model = load_model(model_file(given, notice, use_bundled=False), size, engine, encoding, quiet, classifier_of)
        paths = find_texts(paths, model, notice)
        rows = rows_of(paths, model, "label" if evaluate else "", notice)
        options = {"logit_adjustment": logit_adjustment, "unknown": unknown, "threads": threads}
        classify = answering("labels", model, ranks, **options)
        counter = UnknownCounter(model, itemgetter(0))
        answers = counter.counted(answered(rows, itemgetter(0), classify, len(paths) > 1))
        try:
            if evaluate:
                score = results.count(answers, model)
                results.print_score(score, as_json, notice)
                if plot is not None:  # after the score, which a full disk must not lose
                    notice(f"wrote {plot}, {results.write_confusion(plot, score):,} bytes")
            else:
                results.print_labels(answers, Output(), top, scores, as_json)
        except VocabularyError as error:
            raise VocabularyError(f"{error} with --unknown skip, or replace them with --unknown nearest") from None
        counter.tell(done_with_unknown(unknown), notice)
