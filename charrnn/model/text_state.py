"""The text state: what a model knows of the texts that it reads side by side, up to a character of each."""

from typing import NamedTuple

from charrnn.types import Array, Ids


class TextState(NamedTuple):
    """The state of the network, and the last inputs of each text, in which a table of n-grams finds its contexts."""

    state: Array
    """[L, S, B, H]"""
    history: Ids
    """[K, B], the latest last; V: none, since the text began after it. K is 0 for a model without a table."""

    def rows(self, B: int) -> "TextState":
        """That of the first B texts."""
        return TextState(self.state[:, :, :B], self.history[:, :B])
