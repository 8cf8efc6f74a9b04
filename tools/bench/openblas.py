"""Matrix products of package cpu and OpenBLAS, in turn.

Needs OpenBLAS (Debian: apt-get install libopenblas0-pthread) and bin/bench-worker
(make bench-peers builds it). Installs nothing.
"""

import array
import ctypes
import json
import os
import random
import sys

import peers

LAYOUTS = {"nn": (111, 111), "nt": (111, 112), "tn": (112, 111)}  # CblasNoTrans, CblasTrans
TURN = 0.1  # seconds


def load():
    for name in ("libopenblas.so.0", "libopenblas.so"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    sys.exit("OpenBLAS is missing; on Debian: apt-get install libopenblas0-pthread")


def call(lib, name, restype, *args):
    f = getattr(lib, name)
    f.restype = restype
    return f(*args)


def products():
    """Square products, and those of the embedded model's denoising and training steps."""
    def read(*path):
        with open(os.path.join(peers.ROOT, "models", "clipart", *path)) as f:
            return json.load(f)
    p, settings = read("transformer", "config.json"), read("reflectionflow.json")
    hidden = p["num_attention_heads"] * p["attention_head_dim"]
    length = settings["text_length"] + settings["width"] // 16 * (settings["height"] // 16)
    rows = [(f"{n}³", n, n, n, "nn") for n in (256, 512, 1024, 2048)]
    rows.append(("1024³, x·Wᵀ", 1024, 1024, 1024, "nt"))
    for what, tokens in (("step", 2 * length), ("training", 32 * length)):
        rows.append((f"{what}: projection {tokens}×{hidden}×{hidden}", tokens, hidden, hidden, "nt"))
        rows.append((f"{what}: MLP {tokens}×{4 * hidden}×{hidden}", tokens, 4 * hidden, hidden, "nt"))
    rows.append((f"training: weight gradient {4 * hidden}×{hidden}×{32 * length}", 4 * hidden, hidden, 32 * length, "tn"))
    return rows


def numbers(n, rng):
    """n numbers: a random row over and over, which is quickly made."""
    some = array.array("f", [rng.gauss(0, 1) for _ in range(4099)])
    return (some * (n // len(some) + 1))[:n]


def pointer(a):
    return ctypes.cast(a.buffer_info()[0], ctypes.POINTER(ctypes.c_float))


class Product:
    def __init__(self, lib, m, n, k, layout):
        rng = random.Random(1)
        self.m, self.n, self.k, self.layout = m, n, k, layout
        self.a, self.b, self.c = numbers(m * k, rng), numbers(k * n, rng), array.array("f", bytes(4 * m * n))
        ta, tb = LAYOUTS[layout]
        lda, ldb = (m if layout == "tn" else k), (k if layout == "nt" else n)
        one, zero, cint = ctypes.c_float(1), ctypes.c_float(0), ctypes.c_int
        self.args = [cint(101), cint(ta), cint(tb), cint(m), cint(n), cint(k), one, pointer(self.a), cint(lda),
                     pointer(self.b), cint(ldb), zero, pointer(self.c), cint(n)]
        self.gemm = lib.cblas_sgemm
        self.check()

    def run(self):
        self.gemm(*self.args)

    def check(self):
        """A wrong call would be a wrong comparison: some elements by hand."""
        self.run()
        for i, j in ((0, 0), (self.m - 1, self.n - 1), (self.m // 2, self.n // 3)):
            a = [self.a[p * self.m + i] if self.layout == "tn" else self.a[i * self.k + p] for p in range(self.k)]
            b = [self.b[j * self.k + p] if self.layout == "nt" else self.b[p * self.n + j] for p in range(self.k)]
            want = sum(x * y for x, y in zip(a, b))
            if abs(self.c[i * self.n + j] - want) > 1e-4 * self.k:
                sys.exit(f"OpenBLAS: element {i},{j} is {self.c[i * self.n + j]}, not {want}")


def main():
    options = peers.arguments(__doc__.splitlines()[0])
    lib = load()
    call(lib, "openblas_set_num_threads", None, ctypes.c_int(peers.threads()))
    report = {"machine": peers.machine(), "about": {}, "rows": []}
    worker = peers.Worker()
    for name, m, n, k, layout in products():
        product = Product(lib, m, n, k, layout)
        engine, peer = peers.compete(
            options.rounds,
            lambda: worker.ask(do="matmul", name=name, batch=1, m=m, n=n, k=k, layout=layout, weights="f32", time=TURN),
            lambda: peers.repeat(product.run, TURN))
        report["rows"].append(peers.row(name, 2 * m * n * k, engine, peer))
    report["about"] = {
        "engine": worker.backend,
        "OpenBLAS": call(lib, "openblas_get_config", ctypes.c_char_p).decode(),
        "OpenBLAS kernel": call(lib, "openblas_get_corename", ctypes.c_char_p).decode(),
        "OpenBLAS threads": call(lib, "openblas_get_num_threads", ctypes.c_int),
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE", "not set: OpenBLAS chooses"),
    }
    peers.show(report, options.json, "OpenBLAS")


main()
