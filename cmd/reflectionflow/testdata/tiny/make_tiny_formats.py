"""Makes the images of formats/: what diffusers generates with the weights of package internal/fluxfiles.

    pip install torch==2.15.0 diffusers==0.42.1 transformers==5.24.0
    python make_tiny_formats.py        # in this folder; needs Go for the starting noise

The weights are functions of their names (see value below), so that no model has to be stored. Matrices hold levels that
the formats hold exactly: "plain", "quarters" for Q2_K and "curved" for the IQ4 types.
"""

import json
import os

import numpy
import torch
from diffusers import (AutoencoderKL, AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel, FlowMatchEulerDiscreteScheduler,
                       FluxKontextPipeline, FluxPipeline, FluxTransformer2DModel)
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, Qwen3Config, Qwen3ForCausalLM, T5Config, T5EncoderModel, T5Tokenizer

from make_tiny_models import HERE, HEIGHT, PROMPT, WIDTH, noise

OUT = os.path.join(HERE, "formats")
TWO = os.path.join(HERE, "..", "..", "..", "..", "flux", "flux2", "testdata", "tiny")
STEPS = 2
ROWS, COLS = HEIGHT // 4, WIDTH // 4  # the autoencoders have two levels
CURVE = numpy.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
M64 = (1 << 64) - 1


def random(name, n):
    """The first n numbers of SplitMix64 from the FNV-1a sum of the name on."""
    seed = 14695981039346656037
    for c in name.encode():
        seed = ((seed ^ c) * 1099511628211) & M64
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(seed) + numpy.arange(1, n + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return z ^ (z >> numpy.uint64(31))


def log(n):
    return (n - 1).bit_length()


def value(name, shape, levels):
    n = int(numpy.prod(shape))
    r = random(name, n)
    if len(shape) == 2 and shape[1] % 32 == 0 and not name.startswith("vae."):
        e = (random(name + "#", (n + 31) // 32) >> numpy.uint64(63)).astype(numpy.int64).repeat(32)[:n]
        r, s = (r >> numpy.uint64(60)).astype(numpy.int64), log(shape[1]) // 2 + 2
        q, s = {"plain": (r // 2 - 4, s), "quarters": (r // 4 - 2, s - 1), "curved": (CURVE[r], s + 5)}[levels]
        v = q * 2.0 ** (e - s)
    elif len(shape) < 2:
        base = 128 if "norm" in name and name.endswith(".weight") or name.endswith("running_var") else 0
        v = (base + (r >> numpy.uint64(58)).astype(numpy.int64) - 32) / 128
    else:
        v = ((r >> numpy.uint64(57)).astype(numpy.int64) - 64) * 2.0 ** (-5 - log(int(numpy.prod(shape[1:]))) // 2)
    return torch.from_numpy(v.astype(numpy.float32).reshape(shape))


def fill(network, model, levels):
    state = model.state_dict()
    for name, tensor in state.items():
        if name in ("encoder.embed_tokens.weight", "lm_head.weight") or name.endswith("num_batches_tracked"):
            continue  # an alias, or not read
        own = name.removeprefix("model.")
        if isinstance(model, CLIPTextModel) and not own.startswith("text_model."):
            own = "text_model." + own
        tensor.copy_(value(network + "." + own, tuple(tensor.shape), levels))
    return model.eval()


def flux1(levels, guidance, schedule, pipeline=FluxPipeline):
    folder = os.path.join(HERE, "flux1")
    clip, t5 = CLIPTokenizer.from_pretrained(os.path.join(folder, "tokenizer")), T5Tokenizer.from_pretrained(os.path.join(folder, "tokenizer_2"))
    return pipeline(
        scheduler=schedule, tokenizer=clip, tokenizer_2=t5,
        transformer=fill("transformer", FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=32, num_attention_heads=8,
            joint_attention_dim=256, pooled_projection_dim=64, guidance_embeds=guidance, axes_dims_rope=[4, 14, 14]), levels),
        text_encoder=fill("text_encoder", CLIPTextModel(CLIPTextConfig(
            vocab_size=517, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=1,
            max_position_embeddings=16, bos_token_id=515, eos_token_id=516, pad_token_id=516)), levels),
        text_encoder_2=fill("text_encoder_2", T5EncoderModel(T5Config(
            vocab_size=33, d_model=256, d_kv=32, d_ff=256, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")), levels),
        vae=fill("vae", AutoencoderKL(
            block_out_channels=[32] * 2, down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=16, layers_per_block=1, norm_num_groups=32, scaling_factor=0.3611, shift_factor=0.1159,
            use_quant_conv=False, use_post_quant_conv=False), levels))


def flux2(levels, distilled):
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(os.path.join(TWO, "scheduler")),
        tokenizer=AutoTokenizer.from_pretrained(os.path.join(TWO, "tokenizer")), is_distilled=distilled,
        transformer=fill("transformer", Flux2Transformer2DModel(
            patch_size=1, in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=32, num_attention_heads=8,
            joint_attention_dim=768, timestep_guidance_channels=256, mlp_ratio=3.0, axes_dims_rope=[8] * 4, guidance_embeds=False), levels),
        text_encoder=fill("text_encoder", Qwen3ForCausalLM(Qwen3Config(
            vocab_size=592, hidden_size=256, intermediate_size=64, num_hidden_layers=27, num_attention_heads=2, num_key_value_heads=1,
            head_dim=32, rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True, max_position_embeddings=1024)), levels),
        vae=fill("vae", AutoencoderKLFlux2(
            block_out_channels=[32] * 2, down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=32, layers_per_block=1, norm_num_groups=32), levels))


def save(name, pipeline, **more):
    channels = pipeline.transformer.config.in_channels
    latents = noise(ROWS * COLS, channels)
    if isinstance(pipeline, Flux2KleinPipeline):
        latents = latents.view(1, ROWS, COLS, channels).permute(0, 3, 1, 2)
    image = pipeline(prompt=PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, max_sequence_length=512, latents=latents, **more).images[0]
    image.save(os.path.join(OUT, name + ".png"))
    pixels = numpy.asarray(image)
    print(name, pixels.mean().round(1), pixels.std().round(1), "saturated", ((pixels == 0) | (pixels == 255)).mean().round(2))


def main():
    os.makedirs(OUT, exist_ok=True)
    dynamic = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15)
    for levels in ("plain", "quarters", "curved"):
        save("dev-" + levels, flux1(levels, True, dynamic), guidance_scale=3.5)
        save("klein-" + levels, flux2(levels, True), guidance_scale=1.0)
        save("schnell-" + levels, flux1(levels, False, FlowMatchEulerDiscreteScheduler(shift=1.0)), guidance_scale=0.0)
        save("kontext-" + levels, flux1(levels, True, dynamic, FluxKontextPipeline), guidance_scale=2.5, max_area=WIDTH * HEIGHT)
        save("base-" + levels, flux2(levels, False), guidance_scale=4.0)


if __name__ == "__main__":
    main()
