"""The sentences of a text: where each ends, as soon as the text tells."""

import unicodedata

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


def _closes(c: str) -> bool:
    """Whether it may close a quotation or a bracket; a mark that opens one in one language closes one in another."""
    return c in "\"'" or unicodedata.category(c) in ("Pe", "Pf", "Pi")
