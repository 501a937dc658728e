"""The tagger: from a text to a tag for each of its characters.

    y = [→h ; ←h] W_out + b_out        a logit for each tag, at every character

→h and ←h are the outputs of the encoder's last layer, in the order of the text: at each character the first has read
what comes before it, and the second what comes after it, so that the tag follows from the whole text.
"""

from dataclasses import dataclass

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.layers.workspace import Workspace
from charrnn.model import head
from charrnn.model.bidirectional import BidirectionalNetwork
from charrnn.model.encoder import BothCells, Encoding
from charrnn.model.reversal import join, split
from charrnn.types import Array, Ids, Indices, Mask, Params


@dataclass(frozen=True)
class Tagger(BidirectionalNetwork):
    """The network from texts to tags. In a batch for it, targets and mask are [T, B]; the mask leaves padding out."""

    @property
    def _features_size(self) -> int:
        """2H: the outputs of two cells."""
        return 2 * self.config.hidden_size

    def logits(
        self, params: Params, inputs: Ids, lengths: Indices | None = None, workspace: Workspace | None = None
    ) -> Array:
        """The logits [T, B, outputs] of the tags of the first `lengths` [B] of the inputs [T, B]; zero on padding."""
        workspace = workspace or Workspace()
        encoding = self.encoder.read(params, inputs, lengths, workspace)
        y = head.logits(self.engine, params, self._features(encoding, workspace), workspace)
        if lengths is None:
            return y
        padded = workspace.zeros("padded", (*inputs.shape, self.config.outputs), y.dtype)
        np.copyto(padded[: len(y)], y, where=_is_text(lengths, len(y))[:, :, None])
        return padded

    def input_gradient(
        self,
        params: Params,
        inputs: Ids,
        lengths: Indices | None,
        label: Ids,
        workspace: Workspace | None = None,
        mask: Mask | None = None,
    ) -> Array:
        """How much each character speaks for some tags: gradient × input [T, B], zero on padding.

        It is the gradient of the sum of log p of the tags `label` [T, B] with respect to what the first layer looks up
        for the character, times that: above zero if the character makes the tags more probable. A mask [T, B] selects
        some of the tags, such as a single one; None: those of the whole text.
        """
        if lengths is not None:
            text = _is_text(lengths, len(inputs))
            mask = text if mask is None else mask & text
        batch = Batch(inputs, label, mask=mask, lengths=lengths)
        return self._gradient_times_input(params, batch, workspace or Workspace())

    def _features(self, encoding: Encoding, workspace: Workspace) -> Array:
        """[→h ; ←h], [T, B, 2H]."""
        return join(*encoding.outputs, encoding.places, workspace)

    def _features_backward(self, d: Array, encoding: Encoding, workspace: Workspace) -> BothCells:
        return split(d, encoding.places, workspace)

    def _weights_of_characters(self, batch: Batch, lengths: Indices) -> Array:
        """A character counts as much as its tag does."""
        return np.ones(len(lengths))


def _is_text(lengths: Indices, T: int) -> Mask:
    """Which of the inputs [T, B] are text and not padding."""
    mask: Mask = np.arange(T)[:, None] < lengths
    return mask
