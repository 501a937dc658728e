"""ONNX: a model as a file for other runtimes, made of the operators LSTM, GRU and RNN that ONNX itself has.

    language model    ids [T, B], h [L, B, H]   → logits [T, B, V], next_h        for an LSTM also c → next_c
    tagger            ids [T, B], lengths [B]   → logits [T, B, outputs]          arbitrary beyond a row's length
    classifier        ids [T, B], lengths [B]   → logits [B, outputs]

T and B may change from call to call. Ids and lengths are int64, all else is float32. A text of a language model begins
with a state of zeros; `next_h` of a call is `h` of the next one.

An operator projects its input itself, so the first layer needs the characters as vectors. One-hot vectors give exactly
the rows of W_ih, at the cost of V products for each gate. Where V is larger than G·H it costs less to look the rows up,
which then are projected already, and to give the operator the identity of G·H rows as its weights. Both are exact.

ONNX has the gates of an LSTM in the order i, o, f, g, where it calls g the cell gate c; those of a GRU in the order z,
r, n, where it calls n the hidden gate h, and `linear_before_reset` says that r acts after the recurrent product. Its
weights are (out, in); its biases are b and, beside it, that of the recurrent product. Needs the library onnx to be
imported.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.checkpoint.atomic_file import write_bytes
from charrnn.checkpoint.model_file import Checkpoint, metadata_of
from charrnn.checkpoint.tensor_file import metadata_texts
from charrnn.errors import ConfigError
from charrnn.export.options import ExportOptions
from charrnn.model.encoder import DIRECTIONS
from charrnn.model.model import Model
from charrnn.optional import require
from charrnn.types import Array
from charrnn.version import VERSION

require("an ONNX file", "onnx")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

OPSET, IR_VERSION = 14, 7
"""The versions of ONNX's operators and files: the oldest with all that is used here, so that most runtimes read it."""
MAX_BYTES = 2**31 - 2**26
"""The most bytes of weights: the whole file, with its metadata, must have less than 2 GiB."""
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""ONNX's order of the gates of each cell, as their places in that of `layers`."""
STATES = ("h", "c")
T, B = "time", "batch"
"""The names of the two axes whose length is not fixed."""


def save_onnx(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes the file. Raises what `to_onnx` raises, and `CheckpointError` if the file can't be written."""
    write_bytes(Path(path), to_onnx(checkpoint))


def write(source: Path, checkpoint: Checkpoint, destination: Path, options: ExportOptions) -> int:
    """Writes the file of a checkpoint, with what it was trained on if the options say so; returns its bytes."""
    content = to_onnx(checkpoint if options.provenance else checkpoint.without_provenance())
    write_bytes(destination, content)
    return len(content)


def to_onnx(checkpoint: Checkpoint) -> bytes:
    """The content of the file; equal checkpoints have equal ones. Its metadata is that of the model's file.

    Raises `ConfigError` for a translator, which is two networks that are called in turn; for a model with clamped
    units, whose texts don't begin with a state of zeros; and for weights that are too large for a file.
    """
    model = checkpoint.model
    if model.config.form == "translator":
        raise ConfigError("a translator can't be an ONNX file, only a language model, a classifier or a tagger can")
    if model.clamped is not None:
        raise ConfigError("a model with clamped units can't be an ONNX file: export it without them")
    graph = _language_model(model) if model.config.form == "language_model" else _reader_of_texts(model)
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "charrnn", graph.inputs, graph.outputs, graph.constants()),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="charrnn",
        producer_version=VERSION,
    )
    helper.set_model_props(proto, metadata_texts(metadata_of(checkpoint)))
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


