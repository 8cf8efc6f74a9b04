"""Makes the images of edits/: a first image of the program, and what diffusers makes of it with the program's instruction.

    pip install torch==2.15.0 diffusers==0.42.1 transformers==5.24.0
    python make_tiny_edits.py        # in this folder; needs Go for the program

The search is that of TestFluxEditsEqualDiffusers: one image, and its correction by FLUX.1 Kontext or FLUX.2 [klein].
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from diffusers import Flux2KleinPipeline, FluxKontextPipeline, FluxPipeline
from PIL import Image

import make_tiny_models as tiny
from make_tiny_models import HERE

OUT = os.path.join(HERE, "edits")
TWO = os.path.join(HERE, "..", "..", "..", "..", "flux", "flux2", "testdata", "tiny")
SIDE = 64
CONFIG = """generators: {mine: {type: flux, model: "%s"}}
use: {parser: embedded, verifier: embedded, reflector: embedded}
search: {strategy: reflection, budget: 2, width: 1, steps: 2, size: 64, any_size: true, early_stop: false, axes: [reflection], seed: 5}
"""


def search(model, home):
    """Runs the program; returns the folder of the run and the request of the correction."""
    config = os.path.join(home, "c.yaml")
    with open(config, "w") as f:
        f.write(CONFIG % model)
    subprocess.run(["go", "run", os.path.join(HERE, "..", ".."), "generate", "a clock and a cup", "--config", config, "--out", os.path.join(home, "run"), "--quiet"], check=True, cwd=HERE)
    with open(os.path.join(home, "run", "candidates.jsonl")) as f:
        return os.path.join(home, "run"), json.loads(f.readlines()[1])["request"]


def sentence(text):
    return text if text.endswith((".", "!", "?")) else text + "."


def edit(name, model, generate):
    with tempfile.TemporaryDirectory() as home:
        if name == "kontext":
            shutil.copytree(model, os.path.join(home, "model"))
            model = os.path.join(home, "model")
            path = os.path.join(model, "model_index.json")
            with open(path) as f:
                text = f.read()
            with open(path, "w") as f:
                f.write(text.replace('"FluxPipeline"', '"FluxKontextPipeline"'))
        run, request = search(model, home)
        tiny.SEED = request["seed"]
        reference = Image.open(os.path.join(run, "images", "0000.png")).convert("RGB")
        reference.save(os.path.join(OUT, name + "-first.png"))
        instruction = "Edit the image: " + sentence(request["reflection"]) + " Keep everything else as it is. The edited image must show: " + sentence(request["prompt"])
        generate(reference, request, instruction).save(os.path.join(OUT, name + ".png"))


def kontext(reference, request, instruction):
    parts = FluxPipeline.from_pretrained(os.path.join(HERE, "flux1"), torch_dtype=tiny.torch.float32).components
    return FluxKontextPipeline(**parts)(
        image=reference, prompt=request["prompt"], prompt_2=instruction, guidance_scale=request["guidance"], height=SIDE, width=SIDE, max_area=SIDE * SIDE,
        num_inference_steps=request["steps"], max_sequence_length=512, latents=tiny.noise((SIDE // 16) ** 2, 16)).images[0]


def klein(reference, request, instruction):
    with open(os.path.join(TWO, "reflectionflow.json")) as f:
        settings = json.load(f)
    pipeline = Flux2KleinPipeline.from_pretrained(TWO, torch_dtype=tiny.torch.float32)
    rows = SIDE // 16
    latents = tiny.noise(rows * rows, 16).view(1, rows, rows, 16).permute(0, 3, 1, 2)
    return pipeline(
        image=reference, prompt=instruction, guidance_scale=1.0, height=SIDE, width=SIDE, num_inference_steps=request["steps"], latents=latents,
        max_sequence_length=settings["text_length"], text_encoder_out_layers=tuple(settings["text_layers"])).images[0]


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    edit("kontext", os.path.join(HERE, "flux1"), kontext)
    edit("klein", os.path.abspath(TWO), klein)
