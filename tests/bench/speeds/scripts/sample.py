"""The script that a user of PyTorch would write to sample from a checkpoint of charrnn: sample.py WEIGHTS LENGTH."""

import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file

path, length = sys.argv[1], int(sys.argv[2])
with safe_open(path, "pt") as file:
    metadata = file.metadata()
config, characters = json.loads(metadata["model"]), json.loads(metadata["vocabulary"])
V, H, L = config["vocab_size"], config["hidden_size"], config["layers"]
kind = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[config["cell"]]
net = torch.nn.ModuleDict({"rnn": kind(V, H, L), "decoder": torch.nn.Linear(H, V)})
net.load_state_dict(load_file(path))

v, state = torch.tensor([characters.index("\n")]), None
with torch.inference_mode():
    for _ in range(length):
        h, state = net["rnn"](torch.nn.functional.one_hot(v, V).float(), state)
        v = torch.multinomial(torch.softmax(net["decoder"](h[-1]), -1), 1)
        sys.stdout.write(characters[v.item()])
