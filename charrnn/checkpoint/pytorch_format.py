"""The PyTorch format: weights under PyTorch's names and in its layouts, so that PyTorch can load them.

A language model has the modules `rnn` and `decoder`, a Linear; a classifier and a tagger `rnn` and `head`, a Linear; a
translator `encoder`, `decoder` (an RNN, GRU or LSTM too), `attention.score`, `attention.output` and `head`, the last
three each a Linear.
"""

from collections.abc import Mapping

import numpy as np

from charrnn.model.forms import AnyNetwork
from charrnn.types import Array, Params


def to_torch(params: Params, network: AnyNetwork) -> Params:
    """The parameters as the state dict of a PyTorch module with the modules of the network's form."""
    return {name: np.ascontiguousarray(tensor) for name, tensor in torch_views(params, network).items()}


def torch_views(params: Params, network: AnyNetwork) -> Params:
    """As `to_torch`, without copies: weights (out, in), and a second bias, which only the GRU's b_hn needs."""
    tensors = {}
    for suffix in network.suffixes:  # PyTorch names the parameters of each cell alike
        module, place = _module(suffix, network)
        bias_hh = np.broadcast_to(np.zeros_like(params["b_out"], shape=()), params[f"b{suffix}"].shape)
        if "b_hn" in network.cell.RECURRENT:
            b_hn = params[f"b_hn{suffix}"]
            bias_hh = np.concatenate((bias_hh[: -len(b_hn)], b_hn))
        tensors[f"{module}.weight_ih_l{place}"] = params[f"W_ih{suffix}"].T
        tensors[f"{module}.weight_hh_l{place}"] = params[f"W_hh{suffix}"].T
        tensors[f"{module}.bias_ih_l{place}"] = params[f"b{suffix}"]
        tensors[f"{module}.bias_hh_l{place}"] = bias_hh
    return tensors | {name: params[ours].T for name, ours in _linear(network).items()}


def from_torch(tensors: Mapping[str, Array], network: AnyNetwork) -> Params:
    """Undoes `to_torch`, for tensors that PyTorch wrote too: two biases that are only ever added become one."""
    H = network.config.hidden_size
    params = {ours: tensors[name].T for name, ours in _linear(network).items()}
    for suffix in network.suffixes:
        module, place = _module(suffix, network)
        bias_hh = tensors[f"{module}.bias_hh_l{place}"].copy()
        if "b_hn" in network.cell.RECURRENT:
            params[f"b_hn{suffix}"] = bias_hh[-H:].copy()
            bias_hh[-H:] = 0
        params[f"W_ih{suffix}"] = tensors[f"{module}.weight_ih_l{place}"].T
        params[f"W_hh{suffix}"] = tensors[f"{module}.weight_hh_l{place}"].T
        with np.errstate(over="ignore"):
            params[f"b{suffix}"] = tensors[f"{module}.bias_ih_l{place}"] + bias_hh
    return {name: np.ascontiguousarray(params[name]) for name in network.param_shapes}


def _module(suffix: str, network: AnyNetwork) -> tuple[str, str]:
    """The module of a cell's parameters, and how their names in it end: with the layer and its direction."""
    if network.config.form != "translator":
        return "rnn", suffix
    place = suffix.removesuffix("_decoder")
    return ("encoder" if place == suffix else "decoder"), place


def _linear(network: AnyNetwork) -> dict[str, str]:
    """The names of the parameters outside the cells, by PyTorch's names."""
    head = "decoder" if network.config.form == "language_model" else "head"
    names = {f"{head}.weight": "W_out", f"{head}.bias": "b_out"}
    if network.config.lm_weight:
        names |= {"next.weight": "W_next", "next.bias": "b_next"}
        names |= {"next_reverse.weight": "W_next_reverse", "next_reverse.bias": "b_next_reverse"}
    if network.config.form == "translator":
        names |= {"attention.score.weight": "W_a", "attention.output.weight": "W_c", "attention.output.bias": "b_c"}
    return names
