"""Makes LoRAs of the tiny models and what diffusers generates with two of them at once:

    pip install torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 peft==0.21.2
    python make_tiny_loras.py        # in this folder; needs Go for the starting noise

loras/flux1-style.safetensors is written by diffusers, with ranks and alphas by pattern; loras/flux1-kohya.safetensors has
the names of kohya's sd-scripts in float16; loras/flux2-style.safetensors those of ai-toolkit in bfloat16. The weights are
0.8 and -0.5; FLUX.2 has one LoRA, of weight 1.5. Images are those of prompt, seed and steps of make_tiny_models.py.
"""

import json
import os

import torch
from diffusers import Flux2KleinPipeline, FluxPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from make_tiny_models import COLS, HEIGHT, HERE, PROMPT, ROWS, STEPS, WIDTH, noise

LORAS = os.path.join(HERE, "loras")
generator = torch.Generator().manual_seed(9)


def random(*shape):
    return 2 * torch.randn(shape, generator=generator) / shape[-1] ** 0.5


def style(pipeline):
    """Writes a LoRA as diffusers' training scripts do."""
    t = pipeline.transformer
    t.add_adapter(LoraConfig(r=2, lora_alpha=3, target_modules=["to_q", "to_v", "norm1.linear", "proj_mlp", "x_embedder"],
                             rank_pattern={"x_embedder": 1}, alpha_pattern={"proj_mlp": 4}))
    state = get_peft_model_state_dict(t)
    for value in state.values():
        value.copy_(random(*value.shape))
    settings = json.loads(json.dumps(t.peft_config["default"].to_dict(), default=lambda v: sorted(v) if isinstance(v, set) else str(v)))
    FluxPipeline.save_lora_weights(LORAS, transformer_lora_layers=state, transformer_lora_adapter_metadata=settings, weight_name="flux1-style.safetensors")
    t.delete_adapters("default")


def pairs(layers, name, ends, dtype, alpha=None):
    file = {}
    for layer, (out, width) in layers.items():
        file[name(layer) + ends[0]], file[name(layer) + ends[1]] = random(2, width).to(dtype), random(out, 2).to(dtype)
        if alpha:
            file[name(layer) + ".alpha"] = torch.tensor(alpha)
    return file


def flux1():
    pipeline = FluxPipeline.from_pretrained(os.path.join(HERE, "flux1"), torch_dtype=torch.float32)
    style(pipeline)
    layers = {"double_blocks.0.img_attn.qkv": (96, 32), "double_blocks.0.txt_mlp.2": (32, 128), "single_blocks.0.modulation.lin": (96, 32), "single_blocks.0.linear2": (32, 160)}
    save_file(pairs(layers, lambda x: "lora_unet_" + x.replace(".", "_"), (".lora_down.weight", ".lora_up.weight"), torch.float16, 1.0),
              os.path.join(LORAS, "flux1-kohya.safetensors"))
    for name in ("style", "kohya"):
        pipeline.load_lora_weights(LORAS, weight_name=f"flux1-{name}.safetensors", adapter_name=name)
    pipeline.set_adapters(["style", "kohya"], [0.8, -0.5])
    pipeline(prompt=PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, guidance_scale=3.5, max_sequence_length=512,
             latents=noise(ROWS * COLS, 16)).images[0].save(os.path.join(LORAS, "flux1.png"))


def flux2():
    folder = os.path.join(HERE, "..", "..", "..", "..", "flux", "flux2", "testdata", "tiny")
    with open(os.path.join(folder, "reflectionflow.json")) as f:
        settings = json.load(f)
    pipeline = Flux2KleinPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    t = dict(pipeline.transformer.named_modules())
    shape = lambda name: tuple(t[name].weight.shape)  # noqa: E731
    q = shape("transformer_blocks.0.attn.to_q")
    layers = {"double_blocks.0.img_attn.qkv": (3 * q[0], q[1]), "double_blocks.0.img_mlp.0": shape("transformer_blocks.0.ff.linear_in"),
              "single_blocks.0.linear1": shape("single_transformer_blocks.0.attn.to_qkv_mlp_proj"),
              "single_stream_modulation.lin": shape("single_stream_modulation.linear")}
    save_file(pairs(layers, lambda x: "diffusion_model." + x, (".lora_A.weight", ".lora_B.weight"), torch.bfloat16),
              os.path.join(LORAS, "flux2-style.safetensors"))
    pipeline.load_lora_weights(LORAS, weight_name="flux2-style.safetensors", adapter_name="style")
    pipeline.set_adapters(["style"], [1.5])
    latents = noise(ROWS * COLS, 16).view(1, ROWS, COLS, 16).permute(0, 3, 1, 2)
    pipeline(prompt=PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, guidance_scale=1.0, latents=latents,
             max_sequence_length=settings["text_length"], text_encoder_out_layers=tuple(settings["text_layers"])).images[0].save(os.path.join(LORAS, "flux2.png"))


if __name__ == "__main__":
    os.makedirs(LORAS, exist_ok=True)
    flux1()
    flux2()
