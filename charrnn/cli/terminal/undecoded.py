"""The undecoded bytes: characters that a model has never seen because its text is in another encoding, and in which."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.model.model import Model


def notify_undecoded(model: "Model", text: str, notice: Callable[[str], None]) -> None:
    """Says of a whole text that it has such bytes, if so."""
    undecoded = UndecodedBytes(model)
    undecoded.look(text)
    undecoded.tell(notice)


class UndecodedBytes:
    """Looks for such bytes in texts on their way to the model, until there are some."""

    def __init__(self, model: "Model") -> None:
        self.vocabulary, self.encoding = model.vocabulary, model.text_form.encoding
        self.advice = ""
        """What to do about them, if there were any."""

    def look(self, text: str) -> None:
        """Looks at a text."""
        if not self.advice:
            self.advice = self.vocabulary.advice_on_bytes(text)

    def watched(self, pieces: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """The same pieces of a text; as bytes they are for a model of bytes, which need not be decoded."""
        for piece in pieces:
            if isinstance(piece, str):
                self.look(piece)
            yield piece

    def tell(self, notice: Callable[[str], None]) -> None:
        """Says so, if there were any."""
        if self.advice:
            notice(f"the text has bytes that are not {self.encoding}: {self.advice}")
