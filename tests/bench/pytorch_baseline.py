"""The PyTorch baseline: the same network, shapes, optimizer, schedule and order of data in PyTorch, for comparison.

PyTorch keeps its own defaults: two biases for each gate, both of which Adam updates, and its own initial weights,
except for the LSTM's forget gate. Training from these weights is slower than from charrnn's, so there is an option to
begin with charrnn's; then the losses differ only by rounding and by the second bias.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from charrnn import engine as engines
from charrnn.checkpoint import pytorch_format
from charrnn.config import ModelConfig, TrainingConfig
from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.streams import RESET_EVERY, Streams
from charrnn.model.forms import network_for
from charrnn.model.initialization import initial_params
from charrnn.model.masks import Masks
from charrnn.model.network import Network
from charrnn.training.schedules import learning_rate
from charrnn.training.state import Evaluation
from charrnn.types import Ids, Params

State = Tensor | tuple[Tensor, Tensor] | None
"""h [L, B, H], or h and c of an LSTM; None for zeros."""

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Baseline(nn.Module):
    """The network: `rnn` reads one-hot characters, `decoder` makes the logits of the next character."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        V, H, L = config.vocab_size, config.hidden_size, config.layers
        self.V = V
        self.rnn = CELLS[config.cell](V, H, L, dropout=config.dropout if L > 1 else 0.0)
        self.dropout = nn.Dropout(config.dropout)
        self.decoder = nn.Linear(H, V)
        if config.cell == "lstm":
            with torch.no_grad():
                for layer in range(L):
                    getattr(self.rnn, f"bias_ih_l{layer}")[H : 2 * H] = 1
                    getattr(self.rnn, f"bias_hh_l{layer}")[H : 2 * H] = 0

    def begin_with(self, params: Params, config: ModelConfig) -> None:
        """Copies charrnn's weights; the second of PyTorch's two biases is zero if charrnn has only one."""
        tensors = pytorch_format.to_torch(params, Network(config, engines.load("numpy")))
        self.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state."""
        h, state = self.rnn(nn.functional.one_hot(inputs, self.V).float(), state)
        return self.decoder(self.dropout(h)), state

    def loss(self, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The mean loss of the targets [T, B] after the inputs [T, B], in nats; and the next state."""
        logits, state = self(inputs, state)
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), state


def train_baseline(
    corpus: Corpus, model_config: ModelConfig, training_config: TrainingConfig, same_weights: bool = False
) -> list[Evaluation]:
    """Trains as `charrnn.train` would; returns the rows of the history.

    With `same_weights` it begins with the weights that charrnn draws from the same seed, not with PyTorch's own.
    """
    return list(evaluations(corpus, model_config, training_config, same_weights))


def evaluations(
    corpus: Corpus, model: ModelConfig, config: TrainingConfig, same_weights: bool = False
) -> Iterator[Evaluation]:
    """Trains like `train_baseline`, and yields each evaluation as it is made.

    Sets PyTorch's global seed and number of threads. Raises `ValueError` for settings that the baseline lacks.
    """
    if config.optimizer != "adam" or config.clip_by != "norm":
        raise ValueError("the baseline has only Adam and clipping by norm")
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    training, validation = corpus.split(config.val_fraction)
    streams = Streams(training, config.batch_size, config.seq_length)
    every = config.eval_every or min(max(streams.steps_per_epoch, 50), 1000)  # as `Trainer.eval_every`
    # Draws the same numbers as charrnn in the same order, so that the same seed gives the same batches
    rng = np.random.default_rng(config.seed)
    params = initial_params(Network(model, engines.load("numpy")), rng)
    baseline = Baseline(model)
    if same_weights:
        baseline.begin_with(params, model)
    optimizer = torch.optim.Adam(baseline.parameters(), config.lr, weight_decay=config.weight_decay)
    state: State = None
    losses: list[float] = []
    for step, (k, inputs, targets) in enumerate(batches(streams, model, config.steps, rng)):
        epoch = step // streams.steps_per_epoch
        lr = learning_rate(step, epoch, config)
        loss, state = train_step(baseline, optimizer, inputs, targets, reset(state, k), lr, config.clip)
        losses.append(loss)
        done = step + 1
        if done % every == 0 or done == config.steps:
            val_loss = validate(baseline, validation, corpus.vocabulary.start)
            epoch = done // streams.steps_per_epoch
            lr = learning_rate(step, epoch, config)
            yield Evaluation(done, epoch, lr, sum(losses) / len(losses), val_loss)
            losses.clear()


def batches(
    streams: Streams, model: ModelConfig, steps: int, rng: np.random.Generator
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The batch of each step: its number within the epoch, inputs [T, B] and targets [T, B].

    They are charrnn's for the same state of `rng`, which is why dropout masks are drawn too; PyTorch uses its own.
    """
    order, network = 0, network_for(model, engines.load("numpy"))
    for step in range(steps):
        k = step % streams.steps_per_epoch
        if k == 0:
            order = int(rng.integers(streams.n_orders))
        inputs, targets = streams.ids_of_batch(order, k)
        Masks.draw(network, rng)
        yield k, to_tensor(inputs), to_tensor(targets)


def reset(state: State, k: int) -> State:
    """The state at the start of batch k of an epoch: zero for all streams in the first batch, then for some in turn."""
    if k:
        for tensor in state if isinstance(state, tuple) else (state,):
            tensor[:, k % RESET_EVERY :: RESET_EVERY] = 0
        return state
    return None


def train_step(
    baseline: Baseline,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    state: State,
    lr: float,
    clip: float,
) -> tuple[float, State]:
    """One update on a batch, inputs and targets [T, B]: its loss before, and the next state, detached."""
    baseline.train()
    optimizer.zero_grad()
    loss, state = baseline.loss(inputs, targets, state)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        nn.utils.clip_grad_norm_(baseline.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    if isinstance(state, tuple):
        h, c = state
        return loss.item(), (h.detach(), c.detach())
    return loss.item(), None if state is None else state.detach()


def validate(baseline: Baseline, ids: Ids, start: int) -> float | None:
    """The mean loss of the whole text [N] in nats, read in order after the character `start`; None if it is empty.

    The state is carried from the first character to the last.
    """
    baseline.eval()
    text = to_tensor(np.concatenate(([start], ids)))[:, None]
    state: State = None
    nats = 0.0
    with torch.inference_mode():
        for first in range(0, len(ids), CHARS_PER_READ):
            inputs, targets = (part[first : first + CHARS_PER_READ] for part in (text[:-1], text[1:]))
            loss, state = baseline.loss(inputs, targets, state)
            nats += loss.item() * len(targets)
    return nats / len(ids) if len(ids) else None


def to_tensor(ids: Ids) -> Tensor:
    """A copy of some ids in the type that PyTorch needs."""
    return torch.from_numpy(ids.astype(np.int64))
