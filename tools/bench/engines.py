"""Networks on package cpu and on the engines that one would choose today: PyTorch (eager and compiled), onnxruntime and
OpenVINO, in f32 and bf16. The same weights and inputs; outputs are compared before anything is timed.

    VENV/bin/python tools/bench/engines.py [--rounds N] [--limit SECONDS] [SUBJECT ...]

Subjects: see SUBJECTS below; all of them without arguments. Needs bin/bench-worker (make bench-peers builds it). An
engine that is not installed is left out. Installs nothing.
"""

import gc
import json
import os
import sys
import tempfile
import time
import warnings

import peers
import pytorch
import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")
TURN = 0.3  # seconds
# Largest difference from the worker's f32, relative to the largest number of the output.
FAR = {"f32": 2e-3, "bf16": 0.15}
FLUX1 = dict(block_out_channels=(128, 256, 512, 512), latent_channels=16, layers_per_block=2, use_quant_conv=False, use_post_quant_conv=False,
             down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=0.3611, shift_factor=0.1159)
KLEIN = dict(FLUX1, latent_channels=32, use_quant_conv=True, use_post_quant_conv=True)


class Subject:
    """A network: its torch module, example inputs, the outputs wanted, and what to ask the worker for."""

    def __init__(self, module, inputs, want, **request):
        self.module, self.inputs, self.want, self.request = module, inputs, want, request


class Part(torch.nn.Module):
    """A function of a pytorch.Transformer and inputs, whose weights the exporters find."""

    def __init__(self, transformer, run):
        super().__init__()
        self.transformer, self.run, self.names = transformer, run, list(transformer.w)
        for i, name in enumerate(self.names):
            self.register_buffer(f"w{i}", transformer.w[name])
        self.register_buffer("cos", transformer.cos)
        self.register_buffer("sin", transformer.sin)

    def forward(self, *inputs):
        t = object.__new__(type(self.transformer))
        t.__dict__.update(self.transformer.__dict__)
        t.w = {name: getattr(self, f"w{i}") for i, name in enumerate(self.names)}
        t.cos, t.sin = self.cos, self.sin
        t.frequencies = t.frequencies.to(self.cos.dtype)
        return self.run(t, *inputs)


class Engines:
    """Builds the contestants of a subject: name -> a function that runs it once."""

    def __init__(self, folder):
        self.folder, self.missing = folder, []
        try:
            import onnxruntime
            self.onnxruntime = onnxruntime
        except ImportError:
            self.onnxruntime = None
        try:
            import openvino
            self.openvino = openvino
        except ImportError:
            self.openvino = None

    def versions(self):
        about = {"PyTorch": torch.__version__}
        for name, module in (("onnxruntime", self.onnxruntime), ("OpenVINO", self.openvino)):
            about[name] = module.__version__ if module else "not installed"
        return about

    def all(self, subject, skip=()):
        module = subject.module.eval()
        path = None
        builders = {}
        if self.onnxruntime or self.openvino:
            path = os.path.join(self.folder, "model.onnx")
        for kind in ("f32", "bf16"):
            builders[f"torch {kind}"] = lambda kind=kind: self.eager(module, subject, kind)
            builders[f"compile {kind}"] = lambda kind=kind: self.compiled(module, subject, kind)
        if self.onnxruntime:
            builders["onnxruntime f32"] = lambda: self.ort(subject, path)
        if self.openvino:
            for kind in ("f32", "bf16"):
                builders[f"OpenVINO {kind}"] = lambda kind=kind: self.vino(subject, path, kind)
        builders = {name: build for name, build in builders.items() if not any(name.startswith(s) for s in skip)}
        if any(name.startswith(("onnx", "Open")) for name in builders):
            self.export(module, subject, path)
        for name, build in builders.items():
            try:
                run = build()
                got = run()
            except Exception as e:  # noqa: BLE001 an engine that cannot run the network is left out, and said so
                print(f"{name}: {type(e).__name__}: {str(e).splitlines()[0][:200]}", file=sys.stderr)
                continue
            far = distance(got, subject.want)
            print(f"  {name}: differs by {far:.1e}", file=sys.stderr)
            if not far <= FAR[name.split()[-1]]:
                sys.exit(f"{name} differs by {far:.1e} from the worker")
            yield name, run

    def export(self, module, subject, path):
        with torch.inference_mode(False), torch.no_grad():
            torch.onnx.export(module, tuple(subject.inputs), path, dynamo=True, external_data=True, verbose=False)

    def narrow(self, module, subject, kind):
        if kind == "f32":
            return module, subject.inputs
        import copy
        return copy.deepcopy(module).to(torch.bfloat16), [x.to(torch.bfloat16) for x in subject.inputs]

    def eager(self, module, subject, kind):
        module, inputs = self.narrow(module, subject, kind)

        def run():
            with torch.inference_mode():
                return tuplet(module(*inputs))
        return run

    def compiled(self, module, subject, kind):
        module, inputs = self.narrow(module, subject, kind)
        torch._dynamo.reset()
        fast = torch.compile(module)

        def run():
            with torch.no_grad():
                return tuplet(fast(*inputs))
        return run

    def ort(self, subject, path):
        options = self.onnxruntime.SessionOptions()
        options.intra_op_num_threads = peers.threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = self.onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        given = {i.name: x.numpy() for i, x in zip(session.get_inputs(), subject.inputs)}
        return lambda: [torch.from_numpy(y) for y in session.run(None, given)]

    def vino(self, subject, path, kind):
        core = self.openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": kind, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": peers.threads()}
        model = core.compile_model(core.read_model(path), "CPU", settings)
        request = model.create_infer_request()
        given = [x.numpy() for x in subject.inputs]
        names = range(len(given))
        return lambda: [torch.from_numpy(request.infer(dict(zip(names, given)), share_inputs=True, share_outputs=True)[i]) for i in range(len(model.outputs))]


