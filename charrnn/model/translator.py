"""The translator: from a text to another one, with an encoder, a decoder, and attention between them.

    e = [→h ; ←h]                   what the encoder has read of the source, at each of its characters
    h = layers(target so far)       the decoder: a stack of layers that reads the target forwards, from a zero state
    a = attention(h, e)             at each step it looks back at the whole source, and mixes what matters to it
    y = a W_out + b_out             a logit for each character that may come next

All that the decoder knows of the source comes through attention, so a source may be long: each of its characters is one
step away from each of the target's. The parameters of the decoder's layers end in `_decoder`; `W_a, W_c, b_c` are those
of the attention. D. Bahdanau, K. Cho, Y. Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate" (2015); M.-T. Luong, H. Pham, C. Manning (2015).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.layers.workspace import Workspace
from charrnn.model import head
from charrnn.model.encoder import Encoding
from charrnn.model.reversal import join, split
from charrnn.model.stack import Reading, Stack
from charrnn.model.whole_text_network import WholeTextNetwork
from charrnn.types import Array, Ids, Indices, Params, Receiver, Shapes

ATTENTION = ("W_a", "W_c", "b_c")
"""The parameters of the attention."""


class Pass(NamedTuple):
    """What the parts of the network computed for a batch, which `backward` needs."""

    encoding: Encoding
    reading: Reading
    attention: Any
    """What the engine's attention keeps."""


