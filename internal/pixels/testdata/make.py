"""Writes images.safetensors: small images in Pillow's modes and what transformers' image processors on Pillow make of them.

    python make.py      needs transformers 5.24, Pillow 13, scipy, safetensors, torch
"""

import os

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

rng = np.random.default_rng(7)


def smooth(width, height, channels):
    """Waves, edges and a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 100 * np.sin(x / (2 + c) + y / (5 - c)) + 60 * (x > width / 2) + rng.normal(0, 8, (height, width)) for c in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


out = {}
processors = {
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 12}, crop_size={"height": 12, "width": 12}),
    "clip_pad": CLIPImageProcessorPil(size={"shortest_edge": 9}, crop_size={"height": 12, "width": 12}),
    "siglip": SiglipImageProcessorPil(size={"height": 12, "width": 12}),
    "siglip2": SiglipImageProcessorPil(size={"height": 12, "width": 12}, resample=2),
    "lanczos": SiglipImageProcessorPil(size={"height": 12, "width": 12}, resample=1),
    "owlv2": Owlv2ImageProcessorPil(size={"height": 12, "width": 12}),
}
for width, height in [(37, 53), (53, 37), (5, 3), (12, 12), (1, 1), (1, 7), (61, 2), (13, 12), (100, 3), (19, 50), (12, 31), (31, 12)]:
    name = f"{width}x{height}"
    pixels = smooth(width, height, 3)
    out["rgb." + name] = pixels
    for processor, p in processors.items():
        value = p(Image.fromarray(pixels), return_tensors="np")["pixel_values"][0]
        out[f"{processor}.{name}"] = np.ascontiguousarray(value.transpose(1, 2, 0)).astype(np.float32)

# Conversion to RGB: the bytes of each mode, and those that a processor begins with.
convert = processors["clip"].convert_to_rgb
cmyk, rgba, gray = smooth(9, 8, 4), smooth(9, 8, 4), smooth(9, 8, 1)[..., 0]
rgba[0, :, 3], rgba[1, :, 3] = 0, 255
rgba[2:, :, 3] = rng.integers(0, 256, (6, 9))
cmyk[0] = 0
cmyk[1] = 255
for name, raw, image in [
    ("cmyk", cmyk, Image.frombytes("CMYK", (9, 8), cmyk.tobytes())),
    ("rgba", rgba, Image.fromarray(rgba)),
    ("gray", gray[..., None], Image.fromarray(gray)),
]:
    out["raw." + name] = raw
    out["converted." + name] = convert(image)
save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, os.path.join(os.path.dirname(os.path.abspath(__file__)), "images.safetensors"))
