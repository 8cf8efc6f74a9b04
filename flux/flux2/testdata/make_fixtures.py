"""Makes the fixtures of package flux2 with diffusers' Flux2KleinPipeline:

    pip install torch==2.15.0 transformers==5.24.0 diffusers==0.42.1
    go test ./flux/flux2 -run Diffusers -noise     # writes testdata/noise.safetensors
    python testdata/make_fixtures.py

    tiny/                 a pipeline of random weights as save_pretrained writes it, in bfloat16
    reference-*.png       references
    <case>.png            what the pipeline makes of the requests in CASES
    latents.safetensors   the latents before the autoencoder, by case, and parts of the networks
    guidance.safetensors  a transformer whose guidance is an input, as FLUX.2 [dev]'s
    geometry.safetensors  a transformer of other numbers of heads and blocks, in the ratios of klein 9B
    decoder.safetensors   an autoencoder with a narrower decoder, as FLUX.2-small-decoder
    resize.safetensors    a reference scaled by PIL

The package and its tests need no Python."""

import json
import os
import shutil

import diffusers
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Qwen2TokenizerFast, Qwen3Config, Qwen3ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "..", "..", "tokenizer", "testdata", "qwen.json")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "diffusers": diffusers.__version__}
LENGTH, LAYERS = 40, [1, 2, 3]

# name: prompt, width, height, steps, guidance, distilled, references
CASES = {
    "distilled": ("a photo of two red clocks", 64, 48, 4, 1.0, True, []),
    "base": ("a photo of two red clocks", 48, 64, 6, 4.0, False, []),
    "one": ("Edit the image: Add a clock. Keep everything else as it is. The edited image must show: a red clock.", 64, 64, 4, 1.0, True, ["wide"]),
    "guided": ("Edit the image: Add a clock. Keep everything else as it is. The edited image must show: a red clock.", 64, 64, 3, 2.5, False, ["wide"]),
    "two": ("make a clock of both", 64, 48, 4, 1.0, True, ["wide", "tall"]),
}


