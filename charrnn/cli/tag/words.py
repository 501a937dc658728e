"""Words for `charrnn tag --conll`: sentences as they arrive, and the tags of their words."""

import json
from collections.abc import Callable, Container, Iterator
from itertools import chain

from charrnn.cli.tag import results
from charrnn.cli.terminal.console import Output
from charrnn.cli.terminal.inputs import ARRIVAL_BLOCK, notice_typing
from charrnn.dataset.conll import Sentence, SentenceReader, bad_line_error, read_tagged
from charrnn.dataset.files import STDIN, read_parts
from charrnn.dataset.groups import in_groups
from charrnn.dataset.line_reader import read_lines
from charrnn.dataset.word_columns import WordColumns
from charrnn.model.model import Model
from charrnn.scoring.span_score import SpanScore
from charrnn.scoring.tag import TEXTS_PER_BATCH, Tagging
from charrnn.scoring.word_tags import word_tags

Answers = Iterator[list[tuple[Sentence, Tagging]]]
Notice = Callable[[str], None]


def sentences(files: list[str], model: Model, notice: Notice, known: Container[str]) -> Iterator[list[Sentence]]:
    """The sentences of files to tag, each with its file's end at the latest, as soon as they are complete.

    The files may have tags, which are left out: see `SentenceReader`, to which `known` goes.
    """
    notice_typing(files, notice)
    is_told = False
    for path in files:
        reader, columns = SentenceReader(known), WordColumns(_name(path))
        for lines in _lines(path, model):
            watched = map(columns.looked, lines)
            yield _of(path, (sentence for line in watched for sentence in reader.add(line)))
            if reader.doubt and not is_told:
                number, how = reader.doubt
                notice(f"line {number:,} of {_name(path)} {how}; a table has a word and its tag on each line")
                is_told = True
        columns.end()
        yield _of(path, reader.end())


def tagged_sentences(files: list[str], model: Model, notice: Notice, skip_bad: bool) -> Iterator[list[Sentence]]:
    """The sentences of files with a word and its tag a line.

    Raises `CorpusError` for another line; with `skip_bad`, its sentence is left out, and how many are is said at the
    end.
    """
    notice_typing(files, notice)

    def found() -> Iterator[Sentence]:
        skipped, advice = 0, "mend it, or leave such sentences out with --skip-bad"
        for path in files:
            lines = chain.from_iterable(_lines(path, model))
            for sentence in read_tagged(WordColumns(_name(path)).watched(lines)):
                if isinstance(sentence, Sentence):
                    yield sentence._replace(file=_name(path))
                elif skip_bad:
                    skipped += 1
                else:
                    raise bad_line_error(sentence, _name(path), advice)
        if skipped:
            notice(f"sentences with bad lines that were skipped: {skipped:,}")

    return in_groups(found(), TEXTS_PER_BATCH)


def _name(path: str) -> str:
    """The name of a file for errors."""
    return "stdin" if path == STDIN else path


def _of(path: str, found: Iterator[Sentence]) -> list[Sentence]:
    """The sentences, as those of a file."""
    return [sentence._replace(file=_name(path)) for sentence in found]


def _lines(path: str, model: Model) -> Iterator[list[str]]:
    """The lines of a file as they arrive."""
    parts = read_parts([path], ARRIVAL_BLOCK, as_is=model.vocabulary.is_bytes)
    for lines in read_lines(parts, model.vocabulary, model.text_form):
        yield [line.text.removesuffix("\n") for line in lines]


def print_tags(answers: Answers, as_json: bool) -> None:
    """Prints each word with its tag on a line, and an empty line after each sentence."""
    output = Output()
    for batch in answers:
        for (words, *_), found in batch:
            tags = word_tags(found, words)
            if as_json:
                output.write(json.dumps({"words": words, "tags": tags}) + "\n")
            else:
                output.write("".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n")
        output.flush()
    output.close()


def print_score(answers: Answers, as_json: bool) -> None:
    """Prints how many entities are right, for each type and in total."""
    score = SpanScore()
    for batch in answers:
        for (words, tags, *_), found in batch:
            score.add_words(word_tags(found, words), tags)
    results.show(score, "sentences", "word", as_json)
