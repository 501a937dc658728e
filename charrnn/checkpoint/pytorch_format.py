"""The PyTorch format: weights under PyTorch's names and in its layouts, so that PyTorch can load them."""

from collections.abc import Mapping

import numpy as np

from charrnn.model.forms import AnyNetwork
from charrnn.types import Array, Params


def to_torch(params: Params, network: AnyNetwork) -> Params:
    """The parameters as the state dict of a PyTorch module that has `rnn` and `decoder`; or `head`, for other forms.

    `rnn` is an RNN, GRU or LSTM of PyTorch, bidirectional for the other forms; `decoder` and `head` are a Linear.
    """
    return {name: np.ascontiguousarray(tensor) for name, tensor in torch_views(params, network).items()}


def torch_views(params: Params, network: AnyNetwork) -> Params:
    """As `to_torch`, without copies: weights (out, in), and a second bias, which only the GRU's b_hn needs."""
    tensors = {}
    for suffix in network.suffixes:  # PyTorch names the parameters of each cell alike
        bias_hh = np.broadcast_to(np.zeros_like(params["b_out"], shape=()), params[f"b{suffix}"].shape)
        if "b_hn" in network.cell.RECURRENT:
            b_hn = params[f"b_hn{suffix}"]
            bias_hh = np.concatenate((bias_hh[: -len(b_hn)], b_hn))
        tensors[f"rnn.weight_ih_l{suffix}"] = params[f"W_ih{suffix}"].T
        tensors[f"rnn.weight_hh_l{suffix}"] = params[f"W_hh{suffix}"].T
        tensors[f"rnn.bias_ih_l{suffix}"] = params[f"b{suffix}"]
        tensors[f"rnn.bias_hh_l{suffix}"] = bias_hh
    weight, bias = _head(network)
    return tensors | {weight: params["W_out"].T, bias: params["b_out"]}


def from_torch(tensors: Mapping[str, Array], network: AnyNetwork) -> Params:
    """Undoes `to_torch`, for tensors that PyTorch wrote too: two biases that are only ever added become one."""
    H, (weight, bias) = network.config.hidden_size, _head(network)
    params = {"W_out": tensors[weight].T, "b_out": tensors[bias]}
    for suffix in network.suffixes:
        bias_hh = tensors[f"rnn.bias_hh_l{suffix}"].copy()
        if "b_hn" in network.cell.RECURRENT:
            params[f"b_hn{suffix}"] = bias_hh[-H:].copy()
            bias_hh[-H:] = 0
        params[f"W_ih{suffix}"] = tensors[f"rnn.weight_ih_l{suffix}"].T
        params[f"W_hh{suffix}"] = tensors[f"rnn.weight_hh_l{suffix}"].T
        with np.errstate(over="ignore"):
            params[f"b{suffix}"] = tensors[f"rnn.bias_ih_l{suffix}"] + bias_hh
    return {name: np.ascontiguousarray(params[name]) for name in network.param_shapes}


def _head(network: AnyNetwork) -> tuple[str, str]:
    """The names of the head's weight and bias."""
    name = "decoder" if network.config.form == "language_model" else "head"
    return f"{name}.weight", f"{name}.bias"
