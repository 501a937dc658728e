"""`charrnn tag`: a tag for each character of each line of a text, as it arrives."""

from functools import partial
from operator import attrgetter, itemgetter
from typing import Annotated

from charrnn.cli.terminal.computation import EngineOption
from charrnn.cli.terminal.console import model_file, notifier
from charrnn.cli.terminal.help import MOST_USED, OUTPUT, RUN, option
from charrnn.cli.terminal.inputs import (
    EncodingOption,
    ModelArgument,
    TextsArgument,
    UnknownCounter,
    answered,
    find_texts,
    load_model,
    model_and_texts,
    rows_of,
    size_of_texts,
)

NAME = "tag"
HELP = "Tag each character of each line with a tagger."
EXAMPLES = """\b
Each line of the output is the line, a tab and as many tags as the line has
characters. `charrnn train tagged.tsv --tags` makes a model that can do this.
With --conll each line is a word, a tab and its tag, and an empty line ends a
sentence. The input has a word a line too, with further columns or not, or a
whole sentence with blanks.
Each option can come from the environment too: CHARRNN_TAG_THREADS=2.

\b
Examples:
  charrnn tag tagged.safetensors letters.txt
  charrnn tag --spans < letters.txt
  charrnn tag --evaluate test.tsv
  charrnn tag --conll < letters.txt
  charrnn tag --evaluate --conll test.conll
"""


def command(
    checkpoint: ModelArgument = None,
    files: TextsArgument = None,
    spans: Annotated[
        bool,
        option(MOST_USED, "Print a span a line: number of the input line, start, end, label and text.", "--spans"),
    ] = False,
    evaluate: Annotated[
        bool,
        option(
            MOST_USED, "Compare with the tags in the input, after a tab, and print how good they are.", "--evaluate"
        ),
    ] = False,
    conll: Annotated[
        bool, option(MOST_USED, "Read and write a word and its tag a line, as in CoNLL's files.", "--conll")
    ] = False,
    encoding: EncodingOption = None,
    skip_bad: Annotated[
        bool,
        option(
            RUN,
            "With --evaluate --conll: skip and count sentences with a line without a tag. [an error]",
            "--skip-bad",
        ),
    ] = False,
    as_json: Annotated[
        bool, option(MOST_USED, "Print a JSON object for each line, one a line.", "--json", envvar="CHARRNN_TAG_JSON")
    ] = False,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters that are not in the model's vocabulary: error, or skip, which gives them the "
            "tag before them.",
            show_default=True,
            values=("error", "skip"),
        ),
    ] = "skip",
    engine: EngineOption = "auto",
    threads: Annotated[int | None, option(RUN, "Number of threads. [one for each core]")] = None,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.cli.tag import results, words
    from charrnn.errors import ConfigError, VocabularyError
    from charrnn.scoring.tag import tag_batches, tag_letters, tagger_of
    from charrnn.scoring.word_tags import known_tags

    if spans and (evaluate or as_json):
        raise ConfigError("--spans prints text: leave out --json, which has the spans too, and --evaluate")
    if spans and conll:
        raise ConfigError("--conll prints a word a line: leave out --spans")
    if skip_bad and not (evaluate and conll):
        raise ConfigError("--skip-bad is for lines of words and tags: add --evaluate and --conll, or leave it out")
    given, paths = model_and_texts(NAME, checkpoint, files)
    notice = notifier(quiet)
    size = size_of_texts(paths)
    model = load_model(model_file(given, notice, use_bundled=False), size, engine, encoding, quiet, tagger_of)
    paths = find_texts(paths, model, notice)
    tag = partial(tag_batches, model, unknown=unknown, threads=threads)
    has_several = len(paths) > 1
    text = attrgetter("text") if conll else itemgetter(0)
    counter = UnknownCounter(model, text)
    if model.labels is not None and model.labels.of_words and not conll:
        pairs = zip(tag_letters(model.labels), model.labels.names, strict=True)
        notice("tags: " + ", ".join(f"{letter} is {name.removeprefix('I-')}" for letter, name in pairs))
    try:
        if conll:
            known = frozenset() if model.labels is None else known_tags(model.labels)
            tagged, untagged = words.tagged_sentences, words.sentences
            read = partial(tagged, skip_bad=skip_bad) if evaluate else partial(untagged, known=known)
            found = counter.counted(answered(read(paths, model, notice), text, tag, has_several))
            if evaluate:
                words.print_score(found, model, as_json, notice)
            else:
                words.print_tags(found, as_json)
        else:
            rows = rows_of(paths, model, "tags" if evaluate else "", notice)
            answers = counter.counted(answered(rows, text, tag, has_several))
            if evaluate:
                results.print_score(answers, model, as_json, notice)
            else:
                results.print_tags(answers, spans, as_json)
    except VocabularyError as error:
        raise VocabularyError(f"{error} with --unknown skip") from None
    counter.tell("have the tag before them", notice)
