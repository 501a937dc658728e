"""The PyTorch twin: the same network, shapes, optimizer, schedule and order of data in PyTorch, for comparison.

Only what PyTorch does of its own accord is left to it: it has two biases for each gate, both of which Adam moves, and
its own initial weights, but for the LSTM's forget gate. As these learn more slowly than ours, there is an option to
begin with ours; then the losses differ by rounding and by the second bias alone.
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
from charrnn.model import dropout, initialization, network
from charrnn.training.schedules import learning_rate
from charrnn.training.state import Evaluation
from charrnn.types import Ids, Params

State = Tensor | tuple[Tensor, Tensor] | None
"""h [L, B, H], or h and c of an LSTM; None for zeros."""

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Twin(nn.Module):
    """The network: `rnn` reads one-hot characters, `decoder` makes a logit for each that may come next."""

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
        """Takes over weights of ours; of PyTorch's two biases the second is zero where we have one only."""
        tensors = pytorch_format.to_torch(params, config, network.cell_of(config, engines.load("numpy")))
        self.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state."""
        h, state = self.rnn(nn.functional.one_hot(inputs, self.V).float(), state)
        return self.decoder(self.dropout(h)), state

    def loss(self, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The mean loss of the targets [T, B] after the inputs [T, B], in nats; and the next state."""
        logits, state = self(inputs, state)
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), state


def train_twin(
    corpus: Corpus, model_config: ModelConfig, training_config: TrainingConfig, our_weights: bool = False
) -> list[Evaluation]:
    """Trains a twin as `charrnn.train` would train the network; returns the rows that its history would have.

    With `our_weights` it begins with the weights that charrnn draws from the same seed, not with PyTorch's own.
    """
    return list(evaluations(corpus, model_config, training_config, our_weights))


def evaluations(
    corpus: Corpus, model: ModelConfig, config: TrainingConfig, our_weights: bool = False
) -> Iterator[Evaluation]:
    """Does what `train_twin` does, and yields each evaluation when it is made.

    It sets PyTorch's global seed and number of threads. Raises `ValueError` for settings that the twin doesn't know.
    """
    if config.optimizer != "adam" or config.clip_by != "norm":
        raise ValueError("the twin knows Adam and clipping by norm alone")
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    learned, held_out = corpus.split(config.val_fraction)
    streams = Streams(learned, config.batch_size, config.seq_length)
    every = config.eval_every or min(max(streams.chunks, 50), 1000)  # as `Training.eval_every`
    # What charrnn draws is drawn here too, in its order, so that the same seed gives the same chunks
    rng = np.random.default_rng(config.seed)
    params = initialization.initial_params(model, engines.load("numpy"), rng)
    twin = Twin(model)
    if our_weights:
        twin.begin_with(params, model)
    optimizer = torch.optim.Adam(twin.parameters(), config.lr, weight_decay=config.weight_decay)
    state: State = None
    losses: list[float] = []
    for step, (k, inputs, targets) in enumerate(chunks(streams, model, config.steps, rng)):
        epoch = step // streams.chunks
        lr = learning_rate(step, epoch, config)
        loss, state = train_step(twin, optimizer, inputs, targets, afresh(state, k), lr, config.clip)
        losses.append(loss)
        done = step + 1
        if done % every == 0 or done == config.steps:
            val_loss = validate(twin, held_out, corpus.vocabulary.start)
            epoch = done // streams.chunks
            lr = learning_rate(step, epoch, config)
            yield Evaluation(done, epoch, lr, sum(losses) / len(losses), val_loss)
            losses.clear()


def chunks(
    streams: Streams, model: ModelConfig, steps: int, rng: np.random.Generator
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The chunk of each step: its number within the epoch, inputs [T, B] and targets [T, B].

    They are charrnn's for the same state of `rng`; so dropout masks are drawn as well, though PyTorch uses its own.
    """
    offset = 0
    for step in range(steps):
        k = step % streams.chunks
        if k == 0:
            offset = int(rng.integers(streams.offsets))
        inputs, targets = streams.chunk(offset, k)
        T, B = inputs.shape
        dropout.dropout_masks(model, T, B, rng)
        yield k, to_tensor(inputs), to_tensor(targets)


def afresh(state: State, k: int) -> State:
    """The state that chunk k of an epoch starts from: at the first one zero for all streams, later for some in turn."""
    if k:
        for tensor in state if isinstance(state, tuple) else (state,):
            tensor[:, k % RESET_EVERY :: RESET_EVERY] = 0
        return state
    return None


def train_step(
    twin: Twin,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    state: State,
    lr: float,
    clip: float,
) -> tuple[float, State]:
    """One update on a chunk, inputs and targets [T, B]: its loss before, and the next state, cut off from its past."""
    twin.train()
    optimizer.zero_grad()
    loss, state = twin.loss(inputs, targets, state)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        nn.utils.clip_grad_norm_(twin.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    if isinstance(state, tuple):
        h, c = state
        return loss.item(), (h.detach(), c.detach())
    return loss.item(), None if state is None else state.detach()


def validate(twin: Twin, ids: Ids, start: int) -> float | None:
    """The mean loss of the whole text [N] in nats, read in order after the character `start`; None where it is empty.

    The state is carried from the first character to the last, as `Model.losses` does it.
    """
    twin.eval()
    text = to_tensor(np.concatenate(([start], ids)))[:, None]
    state: State = None
    nats = 0.0
    with torch.inference_mode():
        for at in range(0, len(ids), CHARS_PER_READ):
            inputs, targets = text[:-1][at : at + CHARS_PER_READ], text[1:][at : at + CHARS_PER_READ]
            loss, state = twin.loss(inputs, targets, state)
            nats += loss.item() * len(targets)
    return nats / len(ids) if len(ids) else None


def to_tensor(ids: Ids) -> Tensor:
    """A copy of some ids in the type that PyTorch wants for them."""
    return torch.from_numpy(ids.astype(np.int64))
