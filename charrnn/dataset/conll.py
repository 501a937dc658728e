"""Sentences in the form of the CoNLL shared tasks: a word and its tag on each line, an empty line after each sentence.

The columns are separated by tabs or blanks; the first is the word, the last its tag. A tag is `O`, or `B-` or `I-` and
a type, which say where the entities are: an entity begins with `B-` (IOB2) or, if only a neighbour of the same type
makes that necessary (IOB1), with `I-` too (E. Tjong Kim Sang, J. Veenstra, "Representing Text Chunks", 1999). `S-` and
`E-`, for a single word and for the last one of several, are read as well. Any other tag is that of a single word.

As characters, a sentence is its words with one blank between them, and each character has the tag of its word: `O`,
`I-` and the type, or a tag without a type. The blank between two words of one entity has the tag of the entity, any
other blank has `O`, so that entities that are neighbours stay apart.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from charrnn.dataset.bad_lines import BadLines
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_reader import lines_of
from charrnn.dataset.vocabulary import TAB
from charrnn.dataset.word_columns import COLUMNS, WordColumns, is_comment
from charrnn.errors import CorpusError

OUTSIDE = "O"
DOCUMENT = "-DOCSTART-"
"""The word of a line that begins a document; such a line is left out."""
FIRST_LETTER = 0xE000
"""The code point that stands for the first tag in a corpus: they are in Unicode's private use area."""


class Sentence(NamedTuple):
    """The words of a sentence, and their tags as they were read, if they have any."""

    words: list[str]
    tags: list[str]
    number: int = 0
    """The line of its file on which it begins, from 1."""
    file: str = ""

    @property
    def text(self) -> str:
        """The words with one blank between them."""
        return " ".join(self.words)


class BadLine(NamedTuple):
    """The number of a line, from 1, and what is wrong with it; its sentence is left out."""

    number: int
    problem: str
    kind: str
    """What it lacks: a `tag`, or the `type` of one."""


def split_tag(tag: str) -> tuple[str, str]:
    """The prefix of a tag, B, I, E, S or empty, and its type or, without a prefix, the tag itself."""
    prefix, dash, kind = tag.partition("-")
    return (prefix, kind) if dash and prefix in ("B", "I", "E", "S") else ("", tag)


def begins(before: str, tag: str) -> bool:
    """Whether a word with a tag is the first of an entity, after a word with the tag `before`; `O` at the beginning."""
    (prefix_before, kind_before), (prefix, kind) = split_tag(before), split_tag(tag)
    if tag == OUTSIDE:
        return False
    return prefix in ("", "B", "S") or prefix_before in ("", "E", "S") or kind != kind_before


def as_iob2(tags: Sequence[str]) -> list[str]:
    """The tags of a sentence in the form in which each entity begins with `B-`; others are unchanged."""
    found = []
    for before, tag in zip([OUTSIDE, *tags], tags, strict=False):
        prefix, kind = split_tag(tag)
        found.append(f"{'B' if begins(before, tag) else 'I'}-{kind}" if prefix else tag)
    return found


def character_tag(tag: str) -> str:
    """The tag of the characters of a word with a tag: `O`, `I-` and the type, or a tag without a type."""
    prefix, kind = split_tag(tag)
    return f"I-{kind}" if prefix else tag


def character_tags(sentence: Sentence) -> Iterator[tuple[str, int]]:
    """The tags of the characters of a sentence's text, in runs: a tag, and how many characters have it."""
    for n, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True)):
        name = character_tag(tag)
        if n:
            before = sentence.tags[n - 1]
            yield (OUTSIDE if tag == OUTSIDE or begins(before, tag) else name), 1
        yield name, len(word)


def read_tagged(lines: Iterable[str]) -> Iterator[Sentence | BadLine]:
    """The sentences of lines that each have a word and its tag."""
    sentence, bad = Sentence([], []), None
    for number, line in enumerate(lines, 1):
        word, *others = columns = COLUMNS.split(line.strip(" \t\n"))
        if is_comment(line, not (bad or sentence.words)):
            continue
        if columns == [""]:
            if bad or sentence.words:
                yield bad or sentence
            sentence, bad = Sentence([], []), None
        elif word != DOCUMENT and not bad:
            if not others:
                bad = BadLine(number, f"has the word {word!r} without a tag", "tag")
            elif not split_tag(others[-1])[1]:
                bad = BadLine(number, f"has the tag {others[-1]!r}, which names no type", "type")
            if not sentence.words:
                sentence = sentence._replace(number=number)
            sentence.words.append(word)
            sentence.tags.append(others[-1] if others else "")
    if bad or sentence.words:
        yield bad or sentence


ADVICE = 'these look like lines of words and tags, so add `table="conll"`'
"""What to do about lines that are `looks_tagged`, where others are expected."""


def looks_tagged(lines: Iterable[str]) -> bool:
    """Whether lines look like words and tags, rather than like texts with a tag for each of their characters.

    Most of them then have equally many columns, and most tags are `O` or begin with `B-` or `I-`, or else there are
    empty lines, which end sentences. Fewer than half have blanks beside a tab, or a tab between two equal lengths.
    """
    rows = "\n".join(line.strip(" \t\n") for line in lines).strip("\n").split("\n")
    columns = [COLUMNS.split(row) for row in rows if row]
    n, widths = len(columns), Counter(map(len, columns))
    as_text = sum(TAB in row and (" " in row or row.find(TAB) * 2 + 1 == len(row)) for row in rows)
    if not n or widths[1] == n or 10 * max(widths.values()) < 9 * n or 2 * as_text >= n:
        return False
    of_entities = sum(row[-1] == OUTSIDE or row[-1].startswith(("B-", "I-")) for row in columns)
    return 2 * of_entities > n or "" in rows


