"""Makes the tiny models of this folder, with random weights, and what diffusers generates with them.

    pip install torch==2.15.0 diffusers==0.42.1 transformers==5.24.0
    python make_tiny_models.py        # in this folder; needs Go for the starting noise

Each model is a diffusers folder as save_pretrained writes it; each image is that of prompt, seed and
steps below, in float32.
"""

import json
import os
import shutil
import subprocess
import tempfile

import numpy
import torch
from diffusers import AutoencoderKL, Flux2KleinPipeline, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT = "a photo of two clocks and a red cup"
WIDTH, HEIGHT, STEPS = 64, 48, 3
ROWS, COLS = HEIGHT // 16, WIDTH // 16
SEED = 5878213397686701  # of the first image of "generate --seed 5"

NOISE = """package main

import (
	"encoding/binary"
	"os"

	"reflectionflow/flux"
)

func main() { _ = binary.Write(os.Stdout, binary.LittleEndian, flux.Noise(%d, %d)) }
"""


def noise(tokens, channels):
    """The starting noise of SEED, by the program itself."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        with open(os.path.join(folder, "main.go"), "w") as f:
            f.write(NOISE % (SEED, tokens * channels))
        data = subprocess.run(["go", "run", os.path.join(folder, "main.go")], check=True, capture_output=True, cwd=HERE).stdout
    return torch.from_numpy(numpy.frombuffer(data, "<f4").copy()).reshape(1, tokens, channels)


def byte_letters():
    """The letters that GPT-2 and CLIP write bytes with, in the order of the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def clip_tokenizer():
    letters = byte_letters()
    merges = [("r", "e"), ("re", "d</w>"), ("o", "f</w>")]
    words = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=merges, model_max_length=16)


def t5_tokenizer():
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁a", -3.0), ("▁red", -5.0), ("▁two", -5.0)]
    pieces += [(chr(c), -7.0) for c in range(ord("a"), ord("z") + 1)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def flux1():
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15),
        transformer=FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=32, pooled_projection_dim=24, guidance_embeds=True, axes_dims_rope=[4, 6, 6]),
        text_encoder=CLIPTextModel(CLIPTextConfig(
            vocab_size=len(clip), hidden_size=24, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=16, bos_token_id=clip.bos_token_id, eos_token_id=clip.eos_token_id, pad_token_id=clip.pad_token_id)),
        text_encoder_2=T5EncoderModel(T5Config(
            vocab_size=len(t5), d_model=32, d_kv=16, d_ff=48, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")),
        tokenizer=clip, tokenizer_2=t5,
        vae=AutoencoderKL(
            block_out_channels=[8] * 4, down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
            latent_channels=4, layers_per_block=1, norm_num_groups=4, scaling_factor=0.3611, shift_factor=0.1159,
            use_quant_conv=False, use_post_quant_conv=False, sample_size=64))


def make_flux1():
    torch.manual_seed(1)
    folder = os.path.join(HERE, "flux1")
    shutil.rmtree(folder, ignore_errors=True)
    flux1().to(torch.bfloat16).save_pretrained(folder)
    pipeline = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    image = pipeline(
        prompt=PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, guidance_scale=3.5, max_sequence_length=512,
        latents=noise(ROWS * COLS, 16)).images[0]
    image.save(os.path.join(HERE, "flux1.png"))


def generate_flux2():
    """With the model of package flux2, whose settings file says how long a prompt is and what layers are read."""
    folder = os.path.join(HERE, "..", "..", "..", "..", "flux", "flux2", "testdata", "tiny")
    with open(os.path.join(folder, "reflectionflow.json")) as f:
        settings = json.load(f)
    pipeline = Flux2KleinPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    latents = noise(ROWS * COLS, 16).view(1, ROWS, COLS, 16).permute(0, 3, 1, 2)
    image = pipeline(
        prompt=PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, guidance_scale=1.0, latents=latents,
        max_sequence_length=settings["text_length"], text_encoder_out_layers=tuple(settings["text_layers"])).images[0]
    image.save(os.path.join(HERE, "flux2.png"))


if __name__ == "__main__":
    make_flux1()
    generate_flux2()
