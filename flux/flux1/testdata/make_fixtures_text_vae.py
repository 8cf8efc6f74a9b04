"""Makes the fixtures of the text encoders and the autoencoder with PyTorch.

Each fixture is one safetensors file: the weights under "weight.", the inputs
under "input.", the reference's outputs under "output."; config.json and the
versions that made it stand in the file's metadata. The folders t5_saved,
clip_saved and vae_saved are as save_pretrained writes them.

    pip install torch==2.9.0 transformers==4.57.1 diffusers==0.35.2
    python make_fixtures_text_vae.py
"""

import json
import os
import shutil

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel
from transformers.models.t5.modeling_t5 import T5Attention

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = {
    "torch": torch.__version__.split("+")[0],
    "transformers": transformers.__version__,
    "diffusers": diffusers.__version__,
}


def randomise(model, seed):
    """Replaces every weight by a random one, so that biases and norms are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() == 1 and name.endswith("weight"):
                weight.copy_(1 + 0.2 * noise)
            elif weight.dim() == 1:
                weight.copy_(0.2 * noise)
            elif "embed" in name or "shared" in name or "bias" in name:
                weight.copy_(noise)
            else:
                weight.copy_(noise / weight[0].numel() ** 0.5)
    return model.eval()


def write(name, config, model, inputs, outputs):
    tensors = {f"weight.{k}": v for k, v in model.state_dict().items()} if model else {}
    # transformers keeps the tied embedding twice in memory and once in files
    tensors.pop("weight.encoder.embed_tokens.weight", None)
    tensors |= {f"input.{k}": v for k, v in inputs.items()}
    tensors |= {f"output.{k}": v for k, v in outputs.items()}
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    path = os.path.join(HERE, name + ".safetensors")
    save_file(tensors, path, {"config": json.dumps(config, sort_keys=True), **VERSIONS})
    size = os.path.getsize(path)
    assert size < 100_000, (name, size)
    print(name, size)


def save(name, model):
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path)


def t5():
    config = T5Config(
        vocab_size=40, d_model=24, d_kv=6, d_ff=40, num_layers=2, num_heads=3,
        feed_forward_proj="gated-gelu", relative_attention_num_buckets=8,
        relative_attention_max_distance=12,
    )
    model = randomise(T5EncoderModel(config), 1)
    ids = torch.tensor([[5, 17, 9, 31, 2, 39, 8, 8, 1] + [0] * 15, list(range(3, 26)) + [1]])
    with torch.no_grad():
        hidden = model(ids).last_hidden_state
    write("t5", json.loads(config.to_json_string(use_diff=False)), model, {"ids": ids}, {"hidden": hidden})
    save("t5_saved", model)

    distances = torch.arange(-600, 601)
    buckets = {
        f"{n}_{m}": T5Attention._relative_position_bucket(distances, True, n, m).int()
        for n, m in [(32, 128), (8, 12), (16, 64), (64, 1000)]
    }
    write("t5_buckets", {}, None, {"distances": distances.int()}, buckets)


def clip(name, activation, eos, ids):
    config = CLIPTextConfig(
        vocab_size=50, hidden_size=24, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=3, max_position_embeddings=16, hidden_act=activation,
        bos_token_id=48, eos_token_id=eos, pad_token_id=1,
    )
    model = randomise(CLIPTextModel(config), 2)
    ids = torch.tensor(ids)
    with torch.no_grad():
        pooled = model(ids).pooler_output
    write(name, json.loads(config.to_json_string(use_diff=False)), model, {"ids": ids}, {"pooled": pooled})
    return model


def vae(name, seed, widths, height, width, **more):
    model = AutoencoderKL(
        block_out_channels=widths,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        norm_num_groups=2, scaling_factor=0.3611, shift_factor=0.1159, **more,
    )
    model = randomise(model, seed)
    generator = torch.Generator().manual_seed(7)
    images = torch.rand((2, 3, height, width), generator=generator) * 2 - 1
    factor = 2 ** (len(widths) - 1)
    latents = torch.randn((2, model.config.latent_channels, height // factor, width // factor), generator=generator)
    with torch.no_grad():
        latent = model.encode(images).latent_dist
        decoded = model.decode(latents).sample
    config = {k: v for k, v in model.config.items() if not k.startswith("_")}
    write(
        name, config, model, {"images": images, "latents": latents},
        {"mean": latent.mean, "logvar": latent.logvar, "decoded": decoded},
    )
    return model


if __name__ == "__main__":
    torch.manual_seed(0)
    t5()
    # the end of the text is the largest id, 49, with more of it as padding
    legacy = clip("clip_legacy", "quick_gelu", 2, [
        [48, 5, 2, 9, 49] + [49] * 11, [48] + list(range(3, 17)) + [49], [48, 49, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ])
    save("clip_saved", legacy)
    # the end is 30, not the largest id; the pads are another token
    clip("clip_eos", "gelu", 30, [
        [48, 5, 2, 9, 30, 1, 1, 1, 1, 1, 1, 1], [48, 49, 7, 8, 9, 10, 11, 12, 13, 14, 15, 30], [48, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
    ])
    small = vae("vae", 3, [4, 6, 8], 16, 24, latent_channels=3, layers_per_block=1, use_quant_conv=False, use_post_quant_conv=False)
    save("vae_saved", small)
    vae("vae_quant", 4, [6, 8], 12, 8, latent_channels=2, layers_per_block=2)
    vae("vae_plain", 5, [4, 4], 8, 8, latent_channels=2, layers_per_block=1, use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=False)
