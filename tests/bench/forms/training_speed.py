"""Training on pairs and tags: characters that are read per second, here and in PyTorch with packed sequences.

    python tests/bench/forms/training_speed.py reversal/train.tsv --form translator
    python tests/bench/forms/training_speed.py data/tagged.tsv --form tagger

Both train the same network on the same batches, with Adam, clipping and no dropout, in turn, several times; the ratio
is that of the medians. PyTorch runs eagerly, with an embedding, `pack_padded_sequence`, an LSTM of two directions and,
for pairs, a decoder with Luong's attention, as one writes them. Prints one JSON object.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import charrnn
from charrnn.dataset.batch import Batch
from charrnn.training.trainer import Trainer

LAYOUTS = {"translator": "translations", "tagger": "tags"}
WARM_UP = 3
"""Steps before the clock starts, in which the engine compiles."""


class Model(nn.Module):
    """A tagger, or a translator: an encoder, a decoder and attention."""

    def __init__(self, V: int, outputs: int, H: int, layers: int, translates: bool):
        super().__init__()
        self.embedding = nn.Embedding(V, H)
        self.encoder = nn.LSTM(H, H, layers, bidirectional=True)
        self.decoder = nn.LSTM(H, H, layers) if translates else None
        self.score, self.combine = nn.Linear(2 * H, H, bias=False), nn.Linear(3 * H, H)
        self.head = nn.Linear(H if translates else 2 * H, outputs)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The logits [T, B, outputs]."""
        lengths = batch["lengths"]
        packed = pack_padded_sequence(self.embedding(batch["read"]), lengths, enforce_sorted=False)
        e, _ = pad_packed_sequence(self.encoder(packed)[0], total_length=len(batch["read"]))
        if self.decoder is None:
            return self.head(e)
        h, _ = self.decoder(self.embedding(batch["inputs"]))
        scores = torch.einsum("tbh,sbh->bts", h, self.score(e))
        padding = torch.arange(len(e))[None] >= lengths[:, None]
        weights = scores.masked_fill(padding[:, None], -torch.inf).softmax(2)
        context = torch.einsum("bts,sbe->tbe", weights, e)
        return self.head(torch.tanh(self.combine(torch.cat((h, context), 2))))


def batches(trainer: Trainer) -> Iterator[Batch]:
    """The batches of a training, epoch after epoch."""
    for order in count():
        epoch = trainer.training_data.epoch(order)
        yield from map(epoch, range(trainer.training_data.steps_per_epoch))


def tensors(batch: Batch) -> dict[str, Tensor]:
    """A batch for PyTorch; a row without a text has one character."""
    read = batch.inputs if batch.sources is None else batch.sources
    arrays = {"read": read, "inputs": batch.inputs, "targets": batch.targets, "mask": batch.mask}
    found = {name: torch.from_numpy(array.copy()) for name, array in arrays.items() if array is not None}
    assert batch.lengths is not None
    found["lengths"] = torch.from_numpy(batch.lengths).clamp(min=1)
    return {name: t if t.dtype == torch.bool else t.long() for name, t in found.items()}


def pytorch_step(trainer: Trainer, args: argparse.Namespace) -> Callable[[], int]:
    """A step of training in PyTorch, which returns the characters read."""
    config = trainer.state.model_config
    outputs = config.outputs or config.vocab_size
    model = Model(config.vocab_size, outputs, args.hidden_size, args.layers, args.form == "translator")
    optimizer, source = torch.optim.Adam(model.parameters(), lr=1e-3), batches(trainer)

    def step() -> int:
        batch = next(source)
        given = tensors(batch)
        loss = nn.functional.cross_entropy(model(given)[given["mask"]], given["targets"][given["mask"]])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return batch.chars_read

    return step


def speed(step: Callable[[], int], seconds: float) -> float:
    """The characters per second of a step that is repeated for some time."""
    began, chars = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        chars += step()
    return chars / (time.perf_counter() - began)


def main() -> None:
    """Measures both in turn, and prints the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("train", type=Path, help="source TAB target lines")
    parser.add_argument("--form", choices=LAYOUTS, default="translator")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    trainer = charrnn.train(
        args.train.read_text(encoding="utf-8"),
        layout=LAYOUTS[args.form],
        hidden_size=args.hidden_size,
        layers=args.layers,
        threads=args.threads,
        batch_size=64,
        steps=10**6,
        eval_every=10**6,
        dropout=0.0,
        drop_connect=0.0,
        clip=1.0,
        lr=1e-3,
        seed=1,
    )
    progress = iter(trainer)
    steps = {"charrnn": lambda: next(progress).chars, "pytorch": pytorch_step(trainer, args)}
    found: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    for _ in range(args.rounds):
        for name, step in steps.items():
            found[name].append(speed(step, args.seconds))
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratio = medians["charrnn"] / medians["pytorch"]
    print(json.dumps({"form": args.form, **medians, "ratio": ratio, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