def tuplet(x):
    return x if isinstance(x, tuple | list) else (x,)


def distance(got, want):
    return max(((g.float() - w).abs().max() / w.abs().max()).item() for g, w in zip(got, want, strict=True))


def step(batch):
    def build(workers, _):
        network = pytorch.check(workers["f32"], batch)
        g = network.given
        return Subject(Part(network.model, pytorch.Transformer.forward), [g["latents"], g["text"], g["pooled"], g["timestep"]], [g["velocity"]],
                       do="forward", batch=batch)
    return build


def asked(workers, scratch, **request):
    """The worker's random inputs and its outputs, in f32."""
    path = os.path.join(scratch, "given.safetensors")
    workers["f32"].ask(file=path, **request)
    given = pytorch.read_safetensors(path)
    os.remove(path)
    pick = lambda name: [given[f"{name}{i}"] for i in range(len(given)) if f"{name}{i}" in given]
    return pick("in"), pick("out")


class Decoder(torch.nn.Module):
    """AutoencoderKL's decoder of pixels in the last axis, as the worker's."""

    def __init__(self, vae):
        super().__init__()
        self.decoder, self.post = vae.decoder, vae.post_quant_conv

    def forward(self, z):
        z = z.permute(0, 3, 1, 2)
        return self.decoder(self.post(z) if self.post is not None else z).permute(0, 2, 3, 1)


def decode(size, config=None):
    def build(workers, folder):
        from diffusers import AutoencoderKL
        if config is None:
            path = os.path.join(peers.ROOT, "models", "clipart", "vae")
            vae = AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32)
        else:
            torch.manual_seed(1)
            path = folder
            vae = AutoencoderKL(**config).to(torch.bfloat16)
            vae.save_pretrained(path)
            vae = vae.float()
        request = dict(do="decode", folder=path, size=size)
        inputs, want = asked(workers, folder, **request)
        return Subject(Decoder(vae).to(memory_format=torch.channels_last), inputs, want, **request)
    return build


