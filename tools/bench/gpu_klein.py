"""FLUX.2 [klein] 4B here and in diffusers, on one GPU: an image of 512×512 and of 1024×1024 pixels in four steps.

Both read one folder of random weights in bf16 that the script writes (16 GB, and as much memory on the GPU for each
side). Both compute products in bf16. The text is encoded before: a turn is noise, four steps and the autoencoder, up to
pixels in the host's memory. The two take turns in one run. The script ends within --limit seconds, with what it has
measured by then.

    CGO_ENABLED=1 GOEXPERIMENT=simd go build -tags xla -o bin/bench-worker ./tools/bench/worker
    VENV/bin/python tools/bench/gpu_klein.py --backend xla:PLUGIN:bf16

--tiny compares the tiny folder of the tests on the CPU, in f32: it tests this script. Needs PyTorch, diffusers and
transformers, and bin/bench-worker. Installs nothing.
"""

import gc
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import peers
import random_klein

try:
    import diffusers
    import torch
    import transformers
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel
    from safetensors.torch import load_file
    from transformers import Qwen3Config, Qwen3ForCausalLM
except ImportError:
    sys.exit("PyTorch, diffusers or transformers is missing: pip install torch diffusers transformers accelerate, in a virtual environment")

PROMPT = "a photo of two red clocks"  # as in tools/bench/worker/klein.go
STEPS = 4


def randomised(model, seed, device):
    """Weights as random_klein.py has them: norms 1, biases 0, the rest normal with a deviation of 0.02."""
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if (value := random_klein.constant(name)) is not None:
                weight.fill_(value)
            else:
                weight.normal_(0, 0.02, generator=generator)
    return model.eval()


def write(folder, device):
    """Writes the folder as diffusers does."""
    random_klein.folder(folder)
    def config(part):
        return json.loads((folder / part / "config.json").read_text())
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        parts = {
            "transformer": lambda: Flux2Transformer2DModel.from_config(config("transformer")),
            "vae": lambda: AutoencoderKLFlux2.from_config(config("vae")),
            "text_encoder": lambda: Qwen3ForCausalLM(Qwen3Config(**config("text_encoder"))),
        }
        for seed, (part, make) in enumerate(parts.items()):
            randomised(make().to(torch.bfloat16), seed, device).save_pretrained(folder / part)
            gc.collect()
    torch.set_default_dtype(before)


class Diffusers:
    def __init__(self, folder, device, dtype):
        self.device, self.dtype, self.given = device, dtype, {}
        self.pipe = Flux2KleinPipeline.from_pretrained(folder, torch_dtype=dtype).to(device)
        self.pipe.set_progress_bar_config(disable=True)
        settings = folder / "reflectionflow.json"
        settings = json.loads(settings.read_text()) if settings.exists() else {"text_length": 512, "text_layers": [9, 18, 27]}
        with torch.inference_mode():
            self.text, _ = self.pipe.encode_prompt(
                PROMPT, device=device, max_sequence_length=settings["text_length"], text_encoder_out_layers=tuple(settings["text_layers"]))

    def generate(self, size, noise):
        """Pixels [size, size, 3], 0 to 1."""
        rows = size // 16
        latents = noise.view(1, rows, rows, -1).permute(0, 3, 1, 2).to(self.device, self.dtype)
        with torch.inference_mode():
            return self.pipe(
                prompt_embeds=self.text, height=size, width=size, num_inference_steps=STEPS, guidance_scale=1.0, latents=latents,
                output_type="np").images[0]


