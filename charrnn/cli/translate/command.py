"""`charrnn translate`: rewrites each line of a text with a model of pairs."""

import json
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.terminal.console import Output, model_file, notifier
from charrnn.cli.terminal.help import MOST_USED, OUTPUT, RUN, option
from charrnn.cli.terminal.inputs import (
    EncodingOption,
    ModelArgument,
    Row,
    TextsArgument,
    UnknownCounter,
    answered,
    done_with_unknown,
    find_texts,
    model_and_texts,
    rows_of,
    size_of_texts,
)

if TYPE_CHECKING:
    from charrnn.sampling.translate import Translation


NAME = "translate"
HELP = "Rewrite each line with a model of pairs."
EXAMPLES = """\b
Each line of the input is a source; the output has its likeliest target on the
same line. `charrnn train pairs.tsv --pairs` makes a model that can do this.
Each option can come from the environment too: CHARRNN_TRANSLATE_BEAM=8.

\b
Examples:
  charrnn translate dates.safetensors letters.txt
  echo '3rd of March 1999' | charrnn translate
  cut -f1 test.tsv | charrnn translate | paste test.tsv -
  charrnn translate --evaluate test.tsv
  charrnn translate --beam 8 --nbest 3 --json words.txt
"""


def command(
    checkpoint: ModelArgument = None,
    files: TextsArgument = None,
    beam: Annotated[
        int,
        option(MOST_USED, "Beginnings that the search keeps; 1: always the likeliest character.", show_default=True),
    ] = 4,
    nbest: Annotated[
        int, option(MOST_USED, "Targets of each line; with more than 1, tabs are between them.", show_default=True)
    ] = 1,
    length: Annotated[
        int | None, option(MOST_USED, "The most characters of a target. [twice the longest in training]")
    ] = None,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters that are not in the model's vocabulary: error, skip, or nearest, which "
            "replaces them.",
            show_default=True,
            values=("error", "skip", "nearest"),
        ),
    ] = "error",
    evaluate: Annotated[
        bool,
        option(MOST_USED, "Compare with the targets in the input, and print how many are the same.", "--evaluate"),
    ] = False,
    encoding: EncodingOption = None,
    as_json: Annotated[
        bool,
        option(OUTPUT, "Print a JSON object for each line, one a line.", "--json", envvar="CHARRNN_TRANSLATE_JSON"),
    ] = False,
    threads: Annotated[int | None, option(RUN, "Number of threads. [one for each core]")] = None,
    quiet: Annotated[bool, option(RUN, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.checkpoint.model_file import load
    from charrnn.errors import ConfigError, VocabularyError
    from charrnn.sampling.translate import check_rewrites, translate_batches

    if evaluate and nbest > 1:
        raise ConfigError("--evaluate compares the best target: leave out --nbest")
    given, paths = model_and_texts(NAME, checkpoint, files)
    notice = notifier(quiet)
    size_of_texts(paths)  # a text that is missing is an error before the model is
    model = load(model_file(given, notice, use_bundled=False)).model.with_encoding(encoding)
    check_rewrites(model)
    paths = find_texts(paths, model, notice)
    rows = rows_of(paths, model, "target" if evaluate else "", notice)
    translate = partial(
        translate_batches, model, beam=beam, nbest=nbest, length=length, unknown=unknown, threads=threads
    )
    counter = UnknownCounter(model, itemgetter(0))
    cut = _CutTargets()
    results = cut.counted(counter.counted(answered(rows, itemgetter(0), translate, len(paths) > 1)))
    try:
        if evaluate:
            _print_score(results, as_json)
        else:
            _print_targets(results, as_json)
    except VocabularyError as error:
        raise VocabularyError(f"{error} with --unknown skip, or replace them with --unknown nearest") from None
    counter.tell(done_with_unknown(unknown), notice)
    if cut.n:
        notice(f"targets that were cut at the greatest length: {cut.n:,}; --length sets it")


class _CutTargets:
    """Counts, on their way to be printed, the best targets that did not end by themselves."""

    def __init__(self) -> None:
        self.n = 0

    def counted(self, results: Iterator[list[tuple[Row, "Translation"]]]) -> Iterator[list[tuple[Row, "Translation"]]]:
        """The same results."""
        for batch in results:
            self.n += sum(not found.complete for _, found in batch)
            yield batch


def _print_targets(results: Iterator[list[tuple[Row, "Translation"]]], as_json: bool) -> None:
    """Prints the targets of each line on a line, or a JSON object."""
    output = Output()
    for batch in results:
        for (source, *_), found in batch:
            every = [found, *found.alternatives]
            if as_json:
                output.write(json.dumps({"source": source} | _as_dict(found) | _alternatives(found)) + "\n")
            else:
                output.write("\t".join(translation.text for translation in every) + "\n")
        output.flush()
    output.close()


def _as_dict(found: "Translation") -> dict[str, Any]:
    return {"text": found.text, "logprob": found.logprob, "bpc": found.bpc, "complete": found.complete}


def _alternatives(found: "Translation") -> dict[str, Any]:
    """The next best targets as JSON data, if there are any."""
    return {"alternatives": [_as_dict(other) for other in found.alternatives]} if found.alternatives else {}


def _print_score(results: Iterator[list[tuple[Row, "Translation"]]], as_json: bool) -> None:
    """Prints how many targets are the expected ones."""
    from charrnn.errors import CorpusError
    from charrnn.scoring.translation import TranslationScore, compare

    score = TranslationScore()
    for batch in results:
        for row, found in batch:
            score += compare(found.text, row.target)
    if not score.lines:
        raise CorpusError("there are no lines to evaluate: the input is empty")
    rows = {
        "lines": score.lines,
        "exact": score.exact,
        "accuracy": round(score.accuracy, 6),
        "character_error_rate": round(score.character_error_rate, 6),
    }
    if as_json:
        typer.echo(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, value in rows.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value:>10}")
