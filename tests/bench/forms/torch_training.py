"""The training that the PyTorch rivals share: Adam for a given time, and the best weights on held-out sources.

The rate rises for a tenth of the time and then falls to zero. The weights are scored ten times on a tenth of the
training sources that is not learned; the clock stops meanwhile. Characters are numbered from 2 on: 0 pads, and 1 is any
character that the training lines do not have.
"""

import argparse
import copy
import json
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pairs import Pair
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

PADDING, UNKNOWN = 0, 1
EVALUATIONS = 10
"""How often the weights are scored on the held-out part."""
WARM_UP = 0.1
"""The part of the training in which the rate rises."""
POOL = 32
"""The batches whose examples are sorted by length together, so that each has examples of about the same length."""


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all rivals have."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    found.add_argument("train", type=Path, help="source TAB target lines to learn from")
    found.add_argument("test", type=Path, help="others to score")
    length = found.add_mutually_exclusive_group()
    length.add_argument("--time", type=float, default=60, metavar="S", help="seconds to train")
    length.add_argument("--steps", type=int, metavar="N", help="train for so many steps instead")
    found.add_argument("--hidden-size", type=int, default=128, help="units of a layer in each direction")
    found.add_argument("--layers", type=int, default=1)
    found.add_argument("--dropout", type=float, default=0.2)
    found.add_argument("--batch-size", type=int, default=64)
    found.add_argument("--lr", type=float, default=0.004, help="the highest learning rate")
    found.add_argument("--threads", type=int, default=torch.get_num_threads())
    found.add_argument("--seed", type=int, default=1)
    return found


class Characters:
    """The characters of some texts, numbered from 2 on in their order."""

    def __init__(self, texts: Iterable[str]):
        self.characters = sorted(set("".join(texts)))
        self._ids = {character: n for n, character in enumerate(self.characters, UNKNOWN + 1)}

    def __len__(self) -> int:
        return len(self.characters) + UNKNOWN + 1

    def ids(self, text: str) -> Tensor:
        """The numbers of the characters of a text, [T]."""
        return torch.tensor([self._ids.get(character, UNKNOWN) for character in text])

    def text(self, ids: Iterable[int]) -> str:
        """The text of some numbers, which are of characters."""
        return "".join(self.characters[n - UNKNOWN - 1] for n in ids)


def padded(texts: Sequence[str], characters: Characters) -> tuple[Tensor, Tensor]:
    """The numbers of the characters of some texts, of which none is empty, [T, B], and their lengths, [B]."""
    rows = [characters.ids(text) for text in texts]
    return pad_sequence(rows, padding_value=PADDING), torch.tensor([len(row) for row in rows])


def batches(examples: Sequence[Pair], size: int, seed: int) -> Iterator[list[Pair]]:
    """Batches without end: all examples in a new random order, then again. Those of a batch are about equally long."""
    rng = random.Random(seed)
    while True:
        order = rng.sample(examples, len(examples))
        found = []
        for start in range(0, len(order), POOL * size):
            pool = sorted(order[start : start + POOL * size], key=lambda pair: len(pair[0]))
            found += [pool[first : first + size] for first in range(0, len(pool), size)]
        rng.shuffle(found)
        yield from found


@dataclass
class Training:
    """What a training came to."""

    seconds: float = 0.0
    steps: int = 0
    best: float = -math.inf
    """The best score on the held-out part."""


def train(
    model: nn.Module,
    examples: Sequence[Pair],
    loss: Callable[[list[Pair]], Tensor],
    validate: Callable[[], float],
    args: argparse.Namespace,
) -> Training:
    """Trains for the time or the steps that the options say, and leaves the model with its best weights."""
    optimizer = torch.optim.Adam(model.parameters())
    done, weights, evaluations = Training(), model.state_dict(), 0
    progress, source = 0.0, batches(examples, args.batch_size, args.seed)
    while progress < 1:
        began = time.perf_counter()
        model.train()
        optimizer.zero_grad()
        loss(next(source)).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(progress / WARM_UP + 0.01, (1 - progress) / (1 - WARM_UP))
        optimizer.step()
        done.steps += 1
        done.seconds += time.perf_counter() - began
        progress = done.steps / args.steps if args.steps else done.seconds / args.time
        if progress >= (evaluations + 1) / EVALUATIONS:
            evaluations = int(progress * EVALUATIONS)
            model.eval()
            if (score := validate()) >= done.best:
                done.best, weights = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    model.eval()
    return done


def report(program: str, model: nn.Module, done: Training, args: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Prints the figures of a run as a JSON object."""
    about = {
        "seconds": done.seconds,
        "steps": done.steps,
        "validation": done.best,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "hidden_size": args.hidden_size,
        "layers": args.layers,
        "seed": args.seed,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps({"program": program, **figures, **about}))
