"""The shapes of networks and batches to train."""

from dataclasses import dataclass, replace

V = 65
"""Distinct characters, as in tinyshakespeare."""
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Shape:
    """The shape of a network, and of its batches: streams × characters."""

    hidden_size: int
    layers: int
    batch_size: int
    seq_length: int
    cell: str = "lstm"

    def with_cell(self, cell: str) -> "Shape":
        """The same shape with another cell."""
        return replace(self, cell=cell)

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"{self.cell} {self.layers}×{self.hidden_size}, batch {self.batch_size}×{self.seq_length}"

    @property
    def flops(self) -> int:
        """Useful floating-point operations for each training character.

        A multiplication and an addition for each weight, once forward and twice backward, of the recurrent products,
        the input products of all layers but the first, and the output product. Look-ups do not count.
        """
        H, L, GH = self.hidden_size, self.layers, GATES[self.cell] * self.hidden_size
        return 3 * 2 * (L * H * GH + (L - 1) * H * GH + H * V)


SHAPES = {
    "2x128": Shape(128, 2, 50, 50),
    "1x256": Shape(256, 1, 32, 64),
    "1x512": Shape(512, 1, 64, 128),
    "2x512": Shape(512, 2, 64, 128),
}
"""Each is trained with each cell."""
MIN_CHAR = "min-char"
"""The name of min-char-rnn's setting, in addition to those above."""
MIN_CHAR_SHAPE = Shape(100, 1, 1, 25, "rnn")