def block(kind, size=512):
    """One block of FLUX.1-dev for an image of that size and 512 tokens of text, of random weights in bf16."""
    def build(workers, folder):
        from safetensors.torch import save_file
        hidden, head = 3072, 128
        config = dict(attention_head_dim=head, axes_dims_rope=[16, 56, 56], guidance_embeds=True, in_channels=64, joint_attention_dim=4096,
                      num_attention_heads=hidden // head, num_layers=1, num_single_layers=1, patch_size=1, pooled_projection_dim=768)
        generator = torch.Generator().manual_seed(1)
        weights = {}

        def linear(name, inputs, outputs):
            weights[name + ".weight"] = torch.empty(outputs, inputs, dtype=torch.bfloat16).normal_(0, 0.5 / inputs**0.5, generator=generator)
            weights[name + ".bias"] = torch.zeros(outputs, dtype=torch.bfloat16)

        def norm(name):
            weights[name + ".weight"] = torch.ones(head, dtype=torch.bfloat16)
        p = {"double": "transformer_blocks.0.", "single": "single_transformer_blocks.0."}[kind]
        projections = ["to_q", "to_k", "to_v"]
        if kind == "double":
            linear(p + "norm1.linear", hidden, 6 * hidden)
            linear(p + "norm1_context.linear", hidden, 6 * hidden)
            projections += ["add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"]
            for name in ("ff", "ff_context"):
                linear(p + name + ".net.0.proj", hidden, 4 * hidden)
                linear(p + name + ".net.2", 4 * hidden, hidden)
            norm(p + "attn.norm_added_q")
            norm(p + "attn.norm_added_k")
        else:
            linear(p + "norm.linear", hidden, 3 * hidden)
            linear(p + "proj_mlp", hidden, 4 * hidden)
            linear(p + "proj_out", 5 * hidden, hidden)
        for name in projections:
            linear(p + "attn." + name, hidden, hidden)
        norm(p + "attn.norm_q")
        norm(p + "attn.norm_k")
        save_file(weights, os.path.join(folder, "diffusion_pytorch_model.safetensors"))
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f)
        model = pytorch.Transformer(config, {name: w.float() for name, w in weights.items()}, size // 16, size // 16, 512)
        del weights
        request = dict(do=kind, folder=folder, size=size)
        inputs, want = asked(workers, folder, **request)
        run = {"double": lambda t, temb, y, x: t.double_block(p, temb, y, x), "single": lambda t, temb, x: t.single_block(p, temb, x)}[kind]
        return Subject(Part(model, run), inputs, want, **request)
    return build


def product(m, n, k):
    """x·Wᵀ; values are compared in tests of package cpu, not here."""
    def build(_, __):
        module = torch.nn.Linear(k, n, bias=False)
        x = torch.randn(m, k)
        with torch.no_grad():
            want = module(x)
        return Subject(module, [x], [want], do="matmul", name="product", batch=1, m=m, n=n, k=k, layout="nt", weights="bf16")
    return build


SUBJECTS = {f"step-{n}": step(n) for n in (2, 8, 32)}
SUBJECTS |= {"train-32": None, "decode-128": decode(128), "double": block("double"), "single": block("single")}
SUBJECTS |= {f"{who}-{size}": decode(size, config) for who, config in (("flux1-decode", FLUX1), ("klein-decode", KLEIN)) for size in (512, 1024)}
SUBJECTS |= {f"product-{m}x{n}x{k}": product(m, n, k) for m in (1536, 4608) for n, k in ((3072, 3072), (12288, 3072), (3072, 15360), (18432, 3072))}


def trainers(workers):
    for name in ("torch f32", "compile f32", "compile bf16"):
        network = pytorch.check(workers["f32"], 32)
        if name.endswith("bf16"):  # weights, gradients and optimiser stay in f32
            network.loss = lambda error=network.error: autocast(error)
        if name.startswith("compile"):
            torch._dynamo.reset()
            network.loss = torch.compile(network.loss)
        network.train()
        yield name, network.train


def autocast(error):
    with torch.autocast("cpu", torch.bfloat16):
        return error()


def measure(name, options):
    """Rows of the table: an engine's times by round. The rounds end early when the limit is over."""
    begin = time.perf_counter()
    workers = {"f32": peers.Worker(), "bf16": peers.Worker("--backend", "cpu:bf16")}
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        if name == "train-32":
            request = dict(do="train", batch=32)
            runs = dict(trainers(workers))
            kinds = ["f32"]
        else:
            subject = SUBJECTS[name](workers, folder)
            request = subject.request
            runs = dict(Engines(folder).all(subject, options.skip))
            kinds = ["f32", "bf16"]
        contestants = {f"cpu {kind}": lambda kind=kind: workers[kind].ask(time=TURN, **request) for kind in kinds}
        contestants |= {who: lambda run=run: peers.repeat(run, TURN) for who, run in runs.items()}
        print(f"  ready after {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        times = peers.compete(options.rounds, *contestants.values(), limit=options.limit)
    for worker in workers.values():
        worker.close()
    gc.collect()
    return dict(zip(contestants, times))


def show(name, times):
    """A Markdown row per engine: milliseconds, and its time divided by ours of the same precision within a round."""
    for who, values in times.items():
        own = times.get("cpu " + who.split()[-1], times["cpu f32"])
        ms = [1e3 * v for v in (peers.statistics.median(values), min(values), max(values))]
        ratio = peers.spread([p / e for e, p in zip(own, values)])
        print(f"| {name} | {who} | {ms[0]:.4g} | {ms[1]:.4g}–{ms[2]:.4g} | {ratio['median']:.2f} | {ratio['min']:.2f}–{ratio['max']:.2f} | {len(values)} |", flush=True)


def main():
    def more(parser):
        parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
        parser.add_argument("--limit", type=float, default=1e9, help="seconds after which a subject's rounds end (default none)")
        parser.add_argument("--skip", nargs="*", default=[], help="engines to leave out, by the beginning of their names")
        parser.add_argument("--scratch", help="folder for random weights, up to 3 GB (default the system's)")
    options = peers.arguments(__doc__.splitlines()[0], more)
    unknown = set(options.subjects) - set(SUBJECTS)
    if unknown:
        sys.exit(f"unknown subject {unknown.pop()}: use {', '.join(SUBJECTS)}")
    torch.set_num_threads(peers.threads())
    m = peers.machine()
    print(f"{m['processor']}, {m['threads']} threads; load average before: {m['load_average']:.2f}; {Engines('').versions()}")
    print("\n| subject | engine | ms | least–most | ÷ cpu, same precision | least–most | rounds |\n| --- | --- | --: | --: | --: | --: | --: |", flush=True)
    for name in options.subjects or SUBJECTS:
        print(name, file=sys.stderr)
        times = measure(name, options)
        if options.json:
            print(json.dumps({name: times}))
        else:
            show(name, times)


main()
