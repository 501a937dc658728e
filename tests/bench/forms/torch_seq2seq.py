"""A rival for rewriting: an encoder and a decoder with attention, trained for a given time (PyTorch).

    python tests/bench/forms/torch_seq2seq.py TRAIN TEST --time 180

Both files have `source TAB target` lines. A bidirectional LSTM reads the source, another LSTM writes the target, and
attends to the source as M.-T. Luong et al. do ("Effective Approaches to Attention-based Neural Machine Translation",
2015), with the score that they call general, without input feeding. The most likely character is chosen at each step. A
prediction counts if it is the whole target. Prints one JSON object.
"""

import time
from collections.abc import Sequence

import pairs
import scores
import torch
import torch_training
from bidirectional import BidirectionalLSTM
from pairs import Pair
from torch import Tensor, nn
from torch_training import PADDING, UNKNOWN, Characters, padded

START, END = "\x02", "\x03"
"""The characters before the first one of a target, and after the last."""
TEXTS_AT_ONCE = 256
"""The sources that are read side by side when their targets are predicted."""

State = tuple[Tensor, Tensor]
"""h and c of an LSTM, each [L, B, H]."""


class Translator(nn.Module):
    """An encoder of H/2 units in each direction, a decoder of H units, and attention."""

    def __init__(self, sources: int, targets: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        H = hidden_size
        self.source_embedding = nn.Embedding(sources, H)
        self.target_embedding = nn.Embedding(targets, H)
        self.encoder = BidirectionalLSTM(H, H // 2, layers, dropout)
        self.bridge = nn.Linear(H, 2 * layers * H)
        self.decoder = nn.LSTM(H, H, layers, dropout=dropout if layers > 1 else 0.0)
        self.score = nn.Linear(H, H, bias=False)
        self.combine = nn.Linear(2 * H, H)
        self.output = nn.Linear(H, targets)
        self.dropout = nn.Dropout(dropout)

    def encode(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, State]:
        """The encoder's outputs [S, B, H], which of them are padding [S, B], and the decoder's first state.

        `ids` [S, B] are padded sources, `lengths` [B] their lengths.
        """
        outputs, last = self.encoder(self.dropout(self.source_embedding(ids)), lengths)
        h, c = self.bridge(last).unflatten(1, (2, self.decoder.num_layers, -1)).permute(1, 2, 0, 3)  # each [L, B, H]
        is_padding = torch.arange(len(ids))[:, None] >= lengths
        return outputs, is_padding, (h.tanh().contiguous(), c.contiguous())

    def decode(self, inputs: Tensor, state: State, encoded: Tensor, is_padding: Tensor) -> tuple[Tensor, State]:
        """The logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state."""
        h, state = self.decoder(self.dropout(self.target_embedding(inputs)), state)
        attention = torch.einsum("tbh,sbh->bts", self.score(h), encoded)
        weights = attention.masked_fill(is_padding.T[:, None], -torch.inf).softmax(2)
        context = torch.einsum("bts,sbh->tbh", weights, encoded)
        attended = torch.tanh(self.combine(torch.cat((context, h), 2)))
        return self.output(self.dropout(attended)), state


def translate(
    model: Translator, sources: Sequence[str], read: Characters, written: Characters, longest: int
) -> list[str]:
    """The targets of some sources, the most likely character at each step, at most `longest` of them."""
    encoded, is_padding, state = model.encode(*padded(sources, read))
    start, end = (int(written.ids(mark)) for mark in (START, END))
    inputs = torch.full((1, len(sources)), start)
    rows, ended = [], torch.zeros(len(sources), dtype=torch.bool)
    for _ in range(longest):
        logits, state = model.decode(inputs, state, encoded, is_padding)
        logits[..., [PADDING, UNKNOWN, start]] = -torch.inf
        inputs = logits.argmax(2)
        rows.append(inputs[0])
        ended |= inputs[0] == end
        if ended.all():
            break
    return [written.text(row).partition(END)[0] for row in torch.stack(rows, 1).tolist()]


def main() -> None:
    """Trains, scores, and prints the figures."""
    args = torch_training.parser("An encoder and a decoder with attention in PyTorch.").parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    train, test = pairs.read(args.train), pairs.read(args.test)
    train, held_out = pairs.divide(train, args.seed)
    read = Characters(source for source, _ in train)
    written = Characters((*(target for _, target in train), START, END))
    longest = 1 + max(len(target) for _, target in train)
    model = Translator(len(read), len(written), args.hidden_size, args.layers, args.dropout)

    def loss(batch: Sequence[Pair]) -> Tensor:
        encoded, is_padding, state = model.encode(*padded([source for source, _ in batch], read))
        targets, _ = padded([f"{START}{target}{END}" for _, target in batch], written)
        logits, _ = model.decode(targets[:-1], state, encoded, is_padding)
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets[1:].flatten(), ignore_index=PADDING)

    def predictions(examples: Sequence[Pair]) -> list[str]:
        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(examples), TEXTS_AT_ONCE):
                sources = [source for source, _ in examples[start : start + TEXTS_AT_ONCE]]
                found += translate(model, sources, read, written, longest)
        return found

    def accuracy(examples: Sequence[Pair]) -> float:
        return scores.accuracy([target for _, target in examples], predictions(examples))

    done = torch_training.train(model, train, loss, lambda: accuracy(held_out), args)
    began = time.perf_counter()
    figures = {
        "accuracy": accuracy(test),
        "test_seconds": time.perf_counter() - began,
        "train": len(train) + len(held_out),
        "test": len(test),
    }
    torch_training.report("torch_seq2seq", model, done, args, figures)


if __name__ == "__main__":
    main()
