"""The script that a user of PyTorch would write to train charrnn's default network: train.py CORPUS STEPS WEIGHTS."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

path, steps, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
text = Path(path).read_text()
characters = sorted(set(text))
number = {character: n for n, character in enumerate(characters)}
V, H, L, B, T = len(characters), 128, 2, 50, 50
ids = torch.tensor([number[character] for character in text])
length = (len(ids) - 1) // B
inputs, targets = (ids[k : k + B * length].view(B, length).T for k in (0, 1))

net = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(V, H, L), "decoder": torch.nn.Linear(H, V)})
optimizer = torch.optim.Adam(net.parameters(), 5e-3)
state = None
for step in range(steps):
    start = step * T % (length - T)
    h, (h_n, c_n) = net["rnn"](torch.nn.functional.one_hot(inputs[start : start + T], V).float(), state)
    loss = torch.nn.functional.cross_entropy(net["decoder"](h).flatten(0, 1), targets[start : start + T].flatten())
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
    optimizer.step()
    state = h_n.detach(), c_n.detach()
save_file(net.state_dict(), out)
