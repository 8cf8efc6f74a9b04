"""Makes kontext.png with diffusers' FluxKontextPipeline on a tiny model of package flux1.

    go test ./flux/flux1 -run TestPipelineEqualsDiffusers -export /tmp/tiny
    python make_fixtures_kontext.py /tmp/tiny-kontext     # torch 2.15.0, diffusers 0.42.1, transformers 5.24.0
"""

import json
import sys

import numpy as np
import torch
from diffusers import FluxKontextPipeline, FluxPipeline
from PIL import Image
from safetensors.torch import load_file

folder = sys.argv[1]
for name, length in (("tokenizer", 8), ("tokenizer_2", 12)):
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length, "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    with open(f"{folder}/{name}/tokenizer_config.json", "w") as f:
        json.dump(config, f)

y, x = np.mgrid[0:48, 0:80]
reference = Image.fromarray(np.stack([x * 3, 255 * (x // 9 % 2), y * 5], -1).astype(np.uint8))
reference.save("kontext-reference.png")
parts = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32).components
pipeline = FluxKontextPipeline(**parts)
image = pipeline(
    image=reference, prompt="a red cup", prompt_2="a red cup add a blue clock", guidance_scale=3.0, height=48, width=64, max_area=48 * 64, _auto_resize=False,
    num_inference_steps=4, max_sequence_length=12, latents=load_file(f"{folder}/noise.safetensors")["noise"],
).images[0]
image.save("kontext.png")
