"""LSTM layers of two directions over texts of different lengths, with the results of packed sequences (PyTorch).

PyTorch's own layers of two directions need packed sequences, or the second direction would begin in the padding. On a
CPU those are slow, because they don't run in oneDNN, and the gradient of each step fills a whole batch with zeros.
Here the second direction is a layer of one direction that reads each text backwards: three times as fast for texts of
90 characters.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


def reversal(length: int, lengths: Tensor) -> Tensor:
    """The position [T, B] that each character takes when the texts are turned around; the padding stays."""
    t = torch.arange(length)[:, None]
    return torch.where(t < lengths, lengths - 1 - t, t)


def turned(x: Tensor, positions: Tensor) -> Tensor:
    """The vectors [T, B, H] at these positions [T, B]."""
    return x.gather(0, positions[:, :, None].expand_as(x))


class BidirectionalLSTM(nn.Module):
    """Layers of H units in each direction, the outputs of both side by side, with dropout between layers."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        sizes = [input_size, *[2 * hidden_size] * layers]
        self.forwards = nn.ModuleList(nn.LSTM(size, hidden_size) for size, _ in pairwise(sizes))
        self.backwards = nn.ModuleList(nn.LSTM(size, hidden_size) for size, _ in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs [T, B, 2H] for padded inputs [T, B, I], and the last one of each direction, [B, 2H].

        `lengths` [B] are at least 1. The outputs in the padding have no meaning.
        """
        positions = reversal(len(x), lengths)
        for layer, (forwards, backwards) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            x = self.dropout(x) if layer else x
            ahead, _ = forwards(x)
            back, _ = backwards(turned(x, positions))
            last = torch.cat([turned(part, lengths[None] - 1)[0] for part in (ahead, back)], 1)
            x = torch.cat((ahead, turned(back, positions)), 2)
        return x, last
