"""The bidirectional network: an encoder with a head, which reads whole texts before it answers.

The classifier and the tagger are its forms. Like `Network` they are pure functions of parameters, with the same
signatures, so that training calls any of them. Nothing is carried from batch to batch, so that their state is empty.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.layers.workspace import Workspace
from charrnn.model import auxiliary_loss, head
from charrnn.model.encoder import BothCells, Encoding
from charrnn.model.reversal import reverse
from charrnn.model.whole_text_network import WholeTextNetwork
from charrnn.types import Array, Indices, Params, Receiver, Shapes


@dataclass(frozen=True)
class BidirectionalNetwork(WholeTextNetwork):
    """An encoder and a head. A form says what the head reads: see `_features`."""

    @property
    @abstractmethod
    def _features_size(self) -> int:
        """N, the number of values that the head reads for one answer."""

    @abstractmethod
    def _features(self, encoding: Encoding, workspace: Workspace) -> Array:
        """What the head reads: [T, B, N], or [1, B, N] for one answer a row."""

    @abstractmethod
    def _features_backward(self, d: Array, encoding: Encoding, workspace: Workspace) -> BothCells:
        """The gradients of the encoder's outputs, zero on padding, from d [T, B, N] or [1, B, N], contiguous."""

    @abstractmethod
    def _weights_of_characters(self, batch: Batch, lengths: Indices) -> Array:
        """[B]: how much a character of each row, which has some length [B], counts in the auxiliary loss."""

    @property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: with its layer and its direction."""
        return self.encoder.suffixes

    @property
    def param_shapes(self) -> Shapes:
        """The name and shape of every parameter, in the order in which they are initialized."""
        outputs = self.config.outputs
        shapes = self.encoder.param_shapes | {"W_out": (self._features_size, outputs), "b_out": (outputs,)}
        return shapes | auxiliary_loss.param_shapes(self.config)

    def loss(
        self, params: Params, batch: Batch, state: Array, workspace: Workspace | None = None
    ) -> tuple[float, Array]:
        """The summed loss of the targets that count, in nats, and the empty state."""
        workspace = workspace or Workspace()
        encoding = self.encoder.forward(params, batch.inputs, batch.lengths, None, workspace)
        h = self._features(encoding, workspace)
        return head.loss(self.engine, params, h, _cut(batch, len(h)), workspace), state

    def loss_and_gradients(
        self,
        params: Params,
        batch: Batch,
        state: Array,
        dropout: Array | None = None,
        workspace: Workspace | None = None,
        receive: Receiver | None = None,
    ) -> tuple[float, Params, Array]:
        """The summed loss in nats, its gradient for every parameter, and the empty state.

        `dropout` is the mask [L, T, B, 2H] of `Masks.of_outputs`, or None. The results are sums, not means, so that
        those of shards can be added. Only the targets that the batch's mask selects count; a shard may have none. The
        gradients are those of the loss plus, with `lm_weight`, the auxiliary loss, which the loss itself leaves out.
        `receive` gets all gradients at once.
        """
        lm_weight = self.config.lm_weight
        total, grads, _, _ = self._forward_backward(params, batch, dropout, lm_weight, workspace or Workspace())
        grads = {name: grads[name] for name in params}
        if receive is not None:
            receive(grads)
        return total, grads, state

    def _forward_backward(
        self, params: Params, batch: Batch, dropout: Array | None, lm_weight: float, workspace: Workspace
    ) -> tuple[float, Params, Encoding, BothCells]:
        """The summed loss, all gradients, what the encoder computed, and the gradients of the first layer's inputs."""
        encoding = self.encoder.forward(params, batch.inputs, batch.lengths, dropout, workspace)
        h = self._features(encoding, workspace)
        total, dh, grads = head.loss_and_gradients(self.engine, params, h, _cut(batch, len(h)), workspace)
        # h = features(outputs)
        d_outputs, d_first = self._features_backward(dh, encoding, workspace), None
        if lm_weight:
            weights = lm_weight * self._weights_of_characters(batch, encoding.lengths)
            d_first, more = auxiliary_loss.gradients(self.engine, params, encoding, weights, workspace)
            grads |= more
        # outputs = encoder.forward(…)
        encoder_grads, dx = self.encoder.backward(params, d_outputs, encoding, workspace, d_first)
        return total, grads | encoder_grads, encoding, dx

    def _gradient_times_input(self, params: Params, batch: Batch, workspace: Workspace) -> Array:
        """x · ∂ Σ log p / ∂x [T, B] for the targets that count; x is a character's row of W_ih0, in both directions.

        It is what Σ log p would lose, to first order, if x were zero (A. Shrikumar et al., "Not Just a Black Box",
        2016); it is zero on padding.
        """
        _, _, encoding, dx = self._forward_backward(params, batch, None, 0.0, workspace)
        product, product_reversed = (
            np.einsum("tbg,tbg->tb", params[f"W_ih{suffix}"][ids], d)
            for (suffix, ids, *_), d in zip(encoding.passes[0], dx, strict=True)
        )
        total = np.zeros(batch.inputs.shape, product.dtype)
        # the loss is - Σ log p
        total[: len(product)] -= product + reverse(product_reversed, encoding.places)
        return total


def _cut(batch: Batch, T: int) -> Batch:
    """The batch with its first T targets: behind them is only padding."""
    mask = None if batch.mask is None else batch.mask[:T]
    return batch._replace(targets=batch.targets[:T], mask=mask)