class Graph:
    """A graph of ONNX as it grows: every value has a name, and each node is added after those that it reads."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.arrays: dict[str, Array] = {}

    def input(self, name: str, kind: int, *shape: int | str) -> None:
        """Takes a value from the caller."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def output(self, name: str, *shape: int | str) -> None:
        """Gives a value to the caller."""
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, name: str, value: Any) -> str:
        """A value that is in the file: an array, or whole numbers."""
        self.arrays[name] = np.asarray(value)
        return name

    def constants(self) -> list[Any]:
        """All of these. Raises `ConfigError` if they are too large."""
        size = sum(array.nbytes for array in self.arrays.values())
        if size > MAX_BYTES:
            raise ConfigError(f"the weights take {size / 2**30:.1f} GiB, and an ONNX file has less than 2 GiB")
        return [numpy_helper.from_array(array, name) for name, array in self.arrays.items()]

    def add(self, operator: str, reads: Sequence[str], makes: str | Sequence[str], **attributes: Any) -> str:
        """Adds a node; returns the first of the values that it makes."""
        makes = [makes] if isinstance(makes, str) else makes
        self.nodes.append(helper.make_node(operator, reads, makes, name=makes[0], **attributes))
        return makes[0]


def _language_model(model: Model) -> Graph:
    """From characters and the state of every layer to logits and the next state."""
    graph, config = Graph(), model.config
    L, H, states = config.layers, config.hidden_size, STATES[: model.network.cell.STATES]
    x = _first_input(graph, model)
    for state in states:
        graph.input(state, TensorProto.FLOAT, L, B, H)
        graph.add("Split", [state], [f"{state}{layer}" for layer in range(L)], axis=0)
    directions = graph.constant("directions", [1])
    for layer in range(L):
        before, after = ([f"{when}{state}{layer}" for state in states] for when in ("", "next_"))
        # y [T, 1, B, H]: the operator has an axis for directions
        y = _recurrent(graph, model, layer, [x, "", *before], [f"all_y{layer}", *after])
        x = graph.add("Squeeze", [y, directions], f"y{layer}")
    graph.output(_head(graph, model, x), T, B, config.vocab_size)
    for state in states:
        after = [f"next_{state}{layer}" for layer in range(L)]
        graph.output(graph.add("Concat", after, f"next_{state}", axis=0), L, B, H)
    return graph


def _reader_of_texts(model: Model) -> Graph:
    """From whole texts, each with its length, to the logits of their labels or tags."""
    graph, config = Graph(), model.config
    x, N = _first_input(graph, model), 2 * config.hidden_size
    graph.input("lengths", TensorProto.INT64, B)
    lengths = graph.add("Cast", ["lengths"], "lengths_int32", to=TensorProto.INT32)
    beside = graph.constant("beside", [0, 0, N])  # 0: as long as it was
    for layer in range(config.layers):
        # y [T, 2, B, H] and the last outputs [2, B, H] of both directions
        y, last = f"all_y{layer}", f"last{layer}"
        _recurrent(graph, model, layer, [x, lengths], [y, last])
        x = graph.add("Transpose", [y], f"by_row{layer}", perm=(0, 2, 1, 3))
        x = graph.add("Reshape", [x, beside], f"y{layer}")
    if config.form == "tagger":
        graph.output(_head(graph, model, x), T, B, config.outputs)
    else:
        graph.output(_head(graph, model, _pooled(graph, y, last, 2 * N)), B, config.outputs)
    return graph


