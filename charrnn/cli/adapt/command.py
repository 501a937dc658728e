"""`charrnn adapt`: a model learns from texts as it reads them once, and is kept as a file of its own."""

import json
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.terminal.adaptation import (
    PULL,
    RATE,
    SEGMENT,
    adaptation_config,
    begin,
    bytes_of,
    learned,
    learning_bar,
    tell_if_forgotten,
)
from charrnn.cli.terminal.computation import EngineOption
from charrnn.cli.terminal.console import notifier
from charrnn.cli.terminal.help import MOST_USED, RUN, option
from charrnn.cli.terminal.inputs import EncodingOption, ModelArgument, TextsArgument, model_and_texts

NAME = "adapt"
HELP = "Let a model learn from a text as it reads it, and save it."
EXAMPLES = """\b
The texts are read once, one after the other, which takes a few times as long
as a score. What comes last is remembered best: shuffle a sorted list first,
with shuf. To learn more from a long text, train with --init-from.
Each option can come from the environment too: CHARRNN_ADAPT_RATE=0.005.

\b
Examples:
  charrnn adapt tales.safetensors letters.txt --out letters.safetensors
  charrnn adapt tales.safetensors --out mine.safetensors < diary.txt
  charrnn adapt names.safetensors towns.txt --rate 0.005 -o new.safetensors
"""


def command(
    checkpoint: ModelArgument = None,
    files: TextsArgument = None,
    out: Annotated[
        Path | None, option(MOST_USED, "The adapted model's file, *.safetensors; it must be given.", "--out", "-o")
    ] = None,
    rate: Annotated[float | None, option(MOST_USED, RATE)] = None,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters that are not in the model's vocabulary: error or skip.",
            show_default=True,
            values=("error", "skip"),
        ),
    ] = "error",
    force: Annotated[bool, option(MOST_USED, "Overwrite an existing file.", "--force")] = False,
    as_json: Annotated[
        bool,
        option(
            MOST_USED,
            "Print the file and the score of the text as a JSON object.",
            "--json",
            envvar="CHARRNN_ADAPT_JSON",
        ),
    ] = False,
    encoding: EncodingOption = None,
    pull: Annotated[float | None, option(RUN, PULL)] = None,
    segment: Annotated[int | None, option(RUN, SEGMENT)] = None,
    engine: EngineOption = "auto",
    quiet: Annotated[bool, option(RUN, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.checkpoint.model_file import load, save
    from charrnn.checkpoint.naming import reserve
    from charrnn.cli.terminal.console import interruption_told, model_file
    from charrnn.cli.terminal.text_score import notify_unknown, score_of
    from charrnn.cli.terminal.texts import open_texts
    from charrnn.cli.terminal.undecoded import UndecodedBytes
    from charrnn.config import one_of
    from charrnn.dataset.files import Source
    from charrnn.errors import ConfigError, VocabularyError

    one_of("unknown", unknown, ("error", "skip"))
    how = adaptation_config(True, rate, pull, segment)
    given, paths = model_and_texts(NAME, checkpoint, files)
    notice = notifier(quiet)
    trained = load(model_file(given, notice))
    if out is None:
        raise ConfigError("--out FILE says where the adapted model is saved: add it")
    lock = reserve(out, force, advice="")
    with lock.discarded_on_error(), interruption_told(notice, "nothing is saved"):
        model, parts, has_several, size = open_texts(
            lambda: trained.model,
            paths,
            engine=engine,
            encoding=encoding,
            quiet=quiet,
            adapts=True,
        )
        adaptation, undecoded = begin(model, how, quiet), UndecodedBytes(model)
        try:
            with learning_bar(parts, size, bytes_of, adaptation, quiet) as parts:
                score = score_of(model, parts, unknown, None, undecoded, has_several, adaptation=adaptation)
        except VocabularyError as error:
            raise VocabularyError(f"{error} with --unknown skip") from None
        notify_unknown(score.unknown, unknown, model, undecoded, notice)
        adaptation.check_learned()
        name = Source(tuple(dict.fromkeys(paths))).name
        save(out, trained.adapted_to(adaptation.model, name, adaptation.chars, adaptation.config))
    lock.release()
    if as_json:
        typer.echo(json.dumps({"file": str(out)} | score.as_dict()))
    notice(learned(score, model.vocabulary.unit))
    tell_if_forgotten(adaptation, model.vocabulary.unit, notice)
    notice(f"done: {out} holds the adapted model")