def compare(worker, peer, folder, size, rounds):
    """The row of a size, and what the first images took and how far they are apart."""
    with tempfile.TemporaryDirectory() as scratch:
        file = str(pathlib.Path(scratch) / "first.safetensors")
        ask = dict(do="klein", folder=str(folder), file=file, size=size, time=0)
        begin = time.perf_counter()
        steady = worker.ask(**ask)
        ours = time.perf_counter() - begin - steady
        first = load_file(file)
    begin = time.perf_counter()
    pixels = torch.from_numpy(peer.generate(size, first["noise"]))
    theirs = time.perf_counter() - begin
    difference = ((pixels * 255).round() - first["image"]).abs()

    def turn():
        begin = time.perf_counter()
        peer.generate(size, first["noise"])
        return time.perf_counter() - begin
    engine, other = peers.compete(rounds, lambda: worker.ask(**ask), turn)
    row = peers.row(f"{size}×{size}", 0, engine, other)
    row["first_seconds"] = {"engine": ours, "peer": theirs}
    row["difference"] = {"mean": difference.mean().item(), "max": difference.max().item()}
    return row


def show(report):
    for key, value in report["about"].items():
        print(f"- {key}: {value}")
    print()
    print("| image, 4 steps | engine s | diffusers s | ratio | first image s | pixels apart (mean, of 255) |")
    print("| --- | --: | --: | --: | --: | --: |")
    for r in report["rows"]:
        e, p, q, f = r["engine_seconds"]["median"], r["peer_seconds"]["median"], r["ratio"], r["first_seconds"]
        print(f"| {r['name']} | {e:.3f} | {p:.3f} | {q['median']:.2f}× ({q['min']:.2f}–{q['max']:.2f}) "
              f"| {f['engine']:.1f}, {f['peer']:.1f} | {r['difference']['mean']:.2f} |")


def ended(_signal, _frame):
    raise TimeoutError


def main():
    def more(parser):
        parser.add_argument("--backend", default="", help="the engine's backend, such as xla:PLUGIN:bf16")
        parser.add_argument("--folder", type=pathlib.Path, help="a folder that an earlier run has written; written if it does not exist")
        parser.add_argument("--limit", type=int, default=570, help="seconds after which the script ends (default 570)")
        parser.add_argument("--tiny", action="store_true", help="the tiny folder of the tests, in f32 on the CPU")
    options = peers.arguments(__doc__.splitlines()[0], more)
    device, dtype, sizes = "cuda", torch.bfloat16, (512, 1024)
    if options.tiny:
        device, dtype, sizes = "cpu", torch.float32, (64, 128)
    elif not torch.cuda.is_available():
        sys.exit("there is no GPU for PyTorch: --tiny tests the script on the CPU")
    signal.signal(signal.SIGALRM, ended)
    signal.alarm(options.limit)
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    scratch = tempfile.mkdtemp()
    report = {"machine": peers.machine(), "about": {
        "GPU": torch.cuda.get_device_name() if device == "cuda" else "none",
        "diffusers": f"{diffusers.__version__}, transformers {transformers.__version__}, PyTorch {torch.__version__}, {dtype}",
    }, "rows": []}
    worker = None
    try:
        folder = random_klein.TINY if options.tiny else options.folder or pathlib.Path(scratch) / "klein"
        if not folder.exists():
            write(folder, device)
        report["about"]["seconds to write the weights"] = f"{options.limit - signal.alarm(0):.0f}"
        signal.alarm(options.limit - int(report["about"]["seconds to write the weights"]))
        worker, peer = peers.Worker(*(["-backend", options.backend] if options.backend else [])), Diffusers(folder, device, dtype)
        for size in sizes:
            report["rows"].append(compare(worker, peer, folder, size, options.rounds))
            report["about"]["engine"] = f"{worker.backend}, {options.backend or 'cpu'}"
    except TimeoutError:
        print(f"ended after {options.limit} s", file=sys.stderr)
    finally:
        signal.alarm(0)
        if worker:
            worker.process.kill()
        shutil.rmtree(scratch, ignore_errors=True)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    if options.tiny and any(r["difference"]["max"] > (1 if ":bf16" not in options.backend else 8) for r in report["rows"]):
        sys.exit("the images differ")


main()
