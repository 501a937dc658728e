"""The sentences of a text: where each ends, as soon as the text tells."""

import unicodedata
from collections.abc import Iterable, Iterator

WIDE = "。！？｡"
"""End a sentence even if no space follows."""
STRONG = "!?‼⁇⁈⁉؟۔।॥։።፧။។" + WIDE
WEAK = ".…"
"""End no sentence if it goes on with a small letter, as after an abbreviation (Unicode Standard Annex 29, rule SB8)."""


class SentenceEnds:
    """Takes a text character by character, and cuts it after its last sentence.

    A sentence ends with one of the characters above and any quotation marks and brackets that close after it, before
    white space or the end of the text.
    """

    def __init__(self) -> None:
        self.held: list[str] = []
        """The characters that follow the last end that is certain."""
        self.cut = 0
        """The characters of `held` up to an end that is not certain yet; 0 if there is none."""
        self.strong = self.wide = self.spaced = False
        """What that end is, and whether white space has followed it."""

    def add(self, c: str) -> str:
        """Adds a character; returns the text up to a sentence end that it makes certain, empty if it makes none so."""
        free = ""
        extends = not self.spaced and (c in STRONG or c in WEAK or _closes(c))
        if self.cut and not extends:
            if c.isspace() and not self.strong:
                self.spaced = True
            elif c.isspace() or (not c.islower() if self.spaced else self.wide):
                free = self._release()
            else:
                self.cut = 0
        self.held.append(c)
        if c in STRONG or c in WEAK:
            self.strong = c in STRONG or (self.cut > 0 and self.strong)
            self.wide, self.spaced, self.cut = c in WIDE, False, len(self.held)
        elif self.cut and extends:
            self.cut = len(self.held)
        return free

    def end(self) -> str:
        """Ends the text; returns what it still has up to its last sentence end."""
        return self._release()

    def _release(self) -> str:
        """The text up to the last sentence end, which is held no more."""
        free, self.held = "".join(self.held[: self.cut]), self.held[self.cut :]
        self.cut = 0
        return free


def first_sentence(pieces: Iterable[str], min_length: int = 0) -> Iterator[str]:
    """The pieces of a text up to the end of its first sentence, as soon as they are certain to be in it.

    The end of a sentence within the first `min_length` characters does not count. A text in which no sentence ends is
    yielded whole.
    """
    ends, text, shown, ended = SentenceEnds(), "", 0, 0
    for piece in pieces:
        for c in piece:
            text += c
            if sentence := ends.add(c):
                ended += len(sentence)
                if ended >= min_length:
                    if ended > shown:
                        yield text[shown:ended]
                    return
        if (certain := ended + (ends.cut or len(ends.held))) > shown:
            yield text[shown:certain]
            shown = certain
    if ends.cut and ended + ends.cut < min_length:  # an end that does not count has not been the end of the text
        yield text[shown:]


def needs_space(text: str, more: str) -> bool:
    """Whether a space belongs between a text that ends with a sentence and one that goes on with a word."""
    end = len(text)
    while end and _closes(text[end - 1]):
        end -= 1
    last, first = text[end - 1 : end], more[:1]
    if not last or last in WIDE or last not in STRONG + WEAK:
        return False
    opens = first in ("'", '"') and more[1:2].isalnum()
    return first.isalnum() or opens or unicodedata.category(first or " ") in ("Pi", "Ps")


def _closes(c: str) -> bool:
    """Whether it may close a quotation or a bracket; a mark that opens one in one language closes one in another."""
    return c in "\"'" or unicodedata.category(c) in ("Pe", "Pf", "Pi")
