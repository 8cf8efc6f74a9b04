"""Makes prodigy.json, the fixture of TestProdigyEqualsReference, with Prodigy's
reference implementation:

    pip install torch prodigyopt==1.1.2
    python make_prodigy.py     # torch 1.13.1

The loss is sum(curvature·(p − target)²)/2 over a matrix and a vector.
"""
import json

import torch
from prodigyopt import Prodigy

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
shapes = {"matrix": (3, 4), "vector": (5,)}
start = {n: torch.zeros(s) for n, s in shapes.items()}  # so that float32 loses nothing of the first, tiny steps
target = {n: torch.randn(s) for n, s in shapes.items()}
curvature = {n: 0.1 + torch.rand(s) for n, s in shapes.items()}
params = {n: torch.nn.Parameter(v.clone()) for n, v in start.items()}
optimizer = Prodigy(
    [{"params": [params["matrix"]], "weight_decay": 0.01}, {"params": [params["vector"]], "weight_decay": 0.0}],
    lr=1.0, betas=(0.9, 0.99), decouple=True, use_bias_correction=True, safeguard_warmup=True)
steps = []
for step in range(1, 61):
    optimizer.zero_grad()
    loss = sum((curvature[n] * (params[n] - target[n]) ** 2).sum() / 2 for n in shapes)
    loss.backward()
    optimizer.step()
    if step in (1, 2, 5, 10, 20, 40, 60):
        row = {n: params[n].detach().flatten().tolist() for n in shapes}
        steps.append({"step": step, "d": optimizer.param_groups[0]["d"], "loss": loss.item(), **row})
flat = lambda values: {n: v.flatten().tolist() for n, v in values.items()}
with open("prodigy.json", "w") as f:
    json.dump({"start": flat(start), "target": flat(target), "curvature": flat(curvature), "steps": steps}, f, indent=1)
    f.write("\n")