def randomise(model, seed):
    """Replaces every weight by a random one, exact in bfloat16, so that norms are not 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() == 1:
                value = (1 if name.endswith("weight") else 0) + 0.2 * noise
            else:
                value = noise if "embed_tokens" in name else noise / weight[0].numel() ** 0.5
            weight.copy_(value.bfloat16())
    return model.eval()


def pipeline():
    transformer = Flux2Transformer2DModel(
        in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2, joint_attention_dim=48,
        timestep_guidance_channels=32, mlp_ratio=3.0, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(block_out_channels=(4, 4, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=2)
    text = Qwen3ForCausalLM(Qwen3Config(
        vocab_size=592, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
    ))
    for seed, model in enumerate((transformer, vae, text)):
        randomise(model, seed)
    generator = torch.Generator().manual_seed(9)
    vae.bn.running_mean.copy_(torch.randn(16, generator=generator).bfloat16())
    vae.bn.running_var.copy_((0.5 + torch.rand(16, generator=generator)).bfloat16())
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0), vae=vae, text_encoder=text,
        tokenizer=Qwen2TokenizerFast(tokenizer_file=TOKENIZER, pad_token="<|endoftext|>", chat_template=TEMPLATE), transformer=transformer, is_distilled=True,
    )


def write(name, tensors):
    path = os.path.join(HERE, name)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path, VERSIONS)
    print(name, os.path.getsize(path))


def part(name, model, inputs, outputs, dtype=torch.float32):
    """Writes one network as package fluxtest reads it."""
    tensors = {f"weight.{k}": v.to(dtype) for k, v in model.state_dict().items() if v.is_floating_point()}
    tensors |= {f"input.{k}": v for k, v in inputs.items()} | {f"output.{k}": v for k, v in outputs.items()}
    path = os.path.join(HERE, name + ".safetensors")
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path, {"config": json.dumps(model.config, default=list), **VERSIONS})
    print(name, os.path.getsize(path))


def parts():
    generator = torch.Generator().manual_seed(11)
    t = randomise(Flux2Transformer2DModel(
        in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=12,
        timestep_guidance_channels=32, mlp_ratio=3.0, axes_dims_rope=(2, 2, 2, 2), guidance_embeds=True,
    ), 12)
    image, text = torch.randn(2, 6, 8, generator=generator), torch.randn(2, 5, 12, generator=generator)
    sigma, guidance = torch.tensor([0.9, 0.3]), torch.tensor([4.0, 2.5])
    image_ids = torch.cartesian_prod(torch.arange(1), torch.arange(2), torch.arange(3), torch.arange(1))
    text_ids = torch.cartesian_prod(torch.arange(1), torch.arange(1), torch.arange(1), torch.arange(5))
    with torch.no_grad():
        velocity = t(hidden_states=image, encoder_hidden_states=text, timestep=sigma, guidance=guidance, img_ids=image_ids, txt_ids=text_ids, return_dict=False)[0]
    part("guidance", t, {"image": image, "text": text, "sigma": sigma, "guidance": guidance}, {"velocity": velocity})
    v = randomise(AutoencoderKLFlux2(block_out_channels=(4, 8), decoder_block_out_channels=(2, 4), down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
                                     layers_per_block=1, latent_channels=2, norm_num_groups=2), 13)
    v.bn.running_mean.copy_(torch.randn(8, generator=generator))
    v.bn.running_var.copy_(0.5 + torch.rand(8, generator=generator))
    pixels = torch.rand(1, 3, 8, 12, generator=generator) * 2 - 1
    with torch.no_grad():
        latents = v.encode(pixels).latent_dist.mode()
        packed = Flux2KleinPipeline._patchify_latents(latents)
        packed = (packed - v.bn.running_mean.view(1, -1, 1, 1)) / torch.sqrt(v.bn.running_var.view(1, -1, 1, 1) + v.config.batch_norm_eps)
        decoded = v.decode(latents, return_dict=False)[0]
    part("decoder", v, {"images": pixels}, {"tokens": Flux2KleinPipeline._pack_latents(packed), "decoded": decoded})


def geometry():
    generator = torch.Generator().manual_seed(14)
    t = randomise(Flux2Transformer2DModel(
        in_channels=8, num_layers=1, num_single_layers=3, attention_head_dim=8, num_attention_heads=3, joint_attention_dim=72,
        timestep_guidance_channels=32, mlp_ratio=3.0, axes_dims_rope=(2, 2, 2, 2), guidance_embeds=False,
    ), 15)
    image, text, sigma = torch.randn(1, 15, 8, generator=generator), torch.randn(1, 7, 72, generator=generator), torch.tensor([0.7])
    image_ids = torch.cartesian_prod(torch.arange(1), torch.arange(5), torch.arange(3), torch.arange(1))
    text_ids = torch.cartesian_prod(torch.arange(1), torch.arange(1), torch.arange(1), torch.arange(7))
    with torch.no_grad():
        velocity = t(hidden_states=image, encoder_hidden_states=text, timestep=sigma, guidance=None, img_ids=image_ids, txt_ids=text_ids, return_dict=False)[0]
    part("geometry", t, {"image": image, "text": text, "sigma": sigma}, {"velocity": velocity}, torch.bfloat16)


def references():
    y, x = np.mgrid[0:90, 0:100]
    wide = np.stack([x * 2 + 20, 255 * (x // 9 % 2), y * 2], -1).astype(np.uint8)[:70]
    tall = np.stack([y * 2, 200 - x, 255 * (y // 7 % 2)], -1).astype(np.uint8)[:, :66]
    out = {}
    for name, pixels in (("wide", wide), ("tall", tall)):
        out[name] = Image.fromarray(pixels)
        out[name].save(os.path.join(HERE, f"reference-{name}.png"))
    return out


def main():
    folder = os.path.join(HERE, "tiny")
    shutil.rmtree(folder, ignore_errors=True)
    pipe = pipeline()
    pipe.to(torch.bfloat16).save_pretrained(folder)
    os.remove(os.path.join(folder, "text_encoder", "generation_config.json"))
    with open(os.path.join(folder, "reflectionflow.json"), "w") as f:
        json.dump({"text_length": LENGTH, "text_layers": LAYERS}, f)
    pipe.to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    images, noise, tensors = references(), load_file(os.path.join(HERE, "noise.safetensors")), {}
    for name, (prompt, width, height, steps, guidance, distilled, given) in CASES.items():
        pipe.register_to_config(is_distilled=distilled)
        tokens = noise[name].view(1, height // 16, width // 16, 16).permute(0, 3, 1, 2)
        last = {}

        def keep(_pipe, _i, _t, kwargs):
            last["latents"] = kwargs["latents"]
            return kwargs

        result = pipe(
            prompt=prompt, image=[images[g] for g in given] or None, width=width, height=height, num_inference_steps=steps, guidance_scale=guidance,
            latents=tokens, max_sequence_length=LENGTH, text_encoder_out_layers=LAYERS, callback_on_step_end=keep,
        ).images[0]
        result.save(os.path.join(HERE, f"{name}.png"))
        tensors[f"latents.{name}"] = last["latents"]
        tensors[f"sigmas.{name}"] = pipe.scheduler.sigmas
    write("latents.safetensors", tensors)
    parts()
    geometry()
    big = Image.fromarray((np.random.default_rng(5).random((9, 12, 3)) * 255).astype(np.uint8)).resize((120, 90), Image.Resampling.BICUBIC)
    small = big.resize((47, 35), Image.Resampling.LANCZOS)
    write("resize.safetensors", {"big": torch.from_numpy(np.asarray(big).copy()), "small": torch.from_numpy(np.asarray(small).copy())})


main()
