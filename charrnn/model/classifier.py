"""The classifier: from a whole text to a label.

    p = [mean over the text of →h ; mean of ←h ; →h at the last character ; ←h at the first]
    y = p W_out + b_out        a logit for each label

→h and ←h are the outputs of the encoder's last layer. Each cell has read the whole text where its last output is taken;
the mean keeps what it noticed on the way, and gives every step a short path for its gradient. An empty text has p = 0:
its label follows from the biases alone.
"""

from dataclasses import dataclass

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.layers.workspace import Workspace
from charrnn.model import head
from charrnn.model.bidirectional import BidirectionalNetwork
from charrnn.model.encoder import BothCells, Encoding
from charrnn.types import Array, Ids, Indices, Params


@dataclass(frozen=True)
class Classifier(BidirectionalNetwork):
    """The network from texts to labels. In a batch for it, targets and mask are [1, B]."""

    @property
    def _features_size(self) -> int:
        """4H: the means and the last outputs of two cells."""
        return 4 * self.config.hidden_size

    def logits(
        self, params: Params, inputs: Ids, lengths: Indices | None = None, workspace: Workspace | None = None
    ) -> Array:
        """The logits [B, outputs] of the labels of the texts, the first `lengths` [B] of the inputs [T, B]."""
        workspace = workspace or Workspace()
        encoding = self.encoder.read(params, inputs, lengths, workspace)
        y: Array = head.logits(self.engine, params, self._features(encoding, workspace), workspace)[0]
        return y

    def input_gradient(
        self, params: Params, inputs: Ids, lengths: Indices | None, label: Ids, workspace: Workspace | None = None
    ) -> Array:
        """How much each character speaks for a label: gradient × input [T, B], zero on padding.

        It is the gradient of log p of each row's label [B] with respect to what the first layer looks up for the
        character, times that: above zero if the character makes the label more probable.
        """
        batch = Batch(inputs, label[None], lengths=lengths)
        return self._gradient_times_input(params, batch, workspace or Workspace())

    def _features(self, encoding: Encoding, workspace: Workspace) -> Array:
        """p [1, B, 4H]. The steps of both cells begin with the text, so that they need not be put into one order."""
        _, B, H = encoding.outputs[0].shape
        weights, last, has_text = _pooling(encoding)
        p = workspace.empty("pooled", (1, B, 4 * H), weights.dtype)
        for h, mean, end in zip(encoding.outputs, *_parts(p[0]), strict=True):
            np.einsum("tb,tbh->bh", weights, h, out=mean)
            np.multiply(has_text, h[last, np.arange(B)], out=end)
        return p

    def _features_backward(self, d: Array, encoding: Encoding, workspace: Workspace) -> BothCells:
        weights, last, has_text = _pooling(encoding)

        def d_output(name: str, d_mean: Array, d_end: Array) -> Array:
            dh = workspace.empty(name, encoding.outputs[0].shape, d.dtype)
            # mean = Σ_t weights h
            np.multiply(weights[:, :, None], d_mean, out=dh)
            # end = h[last], or 0 without text
            dh[last, np.arange(len(last))] += has_text * d_end
            return dh

        d_forward, d_reverse = map(d_output, ("d_forward", "d_reverse"), *_parts(d[0]))
        return d_forward, d_reverse

    def _weights_of_characters(self, batch: Batch, lengths: Indices) -> Array:
        """A text counts as much as its label does, however long it is."""
        counts = 1.0 if batch.mask is None else batch.mask[0]
        weights: Array = counts / np.maximum(lengths - 1, 1)
        return weights


def _parts(p: Array) -> tuple[BothCells, BothCells]:
    """Of p [B, 4H] the means of both cells, then their last outputs; each [B, H]."""
    H = p.shape[1] // 4
    return (p[:, :H], p[:, H : 2 * H]), (p[:, 2 * H : 3 * H], p[:, 3 * H :])


def _pooling(encoding: Encoding) -> tuple[Array, Indices, Array]:
    """The weights [T, B] of a mean over the text, the step [B] of its last character, and whether it has any [B, 1]."""
    (T, _, _), lengths, dtype = encoding.outputs[0].shape, encoding.lengths, encoding.outputs[0].dtype
    weights = (np.arange(T)[:, None] < lengths) / np.maximum(lengths, 1).astype(dtype)
    return weights.astype(dtype), np.maximum(lengths, 1) - 1, (lengths > 0)[:, None].astype(dtype)
