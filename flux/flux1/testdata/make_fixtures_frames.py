"""Makes frames.json here and in flux2: what diffusers' pipelines of FLUX.1 Kontext and FLUX.2 [klein] make of references.

    python make_fixtures_frames.py        # in this folder; torch 2.15.0, diffusers 0.42.1, transformers 5.24.0

Each entry has the size of a reference, the size of what is encoded of it, and two patches of that, of 8 × 8 pixels in hex.
References are computed, see picture.
"""

import json
import os

import numpy as np
import torch
from diffusers import Flux2KleinPipeline, FluxKontextPipeline, FluxPipeline
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE = 8


class Stop(Exception):
    pass


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 5 + y * y // 7, x * x // 9 + y * 3, 200 * ((x // 5 + y // 4) % 2)], -1).astype(np.uint8))


def entry(size, tensor):
    pixels = ((tensor[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    height, width = pixels.shape[:2]
    patches = [{"x": x, "y": y, "rgb": pixels[y:y + SIDE, x:x + SIDE].tobytes().hex()} for x, y in ((0, 0), (width // 2 + 3, height // 3))]
    return {"size": size, "out": [width, height], "patches": patches}


def write(folder, entries):
    with open(os.path.join(folder, "frames.json"), "w") as f:
        json.dump(entries, f, indent=0)


def kontext():
    parts = FluxPipeline.from_pretrained(os.path.join(HERE, "../../../cmd/reflectionflow/testdata/tiny/flux1"), torch_dtype=torch.float32).components
    pipeline = FluxKontextPipeline(**parts)

    def stop(image, *args, **kwargs):
        raise Stop(image)

    pipeline.prepare_latents = stop
    for size in ((512, 512), (640, 480), (100, 70), (64, 512), (1000, 100), (1920, 1080), (33, 47), (1104, 944), (720, 1280)):
        try:
            pipeline(image=picture(*size), prompt_embeds=torch.zeros(1, 4, 32), pooled_prompt_embeds=torch.zeros(1, 24))
        except Stop as stopped:
            yield entry(size, stopped.args[0])


def klein():
    pipeline = Flux2KleinPipeline.from_pretrained(os.path.join(HERE, "../../flux2/testdata/tiny"), torch_dtype=torch.float32)

    def stop(images, *args, **kwargs):
        raise Stop(images[0])

    pipeline.prepare_image_latents = stop
    for size in ((512, 512), (640, 480), (100, 70), (64, 512), (1000, 130), (1920, 1080), (79, 97), (1024, 1024), (1025, 1024), (1333, 801)):
        try:
            pipeline(image=picture(*size), prompt_embeds=torch.zeros(1, 4, 48))
        except Stop as stopped:
            yield entry(size, stopped.args[0])


if __name__ == "__main__":
    write(HERE, list(kontext()))
    write(os.path.join(HERE, "../../flux2/testdata"), list(klein()))
