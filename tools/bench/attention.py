"""Times scaled_dot_product_attention of PyTorch at the shapes of cpu BenchmarkAttentionHeads: docs/benchmarks.md."""
import time

import torch

torch.set_num_threads(2)
torch.manual_seed(0)
for n in (1536, 4608):
    for d in (torch.float32, torch.bfloat16):
        q, k, v = (torch.randn(1, 24, n, 128).to(d) for _ in range(3))
        f = torch.nn.functional.scaled_dot_product_attention
        f(q, k, v)
        t = []
        for _ in range(3):
            s = time.perf_counter(); f(q, k, v); t.append(time.perf_counter() - s)
        t.sort()
        print(n, d, f"{t[1]*1e3:.0f} ms {4*n*n*24*128/t[1]/1e9:.0f} GFLOP/s", flush=True)
