"""A rival for tags: a bidirectional LSTM that tags each character, trained for a given time (PyTorch).

    python tests/bench/forms/torch_tagger.py TRAIN TEST --time 60

Both files have `text TAB tags` lines with a tag for each character. A span is a run of one tag other than `.`; it is
right if its tag and both its ends are. Prints one JSON object.
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

TEXTS_AT_ONCE = 256
"""The texts that are tagged side by side."""


class Tagger(nn.Module):
    """Embedding, bidirectional LSTM, and the logits of the tag of each character."""

    def __init__(self, characters: int, tags: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(characters, hidden_size)
        self.rnn = BidirectionalLSTM(hidden_size, hidden_size, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(2 * hidden_size, tags)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The logits [T, B, tags] of each character of some texts: padded ids [T, B], and their lengths [B]."""
        outputs, _ = self.rnn(self.dropout(self.embedding(ids)), lengths)
        return self.decoder(self.dropout(outputs))


def main() -> None:
    """Trains, scores, and prints the figures."""
    args = torch_training.parser("A bidirectional LSTM tagger in PyTorch.").parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    train, test = pairs.read(args.train), pairs.read(args.test)
    for text, target in (*train, *test):
        if len(text) != len(target):
            raise SystemExit(f"a text has {len(text)} characters and {len(target)} tags: {text}")
    train, held_out = pairs.divide(train, args.seed)
    characters, tags = Characters(text for text, _ in train), Characters(target for _, target in train)
    model = Tagger(len(characters), len(tags), args.hidden_size, args.layers, args.dropout)

    def loss(batch: Sequence[Pair]) -> Tensor:
        logits = model(*padded([text for text, _ in batch], characters))
        targets, _ = padded([target for _, target in batch], tags)
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING)

    def predictions(examples: Sequence[Pair]) -> list[str]:
        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(examples), TEXTS_AT_ONCE):
                texts = [text for text, _ in examples[start : start + TEXTS_AT_ONCE]]
                logits = model(*padded(texts, characters))
                best = (logits[..., UNKNOWN + 1 :].argmax(2) + UNKNOWN + 1).T.tolist()  # no padding, nothing unknown
                found += [tags.text(row[: len(text)]) for row, text in zip(best, texts, strict=True)]
        return found

    def span_f1(examples: Sequence[Pair]) -> float:
        return scores.span_f1([target for _, target in examples], predictions(examples))

    done = torch_training.train(model, train, loss, lambda: span_f1(held_out), args)
    began = time.perf_counter()
    found, targets = predictions(test), [target for _, target in test]
    figures = {
        "span_f1": scores.span_f1(targets, found),
        "accuracy": scores.accuracy("".join(targets), "".join(found)),
        "whole_lines": scores.accuracy(targets, found),
        "test_seconds": time.perf_counter() - began,
        "train": len(train) + len(held_out),
        "test": len(test),
    }
    torch_training.report("torch_tagger", model, done, args, figures)


if __name__ == "__main__":
    main()