def _pooled(graph: Graph, y: str, last: str, N: int) -> str:
    """What a classifier's head reads, [B, N]: the means of both directions over the text, and their last outputs.

    From y [T, 2, B, H] and the last outputs [2, B, H]; zero for an empty text.
    """
    zero, one = graph.constant("zero", 0), graph.constant("one", 1)
    # which of the steps are text, [T, B]
    steps = graph.add("Shape", ["ids"], "shape")
    steps = graph.add("Range", [zero, graph.add("Gather", [steps, zero], "n_steps"), one], "steps")
    steps = graph.add("Unsqueeze", [steps, graph.constant("after_steps", [1])], "steps_column")
    is_text = graph.add("Cast", [graph.add("Less", [steps, "lengths"], "is_text")], "text", to=TensorProto.FLOAT)
    # the mean over the text
    n = graph.add("Cast", [graph.add("Max", ["lengths", one], "at_least_one")], "n", to=TensorProto.FLOAT)
    weights = graph.add("Div", [is_text, n], "weights")
    weights = graph.add("Unsqueeze", [weights, graph.constant("around_batch", [1, 3])], "weights_column")
    mean = graph.add("Mul", [y, weights], "weighted")
    mean = graph.add("ReduceSum", [mean, graph.constant("over_steps", [0])], "mean", keepdims=0)
    # the last outputs
    has_text = graph.add("Cast", [graph.add("Min", ["lengths", one], "at_most_one")], "has_text", to=TensorProto.FLOAT)
    has_text = graph.add("Unsqueeze", [has_text, "after_steps"], "has_text_column")
    end = graph.add("Mul", [last, has_text], "end")
    p = graph.add("Concat", [mean, end], "parts", axis=0)
    p = graph.add("Transpose", [p], "parts_by_row", perm=(1, 0, 2))
    return graph.add("Reshape", [p, graph.constant("all_parts", [0, N])], "pooled")


def _first_input(graph: Graph, model: Model) -> str:
    """What the operator of the first layer reads of the ids, [T, B, N]; and its weights W_ih0 [directions, G·H, N]."""
    graph.input("ids", TensorProto.INT64, T, B)
    W = _of_both(model, "W_ih", 0)  # [directions, G·H, V]
    D, GH, V = W.shape
    if V <= D * GH:
        graph.constant("W_ih0", W)
        depth, values = graph.constant("V", V), graph.constant("off_on", np.array([0, 1], np.float32))
        return graph.add("OneHot", ["ids", depth, values], "one_hot", axis=-1)
    graph.constant("W_ih0", np.eye(D * GH, dtype=np.float32).reshape(D, GH, D * GH))
    return graph.add("Gather", [graph.constant("rows", W.reshape(D * GH, V).T), "ids"], "x0")


def _recurrent(graph: Graph, model: Model, layer: int, reads: Sequence[str], makes: Sequence[str]) -> str:
    """The operator of a layer. It reads x, the lengths and the state, and makes all outputs and the last state."""
    config = model.config
    if layer:
        graph.constant(f"W_ih{layer}", _of_both(model, "W_ih", layer))
    graph.constant(f"W_hh{layer}", _of_both(model, "W_hh", layer))
    b = _of_both(model, "b", layer)
    b_hh = np.zeros_like(b)
    if config.cell == "gru":
        b_hh[:, -config.hidden_size :] = _of_both(model, "b_hn", layer)
    graph.constant(f"b{layer}", np.concatenate((b, b_hh), axis=1))
    x, *rest = reads
    return graph.add(
        config.cell.upper(),
        [x, *(f"{name}{layer}" for name in ("W_ih", "W_hh", "b")), *rest],
        makes,
        hidden_size=config.hidden_size,
        direction="forward" if config.directions == 1 else "bidirectional",
        **({"linear_before_reset": 1} if config.cell == "gru" else {}),
        **({"activations": [config.nonlinearity.title()] * config.directions} if config.cell == "rnn" else {}),
    )


def _of_both(model: Model, name: str, layer: int) -> Array:
    """The weights [directions, G·H, in] or biases [directions, G·H] of a layer's cells, with ONNX's order of gates."""
    arrays = [model.params[f"{name}{layer}{direction}"] for direction in DIRECTIONS[: model.config.directions]]
    order = GATES[model.config.cell] if name != "b_hn" else (0,)
    gates = np.split(np.stack([array.T for array in arrays]), len(order), axis=1)
    return np.concatenate([gates[k] for k in order], axis=1)


def _head(graph: Graph, model: Model, h: str) -> str:
    """The logits."""
    product = graph.add("MatMul", [h, graph.constant("W_out", model.params["W_out"])], "product")
    return graph.add("Add", [product, graph.constant("b_out", model.params["b_out"])], "logits")
