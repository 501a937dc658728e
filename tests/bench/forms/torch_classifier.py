"""A rival for labels: a bidirectional LSTM whose outputs are averaged, trained for a given time (PyTorch).

    python tests/bench/forms/torch_classifier.py TRAIN TEST --time 60

Both files have `text TAB label` lines. The label comes from the mean of all outputs and the last one of each
direction. Prints one JSON object.
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
from torch_training import Characters, padded

TEXTS_AT_ONCE = 512
"""The texts that are classified side by side."""


class Classifier(nn.Module):
    """Embedding, bidirectional LSTM, mean and last outputs, and the logits of the labels."""

    def __init__(self, characters: int, labels: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(characters, hidden_size)
        self.rnn = BidirectionalLSTM(hidden_size, hidden_size, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(4 * hidden_size, labels)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The logits [B, labels] of some texts: padded ids [T, B], and their lengths [B]."""
        outputs, last = self.rnn(self.dropout(self.embedding(ids)), lengths)
        is_text = torch.arange(len(ids))[:, None] < lengths  # [T, B]
        mean = (outputs * is_text[:, :, None]).sum(0) / lengths[:, None]
        return self.decoder(self.dropout(torch.cat((mean, last), 1)))


def main() -> None:
    """Trains, scores, and prints the figures."""
    args = torch_training.parser("A bidirectional LSTM classifier in PyTorch.").parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    train, test = pairs.read(args.train), pairs.read(args.test)
    train, held_out = pairs.divide(train, args.seed)
    characters, labels = Characters(text for text, _ in train), sorted({label for _, label in train})
    numbers = {label: n for n, label in enumerate(labels)}
    model = Classifier(len(characters), len(labels), args.hidden_size, args.layers, args.dropout)

    def loss(batch: Sequence[Pair]) -> Tensor:
        logits = model(*padded([text for text, _ in batch], characters))
        return nn.functional.cross_entropy(logits, torch.tensor([numbers[label] for _, label in batch]))

    def predictions(examples: Sequence[Pair]) -> list[str]:
        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(examples), TEXTS_AT_ONCE):
                texts = [text for text, _ in examples[start : start + TEXTS_AT_ONCE]]
                found += [labels[n] for n in model(*padded(texts, characters)).argmax(1).tolist()]
        return found

    def accuracy(examples: Sequence[Pair]) -> float:
        return scores.accuracy([label for _, label in examples], predictions(examples))

    done = torch_training.train(model, train, loss, lambda: accuracy(held_out), args)
    began = time.perf_counter()
    found, targets = predictions(test), [label for _, label in test]
    figures = {
        "accuracy": scores.accuracy(targets, found),
        "macro_f1": scores.macro_f1(targets, found),
        "test_seconds": time.perf_counter() - began,
        "train": len(train) + len(held_out),
        "test": len(test),
    }
    torch_training.report("torch_classifier", model, done, args, figures)


if __name__ == "__main__":
    main()
