"""A rank of PyTorch's DistributedDataParallel over gloo, on random text: prints its characters per second.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=… MASTER_PORT=29500 python tests/bench/hosts/pytorch_rank.py 2 1024 64 64 16

The numbers are the layers, the units, the rows of the whole batch, the characters of each, and the steps. The network,
the optimizer and the clipping are those of the baseline (`pytorch_baseline.py`); what is measured is the second half of
the steps. DistributedDataParallel averages gradients while backpropagation goes on, in buckets of 25 MB.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from pytorch_baseline import Baseline
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from charrnn.config import ModelConfig

V = 65
"""Distinct characters, as in tinyshakespeare."""


def main() -> None:
    """Trains, and prints the speed of all ranks together on rank 0."""
    layers, hidden_size, batch_size, seq_length, steps = map(int, sys.argv[1:])
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    model = DistributedDataParallel(Baseline(ModelConfig(V, "lstm", hidden_size, layers)))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    rows = batch_size * (rank + 1) // size - batch_size * rank // size
    inputs, targets = torch.randint(V, (2, seq_length, rows))
    state, middle = None, 0.0
    for step in range(steps):
        if step == steps // 2:
            middle = time.perf_counter()
        optimizer.zero_grad()
        logits, (h, c) = model(inputs, state)
        nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        state = h.detach(), c.detach()
    speed = (steps - steps // 2) * batch_size * seq_length / (time.perf_counter() - middle)
    if not rank:
        print(json.dumps(speed))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