@dataclass(frozen=True)
class Translator(WholeTextNetwork):
    """The network from sources to targets.

    In a batch for it, the inputs, targets and mask [T, B] are those of the decoder, and `sources` [S, B] with `lengths`
    [B] are what the encoder reads.
    """

    @cached_property
    def decoder(self) -> Stack:
        """The layers that read the target."""
        return Stack(self.config, self.engine, "_decoder")

    @property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: those of the encoder, then those of the decoder."""
        return self.encoder.suffixes + self.decoder.suffixes

    @property
    def param_shapes(self) -> Shapes:
        """The name and shape of every parameter, in the order in which they are initialized."""
        V, H = self.config.vocab_size, self.config.hidden_size
        attention = {"W_a": (2 * H, H), "W_c": (3 * H, H), "b_c": (H,)}
        return self.encoder.param_shapes | self.decoder.param_shapes | attention | {"W_out": (H, V), "b_out": (V,)}

    # Losses

    def token_nll(self, params: Params, batch: Batch, workspace: Workspace | None = None) -> Array:
        """-log p [T, B], in nats, of each of the targets; arbitrary where the mask says that none counts."""
        workspace = workspace or Workspace()
        a = self._read(params, batch, workspace)
        logits = head.logits(self.engine, params, a, workspace)
        nats = self.engine.softmax.token_nll(logits.reshape(-1, self.config.vocab_size), batch.targets.ravel())
        return nats.reshape(batch.targets.shape)

    def loss(
        self, params: Params, batch: Batch, state: Array, workspace: Workspace | None = None
    ) -> tuple[float, Array]:
        """The summed loss of the targets that count, in nats, and the empty state."""
        workspace = workspace or Workspace()
        a = self._read(params, batch, workspace)
        return head.loss(self.engine, params, a, batch, workspace), state

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

        `dropout` is the mask [L, S + T, B, 2H] of `Masks.of_outputs`, or [L, 2, B, 2H] if it is locked, or None: that
        of the encoder's outputs, then that of the decoder's, of which the first H columns count. The results are sums,
        not means, so that those of shards can be added. Only the targets that the batch's mask selects count; a shard
        may have none. `receive` gets all gradients at once.
        """
        workspace = workspace or Workspace()
        a, done = self._forward(params, batch, dropout, workspace)
        total, da, grads = head.loss_and_gradients(self.engine, params, a, batch, workspace)
        grads |= self._backward(params, da, done, workspace)
        grads = {name: grads[name] for name in params}
        if receive is not None:
            receive(grads)
        return total, grads, state

    def _read(self, params: Params, batch: Batch, workspace: Workspace) -> Array:
        """What the head reads, [T, B, H]; of the encoder nothing is kept for `backward`, since a source may be long."""
        encoding = self.encoder.read(params, *_sources_of(batch), workspace.scope("encoder"))
        return self._decode(params, batch, encoding, None, workspace)[0]

    def _forward(self, params: Params, batch: Batch, dropout: Array | None, workspace: Workspace) -> tuple[Array, Pass]:
        """What the head reads, [T, B, H], and what `_backward` needs."""
        masks, decoder_masks = None, None
        if dropout is not None:
            T = 1 if self.config.locked_dropout else len(batch.inputs)
            masks, decoder_masks = dropout[:, :-T], dropout[:, -T:, :, : self.config.hidden_size]
        encoding = self.encoder.forward(params, *_sources_of(batch), masks, workspace.scope("encoder"))
        return self._decode(params, batch, encoding, decoder_masks, workspace)

    def _decode(
        self, params: Params, batch: Batch, encoding: Encoding, masks: Array | None, workspace: Workspace
    ) -> tuple[Array, Pass]:
        """What the head reads, [T, B, H], from what the encoder has read, and what `_backward` needs."""
        # e = [→h ; ←h]
        e = join(*encoding.outputs, encoding.places, workspace.scope("encoder"))
        # h = layers(target so far)
        state = self.decoder.zero_state(batch.inputs.shape[1], e.dtype)
        h, _, reading = self.decoder.forward(params, batch.inputs, state, masks, workspace.scope("decoder"))
        # a = attention(h, e)
        scope, (W_a, W_c, b_c) = workspace.scope("attention"), (params[name] for name in ATTENTION)
        a, cache = self.engine.attention.forward(h, e, encoding.lengths, W_a, W_c, b_c, scope)
        return a, Pass(encoding, reading, cache)

    def _backward(self, params: Params, da: Array, done: Pass, workspace: Workspace) -> Params:
        """The gradients of all parameters but those of the head."""
        # a = attention(h, e)
        dh, de, *d_weights = self.engine.attention.backward(da, done.attention, workspace.scope("attention"))
        grads = dict(zip(ATTENTION, d_weights, strict=True))
        # h = layers(target so far)
        decoder_grads, _ = self.decoder.backward(params, dh, done.reading, workspace.scope("decoder"))
        # e = [→h ; ←h]
        scope = workspace.scope("encoder")
        d_outputs = split(de, done.encoding.places, scope)
        encoder_grads, _ = self.encoder.backward(params, d_outputs, done.encoding, scope)
        return grads | decoder_grads | encoder_grads

    # Writing, with the NumPy engine

    def read(self, params: Params, sources: Ids, lengths: Indices, workspace: Workspace) -> Any:
        """What `step` needs of the first `lengths` [B] of the sources [S, B]: see `layers.attention.project`."""
        encoding = self.encoder.read(params, sources, lengths, workspace)
        e = join(*encoding.outputs, encoding.places, workspace)
        W_a, W_c, b_c = (params[name] for name in ATTENTION)
        return self.engine.attention.project(e, encoding.lengths, W_a, W_c, b_c, workspace)

    def step(self, params: Params, ids: Ids, state: Array, source: Any, workspace: Workspace) -> tuple[Array, Array]:
        """The logits [R, V] after one more character [R] of each target, and the decoder's next state [L, S, R, H].

        The R rows are K targets of each of B sources: row b K + k is the kth of source b. `source` is what `read`
        returned for the B sources.
        """
        h, next_state = self.decoder.step(params, ids, state)
        B = source.kv.shape[1]
        # the targets of a source take the place of time steps, none of which depends on another
        a, _ = self.engine.attention.attend(h.reshape(B, -1, h.shape[1]).swapaxes(0, 1), source, workspace)
        y = a.swapaxes(0, 1).reshape(h.shape) @ params["W_out"]
        y += params["b_out"]
        return y, next_state

    def alignment(self, params: Params, batch: Batch) -> Array:
        """The weights [T, B, S] of the attention: how much each step of the target reads of each step of the source."""
        _, done = self._forward(params, batch, None, Workspace())
        weights: Array = self.engine.attention.weights(done.attention)
        return weights


def _sources_of(batch: Batch) -> tuple[Ids, Indices]:
    """The sources [S, B], and their lengths [B]; a row without a source has one character, whatever it is."""
    assert batch.sources is not None
    S, B = batch.sources.shape
    return batch.sources, np.full(B, S) if batch.lengths is None else np.maximum(batch.lengths, 1)
