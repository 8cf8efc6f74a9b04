"""Makes pipeline.png with diffusers' FluxPipeline on the tiny model of package flux.

    go test ./flux -run TestPipelineEqualsDiffusers -export /tmp/tiny
    python make_fixtures_pipeline.py /tmp/tiny     # torch 2.9.0, diffusers 0.35.2, transformers 4.57.1
"""

import json
import sys

import torch
from diffusers import FluxPipeline
from safetensors.torch import load_file

folder = sys.argv[1]
for name, length in (("tokenizer", 8), ("tokenizer_2", 12)):
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length, "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    with open(f"{folder}/{name}/tokenizer_config.json", "w") as f:
        json.dump(config, f)

pipeline = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
image = pipeline(
    prompt="a red cup", prompt_2="a red cup add a blue clock", negative_prompt="", negative_prompt_2="", true_cfg_scale=3.0,
    height=48, width=64, num_inference_steps=4, max_sequence_length=12, latents=load_file(f"{folder}/noise.safetensors")["noise"],
).images[0]
image.save("pipeline.png")
