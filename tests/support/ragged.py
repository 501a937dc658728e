"""Ragged batches: rows of any lengths, with labels, tags or targets, for the networks that read whole texts."""

from typing import NamedTuple

import numpy as np
import pytest

from charrnn.checkpoint.pytorch_format import to_torch
from charrnn.config import ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.model.forms import network_for
from support import naive
from support.masks import masks_of_outputs

V, H, OUTPUTS = 7, 4, 3
READERS = ("classifier", "tagger")
"""The forms that answer with labels or tags."""
FORMS = (*READERS, "translator")
LENGTHS = ([3, 7, 1, 5], [4, 4], [1], [0, 6, 2, 0])
"""Of rows that are not sorted, all alike, a single character, and padding."""


class Problem(NamedTuple):
    """A network with random parameters, a batch, the empty state, and dropout masks or None."""

    network: object
    params: dict
    batch: Batch
    state: np.ndarray
    masks: np.ndarray | None

    def loss_and_gradients(self, params=None, batch=None, workspace=None):
        """The loss and the gradients of a batch; of this problem's own by default."""
        batch = self.batch if batch is None else batch
        state = self.network.zero_state(batch.inputs.shape[1])
        loss, grads, _ = self.network.loss_and_gradients(params or self.params, batch, state, self.masks, workspace)
        return loss, grads


def problem(engine, form, cell, layers, lengths, dropout=0.0, T=None, seed=0, dtype=np.float64, **shape):
    """A problem whose rows have these lengths; T is the longest if it is not given. Rows of length 0 do not count.

    For a translator these are the lengths of the sources; those of the targets are others.
    """
    shape = {"hidden_size": H, "outputs": 0 if form == "translator" else OUTPUTS, **shape}
    config = ModelConfig(V, cell, layers=layers, dropout=dropout, form=form, **shape)
    network, rng, T, B = network_for(config, engine), np.random.default_rng(seed), T or max(lengths), len(lengths)
    params = {name: rng.normal(scale=0.5, size=size).astype(dtype) for name, size in network.param_shapes.items()}
    inputs = rng.integers(V, size=(T, B), dtype=np.uint8)
    if form == "translator":
        counts = np.array([n and 2 + 3 * n % 5 for n in lengths])
        written, targets = (rng.integers(V, size=(max(1, *counts), B), dtype=np.uint8) for _ in range(2))
        mask = np.arange(len(targets))[:, None] < counts
        batch = Batch(written, targets, mask=mask, lengths=np.array(lengths), sources=inputs)
        masks = masks_of_outputs(network, batch.steps, B, rng, dtype)
        return Problem(network, params, batch, network.zero_state(B, dtype), masks)
    targets = rng.integers(config.outputs, size=(1 if form == "classifier" else T, B), dtype=np.uint8)
    mask = np.arange(len(targets))[:, None] < lengths
    batch = Batch(inputs, targets, mask=mask, lengths=np.array(lengths))
    masks = masks_of_outputs(network, T, B, rng, dtype)
    return Problem(network, params, batch, network.zero_state(B, dtype), masks)


def naive_logits(problem, masked=False):
    """The logits of each row alone by the naive reference.

    [outputs] for a classifier, [N, outputs] for a tagger, and for a translator [N, V] after its N inputs.
    """
    config, batch = problem.network.config, problem.batch
    logits = []
    for row, n in enumerate(batch.lengths):
        if config.form == "translator":
            if not (N := int(batch.mask[:, row].sum())):
                logits.append(np.zeros((0, V)))
                continue
            masks = None
            if masked:  # those of the encoder, and those of the decoder, without the padding of the source
                own, S = problem.masks[:, :, row], len(batch.sources)
                if config.locked_dropout:
                    own, S = np.repeat(own, [n, N], axis=1), n
                masks = np.concatenate((own[:, :n], own[:, S : S + N]), axis=1)
            arguments = batch.sources[:n, row], batch.inputs[:N, row], config.cell, config.layers, masks
            logits.append(naive.translator(problem.params, *arguments))
            continue
        masks = problem.masks[:, :n, row] if masked else None
        function = getattr(naive, config.form)
        logits.append(function(problem.params, batch.inputs[:n, row], config.cell, config.layers, masks))
    return logits


def naive_loss(problem, masked=False):
    """The loss of the targets that count by the naive reference."""
    batch, total = problem.batch, 0.0
    for row, logits in enumerate(naive_logits(problem, masked)):
        logits = logits.reshape(-1, logits.shape[-1])
        for t in np.flatnonzero(batch.mask[:, row]):
            total -= naive.log_softmax(logits[t])[batch.targets[t, row]]
    return total


def check_pytorchs_gradients(problem, module, wanted_loss):
    """Compares the loss and all gradients of a problem with those of a PyTorch module with the same parameters."""
    wanted_loss.backward()
    loss, grads = problem.loss_and_gradients()
    assert loss == pytest.approx(wanted_loss.item(), rel=1e-12)
    found = to_torch(grads, problem.network)
    for name, p in module.named_parameters():
        d, wanted = found[name], p.grad.numpy()
        if "bias_hh" in name:  # of which charrnn has only the part b_hn of a GRU
            d, wanted = (part[2 * H :] if problem.network.config.cell == "gru" else part[:0] for part in (d, wanted))
        np.testing.assert_allclose(d, wanted, rtol=0, atol=1e-11, err_msg=name)
