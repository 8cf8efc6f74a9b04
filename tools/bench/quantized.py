"""Products with stored weights: package cpu in its precisions, ggml and PyTorch, in turn.

Needs bin/bench-worker and bin/ggml-worker (tools/bench/ggml.c says how it is built; build ggml with
-DGGML_NATIVE=ON -DGGML_LLAMAFILE=ON -DGGML_CPU_REPACK=ON). PyTorch is measured if it can be imported.
"""

import os
import statistics
import subprocess

import peers

PRECISIONS = ("f32", "bf16", "int8")
TYPES = ("Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL")
SHAPES = [(1536, 3072, 3072), (1536, 18432, 3072), (1536, 3072, 12288), (4608, 3072, 3072), (4608, 9216, 3072)]  # rows, columns, terms
TURN = 0.05  # seconds


class GGML:
    def __init__(self, way):
        path = os.path.join(peers.ROOT, "bin", "ggml-worker")
        self.process = subprocess.Popen([path, str(peers.threads()), way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.where = ""

    def ask(self, kind, m, n, k):
        print(kind.lower(), m, n, k, TURN, file=self.process.stdin, flush=True)
        seconds, self.where = self.process.stdout.readline().split()
        return float(seconds)


def torch_products():
    """Products of PyTorch in f32 and bf16 by shape, or None."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(peers.threads())
    torch.set_grad_enabled(False)

    def product(dtype, m, n, k):
        x, w = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype)
        return lambda: peers.repeat(lambda: torch.nn.functional.linear(x, w), TURN)

    return torch.__version__, {"F32": lambda *s: product(torch.float32, *s), "BF16": lambda *s: product(torch.bfloat16, *s)}


def more(parser):
    parser.add_argument("--types", nargs="+", default=["F32", "BF16", *TYPES], help="stored types")
    parser.add_argument("--shapes", nargs="+", default=["x".join(map(str, s)) for s in SHAPES], help="rowsxcolumnsxterms")


def main():
    options = peers.arguments(__doc__, more)
    machine = peers.machine()
    workers = {p: peers.Worker("--backend", "cpu:" + p) for p in PRECISIONS}
    ways, torch = [GGML("repack"), GGML("plain")], torch_products()
    print(f"{machine['processor']}, {machine['threads']} threads; load average before: {machine['load_average']:.2f}; PyTorch {torch and torch[0]}", flush=True)
    print("GFLOP/s, medians; ratio: the fastest of ours to the peer within a round, with least and most\n")
    print("| rows × columns × terms | weights | f32 | bf16 | int8 | ggml | ratio | PyTorch | ratio |\n| --- | --- | --: | --: | --: | --: | --: | --: | --: |", flush=True)
    for shape in options.shapes:
        m, n, k = map(int, shape.split("x"))
        for kind in options.types:
            precisions = {"F32": ("f32", "bf16"), "BF16": ("f32", "bf16")}.get(kind, PRECISIONS)
            contestants = [lambda p=p: workers[p].ask(do="stored", m=m, n=n, k=k, weights=kind, time=TURN) for p in precisions]
            contestants += [lambda g=g: g.ask(kind, m, n, k) for g in ways]
            if torch and kind in torch[1]:
                contestants.append(torch[1][kind](m, n, k))
            times = peers.compete(options.rounds, *contestants)
            first = len(precisions)
            best = min((0, 1), key=lambda i: statistics.median(times[first + i]))
            ggml = ways[best]
            del times[first + 1 - best]  # the slower way of ggml
            flop = 2 * m * n * k / 1e9
            speed = [f"{flop / statistics.median(t):.0f}" for t in times]
            own = dict(zip(precisions, times))
            ours = own[{"F32": "f32", "BF16": "bf16"}.get(kind, "int8")]
            ratio = [peers.spread([p / e for e, p in zip(ours, t)]) for t in times[len(precisions):]]
            ratio = [f"{r['median']:.2f} ({r['min']:.2f}–{r['max']:.2f})" for r in ratio] + [""]
            cells = dict(zip(precisions, speed))
            peer = speed[len(precisions):] + [""]
            note = "" if ggml.where == "plain" else " repacked"
            print(f"| {m}×{n}×{k} | {kind} | {cells['f32']} | {cells['bf16']} | {cells.get('int8', '')} | {peer[0]}{note} | {ratio[0]} | {peer[1]} | {ratio[1]} |", flush=True)


if __name__ == "__main__":
    main()
