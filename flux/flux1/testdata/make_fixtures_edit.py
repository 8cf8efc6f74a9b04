"""Makes kontext.png with diffusers' FluxKontextPipeline and img2img.png with its FluxImg2ImgPipeline on a tiny
model of package flux1. The latter takes the mean of the latents here, as package flux does, and not a sample.

    go test ./flux/flux1 -run TestPipelineEqualsDiffusers -export /tmp/tiny
    python make_fixtures_edit.py /tmp/tiny-kontext     # torch 2.15.0, diffusers 0.42.1, transformers 5.24.0
"""

import json
import sys

import numpy as np
import torch
from diffusers import FluxImg2ImgPipeline, FluxKontextPipeline, FluxPipeline
from diffusers.pipelines.flux import pipeline_flux_img2img as img2img
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

noise = FluxPipeline._unpack_latents(load_file(f"{folder}/noise.safetensors")["noise"], 48, 64, 8)
sampled = img2img.retrieve_latents
img2img.retrieve_latents = lambda output, generator=None: sampled(output, sample_mode="argmax")
img2img.randn_tensor = lambda *args, **kwargs: noise
image = FluxImg2ImgPipeline(**parts)(
    image=reference.crop((0, 0, 64, 48)), strength=0.6, prompt="a red cup", prompt_2="a red cup add a blue clock", guidance_scale=3.0, height=48, width=64,
    num_inference_steps=6, max_sequence_length=12,
).images[0]
image.save("img2img.png")
