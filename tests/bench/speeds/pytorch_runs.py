"""PyTorch in the races: the same network, written in the fastest of several ways."""

import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no helper processes that keep running

import numpy as np
import torch
from pytorch_baseline import Baseline, State, batches, reset, train_step
from torch import Tensor, nn

from charrnn.config import LEARNING_RATES, ModelConfig
from charrnn.dataset import corpus
from charrnn.dataset.streams import Streams
from speeds import texts
from speeds.race import Step, fastest, warm_up
from speeds.shape import Shape, V

WARM_UP_STEPS = 2, 4
"""The fewest and the most steps before the first timed one: the compiler sees a state of None, and one of tensors."""
CHARS_PER_CALL = 64
"""Characters to draw between two readings of the clock."""
CLIP = 5.0
TEMPERATURE = 0.8


class LookUp(Baseline):
    """The baseline with its one-hot characters looked up as rows of a unit matrix."""

    eye: Tensor

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.register_buffer("eye", torch.eye(self.V), persistent=False)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        h, state = self.rnn(nn.functional.embedding(inputs, self.eye), state)
        return self.decoder(self.dropout(h)), state


def in_bf16(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss with products in bfloat16 and weights in float32."""

    def mixed(inputs: Tensor, targets: Tensor, state: State) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return loss(inputs, targets, state)

    return mixed


INPUTS = {"one-hot": Baseline, "look-up": LookUp}
MODES: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "eager": lambda loss: loss,
    "compile": torch.compile,
    "autocast": in_bf16,
}


def training(mode: str, shape: Shape, threads: Sequence[int], adams: Sequence[str] = ("Adam",)) -> tuple[Step, str]:
    """A training step with the fastest combination of an input, a number of threads and an Adam."""
    return choose(
        {
            ", ".join([inputs, *([adam] if len(adams) > 1 else []), *named(n, threads)]): (
                n,
                trainer(mode, INPUTS[inputs], shape, fused=adam == "fused Adam"),
            )
            for n, inputs, adam in itertools.product(threads, INPUTS, adams)
        }
    )


def trainer(mode: str, kind: type[Baseline], shape: Shape, fused: bool) -> Step:
    """A training step as in `charrnn.train`: the next batch, forward, backward, clipping, Adam."""
    text = corpus.from_text(texts.training_text(shape.batch_size, shape.seq_length))
    config = ModelConfig(V, shape.cell, shape.hidden_size, shape.layers)
    net = kind(config)
    net.loss = MODES[mode](net.loss)  # type: ignore[method-assign]
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATES["adam"], fused=fused or None)
    streams = Streams(text.ids, shape.batch_size, shape.seq_length)
    feed = batches(streams, config, 1 << 40, np.random.default_rng(1))
    state: State = None

    def step() -> float:
        nonlocal state
        k, inputs, targets = next(feed)
        _, state = train_step(net, optimizer, inputs, targets, reset(state, k), LEARNING_RATES["adam"], CLIP)
        return inputs.numel()

    return step


def sampler(shape: Shape, streams: int, threads: Sequence[int], precision: str = "float32") -> tuple[Step, str]:
    """Draws some characters with the fastest combination of an input and a number of threads."""
    return choose(
        {
            ", ".join([inputs, *named(n, threads)]): (n, drawer(INPUTS[inputs], shape, streams, precision))
            for n, inputs in itertools.product(threads, INPUTS)
        }
    )


def in_int8(net: nn.Module) -> nn.Module:
    """The network with weights in int8, which are multiplied with inputs that are rounded as they come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch plans to move this function
        return torch.ao.quantization.quantize_dynamic(net, {nn.LSTM, nn.Linear}, dtype=torch.qint8)


def drawer(kind: type[Baseline], shape: Shape, streams: int, precision: str) -> Step:
    """A loop that feeds back each character; with one stream each character becomes text when it is drawn."""
    net: nn.Module = kind(ModelConfig(V, shape.cell, shape.hidden_size, shape.layers)).eval()
    net = in_int8(net) if precision == "int8" else net
    context, state = torch.zeros(streams, dtype=torch.int64), None

    def draw() -> Iterator[Tensor]:
        nonlocal context, state
        for _ in range(CHARS_PER_CALL):
            logits, state = net(context[None], state)
            context = torch.multinomial(torch.softmax(logits[0] / TEMPERATURE, -1), 1)[:, 0]
            yield context

    def step() -> float:
        with torch.inference_mode():
            if streams == 1:
                return len([texts.LATIN[int(v)] for v in draw()])
            return torch.stack(list(draw())).numel()

    return step


def named(n: int, threads: Sequence[int]) -> list[str]:
    """The number of threads, if there is a choice."""
    return [f"{n} thread{'s' * (n > 1)}"] if len(threads) > 1 else []


def choose(candidates: dict[str, tuple[int, Step]]) -> tuple[Step, str]:
    """Warms the candidates up, each with its number of threads, and takes the fastest."""

    def with_threads(n: int, step: Step) -> Step:
        def run() -> float:
            if torch.get_num_threads() != n:
                torch.set_num_threads(n)
            return step()

        return run

    steps = {name: with_threads(n, step) for name, (n, step) in candidates.items()}
    for step in steps.values():
        warm_up(step, *WARM_UP_STEPS)
    return fastest(steps)
