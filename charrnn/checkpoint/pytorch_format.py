"""The PyTorch format: weights under PyTorch's names and in its layouts, so that PyTorch can load them."""

from collections.abc import Mapping

import numpy as np

from charrnn.model.network import Network
from charrnn.types import Array, Params


def to_torch(params: Params, network: Network) -> Params:
    """The parameters as the state dict of a PyTorch module that has `rnn` and `decoder`."""
    return {name: np.ascontiguousarray(tensor) for name, tensor in torch_views(params, network).items()}


def torch_views(params: Params, network: Network) -> Params:
    """As `to_torch`, without copies: weights (out, in), and a second bias, which only the GRU's b_hn needs."""
    tensors = {}
    for layer in range(network.config.layers):
        bias_hh = np.broadcast_to(np.zeros_like(params["b_out"], shape=()), params[f"b{layer}"].shape)
        if "b_hn" in network.cell.RECURRENT:
            b_hn = params[f"b_hn{layer}"]
            bias_hh = np.concatenate((bias_hh[: -len(b_hn)], b_hn))
        tensors[f"rnn.weight_ih_l{layer}"] = params[f"W_ih{layer}"].T
        tensors[f"rnn.weight_hh_l{layer}"] = params[f"W_hh{layer}"].T
        tensors[f"rnn.bias_ih_l{layer}"] = params[f"b{layer}"]
        tensors[f"rnn.bias_hh_l{layer}"] = bias_hh
    return tensors | {"decoder.weight": params["W_out"].T, "decoder.bias": params["b_out"]}


def from_torch(tensors: Mapping[str, Array], network: Network) -> Params:
    """Undoes `to_torch`, for tensors that PyTorch wrote too: two biases that are only ever added become one."""
    config = network.config
    params = {"W_out": tensors["decoder.weight"].T, "b_out": tensors["decoder.bias"]}
    for layer in range(config.layers):
        bias_hh = tensors[f"rnn.bias_hh_l{layer}"].copy()
        if "b_hn" in network.cell.RECURRENT:
            params[f"b_hn{layer}"] = bias_hh[-config.hidden_size :].copy()
            bias_hh[-config.hidden_size :] = 0
        params[f"W_ih{layer}"] = tensors[f"rnn.weight_ih_l{layer}"].T
        params[f"W_hh{layer}"] = tensors[f"rnn.weight_hh_l{layer}"].T
        with np.errstate(over="ignore"):
            params[f"b{layer}"] = tensors[f"rnn.bias_ih_l{layer}"] + bias_hh
    return {name: np.ascontiguousarray(params[name]) for name in network.param_shapes}
