"""The columns of words and tags: what shows that the first one is not the word, such as the numbers of CoNLL-U."""

import re
from collections.abc import Iterable, Iterator

from charrnn.dataset import shell_words
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import CorpusError

MAX_ROWS = 10
"""The rows after which a file of which all are alike is told."""
MIN_ROWS = 3
"""The fewest rows of a file that tell what it is."""
COLUMNS = re.compile("[ \t]+")
OF_SEVERAL = re.compile(r"\d+[-.]\d+")
"""The number of several words in one, such as `3-4`, or of a word that is not in the text, such as `5.1`."""
COMMENT = re.compile(r"#[ \t]+[^ \t=]+[ \t]+=([ \t]|$)")
"""A line of CoNLL-U about the sentence that follows, such as `# text = So it is.`"""
CONLL_U = 10
"""The columns of CoNLL-U and CoNLL-X, of which the fourth is the part of speech."""


def is_comment(line: str, begins: bool) -> bool:
    """Whether a line is no word but a comment, which stands where a sentence begins."""
    return begins and COMMENT.match(line) is not None


class WordColumns:
    """Looks at the lines of a file of words, up to the first whose first column may be a word."""

    def __init__(self, name: str) -> None:
        """`name` is that of the file, for errors."""
        self.name = name
        self.numbers = self.texts = 0
        """The rows so far, if the first columns of all of them count the words of their sentences; if all are texts
        with a tag for each of their characters."""
        self.next: tuple[str, ...] = ("0", "1")
        """The number of the next word."""
        self.width, self.has_tabs, self.has_comments = 0, False, False
        self.is_open = True
        """Whether neither is out of the question yet."""

    def watched(self, lines: Iterable[str]) -> Iterator[str]:
        """The same lines."""
        yield from map(self.looked, lines)
        self.end()

    def looked(self, line: str) -> str:
        """The same line."""
        if self.is_open:
            self._look(line)
        return line

    def _look(self, line: str) -> None:
        """Looks at the next line; raises `CorpusError` if there are enough to tell that the first columns are none."""
        line = line.rstrip("\r\n")
        if not line.strip(" \t"):
            self.next = ("0", "1")
            return
        if line.startswith("#") and self.next == ("0", "1"):
            self.has_comments = True
            return
        columns = COLUMNS.split(line.strip(" \t"))
        text, tab, tags = line.partition(TAB)
        self.texts = self.texts + 1 if tab and len(text) == len(tags) and self.texts >= 0 else -1
        if not OF_SEVERAL.fullmatch(columns[0]):
            is_next = columns[0] in self.next and len(columns) > 1 and self.numbers >= 0
            self.numbers = self.numbers + 1 if is_next else -1
            self.next = (str(int(columns[0]) + 1),) if is_next else ()
            self.width, self.has_tabs = len(columns), bool(tab)
        self.is_open = max(self.texts, self.numbers) >= 0
        if max(self.texts, self.numbers) >= MAX_ROWS:
            self.end()

    def end(self) -> None:
        """Raises `CorpusError` if all lines show that the first columns are no words."""
        if self.is_open and self.numbers >= MIN_ROWS:
            raise CorpusError(self._numbered())
        if self.is_open and self.texts >= MIN_ROWS:
            raise CorpusError(f'{self.name} looks like texts with a tag for each character: leave out `table="conll"`')

    def _numbered(self) -> str:
        tag, columns = ("$4", "columns 2 and 4") if self.width == CONLL_U else ("$NF", "column 2 and the last one")
        file = "FILE" if self.name == "stdin" else shell_words.quote(self.name)
        separator = "-F '\\t' " if self.has_tabs else ""
        others = ", and lines with # are comments" if self.has_comments else ""
        dropped = f"{'/^#/ || ' * self.has_comments}$1 ~ /[-.]/ {{next}} "
        command = f'awk {separator}\'{dropped}{{print NF ? $2 "\\t" {tag} : ""}}\' {file} > words.conll'
        return (
            f"the first column of {self.name} counts the words{others}, but it must be the word: take {columns}, for "
            f"instance with `{command}`"
        )