def bad_line_error(bad: BadLine, name: str, advice: str) -> CorpusError:
    """The error for a line."""
    return CorpusError(f"line {bad.number:,} of {name} {bad.problem}: {advice}")


def as_pairs(texts: Iterator[str], names: list[str], name: str, bad: BadLines) -> Iterator[str]:
    """The sentences of a file, which comes in pieces of text, as lines of text, tab and a letter for each character.

    `names` are the tags by their letters, from `FIRST_LETTER` on; new ones are added. The sentence of a line that is
    not a word and its tag, which is added to `bad`, becomes a line without a tab.
    """
    letters = {tag: chr(FIRST_LETTER + k) for k, tag in enumerate(names)}
    for found in read_tagged(WordColumns(name).watched(lines_of(texts))):
        if isinstance(found, Sentence):
            tags = ""
            for tag, n in character_tags(found):
                if tag not in letters:
                    letters[tag] = chr(FIRST_LETTER + len(names))
                    names.append(tag)
                tags += letters[tag] * n
            if len(names) > LabelSet.MAX_LABELS:
                raise CorpusError(
                    f"{name} has more than {LabelSet.MAX_LABELS:,} different tags: the last column of a line is its tag"
                )
            yield f"{found.text}{TAB}{tags}\n"
        else:
            bad.add(f"line {found.number:,} of {name}", found.problem, found.kind)
            yield "?\n"


class SentenceReader:
    """Sentences without tags from lines as they arrive, each as soon as it is complete.

    Lines up to an empty one are rows of a table, as in files for training, if all have the same number of columns and
    end with a tag that the model knows: the sentence is their first columns. From a row on whose tag is that of an
    entity, every line is a row. Of other lines, one with blanks and no tab is a whole sentence. Any other has a word,
    and further columns after tabs, if any; its sentence goes on until an empty line, or one that is a sentence.
    """

    def __init__(self, tags: Container[str]) -> None:
        """`tags` are the tags that the model knows, as `character_tag` returns them."""
        self.tags = tags
        self.words: list[str] = []
        self.number = self.first = 0
        """The line that was added last, and the line of the first word."""
        self.rows: list[tuple[int, str]] = []
        """The lines since the last empty one and their numbers, as long as all may be rows."""
        self.may_be_table = True
        self.is_table = False
        """Whether a row since the last empty line has the tag of an entity."""
        self.doubt: tuple[int, str] | None = None
        """The first line that may be meant otherwise, by its number, and how it was read."""

    def add(self, line: str) -> Iterator[Sentence]:
        """The sentences that the next line completes."""
        self.number += 1
        whole = line.strip(" \t\n")
        columns = COLUMNS.split(whole)
        if columns[0] == DOCUMENT or is_comment(line, not (self.words or self.rows)):
            return
        is_row = self._is_row(columns)
        if not whole:
            yield from self.end()
        elif self.is_table or (self.may_be_table and is_row):
            if not is_row:
                self._doubt(self.number, f"is not a row like the line before it: it is read as the word {columns[0]!r}")
            self.rows.append((self.number, whole))
            self.is_table = self.is_table or bool(split_tag(columns[-1])[0])
        else:
            lines = [*self.rows, (self.number, whole)]
            self.rows, self.may_be_table = [], False
            for number, one in lines:
                yield from self._read(number, one)

    def end(self) -> Iterator[Sentence]:
        """The sentence that has begun, if any: no more of it will come."""
        for number, row in self.rows:
            self._add_word(number, COLUMNS.split(row)[0])
        self.rows, self.may_be_table, self.is_table = [], True, False
        yield from self._complete()

    def _is_row(self, columns: list[str]) -> bool:
        """Whether a line may be the next row of a table.

        Punctuation is often its own part of speech, so that the line of a whole sentence ends with a tag too. But it
        begins with a word: a table's first row that has such a tag does not.
        """
        first, last = columns[0], columns[-1]
        if len(columns) < 2 or character_tag(last) not in self.tags:
            return False
        if self.rows:
            return len(columns) == len(COLUMNS.split(self.rows[0][1]))
        return any(map(str.isalnum, last)) or not any(map(str.isalnum, first))

    def _read(self, number: int, whole: str) -> Iterator[Sentence]:
        """The sentences that a line completes that is no row."""
        columns = COLUMNS.split(whole)
        if len(columns) > 1 and TAB not in whole:
            prefix, kind = split_tag(columns[-1])
            if self._is_row(columns) or columns[-1] == OUTSIDE or (prefix and kind.isupper()):
                self._doubt(number, f"ends with the tag {columns[-1]!r}, but is read as a sentence, not as a word")
            yield from self._complete()
            yield Sentence(columns, [], number)
        else:
            self._add_word(number, columns[0])

    def _doubt(self, number: int, how: str) -> None:
        self.doubt = self.doubt or (number, how)

    def _add_word(self, number: int, word: str) -> None:
        if not self.words:
            self.first = number
        self.words.append(word)

    def _complete(self) -> Iterator[Sentence]:
        """The words so far as a sentence, if there are any."""
        if self.words:
            yield Sentence(self.words, [], self.first)
        self.words = []
