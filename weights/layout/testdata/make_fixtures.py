"""Writes the fixtures of package layout with diffusers, transformers and gguf.

values.safetensors: tiny models with random weights, as "MODEL/file/NAME" in the naming of Black Forest Labs and as
"MODEL/network/NAME" as diffusers converts them. shapes.txt.gz: names and shapes of models of the true sizes, one tensor
per line: model, "file" or "network", name, shape.

Usage: python make_fixtures.py
"""
import gzip

import gguf
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, Flux2Transformer2DModel
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers, convert_ldm_vae_checkpoint
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, Qwen3Config, Qwen3Model, T5Config, T5EncoderModel


def flux2_file(shapes, double, single):
    """The names of a FLUX.2 file of Black Forest Labs with the shapes of diffusers' tensors."""
    out = {}
    top = {"img_in": "x_embedder", "txt_in": "context_embedder", "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
           "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
           "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
           "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
           "single_stream_modulation.lin": "single_stream_modulation.linear",
           "final_layer.linear": "proj_out", "final_layer.adaLN_modulation.1": "norm_out.linear"}
    for a, b in top.items():
        out[a + ".weight"] = shapes[b + ".weight"]
    for i in range(double):
        f, t = f"double_blocks.{i}.", f"transformer_blocks.{i}."
        for stream, q, norm, proj, ff in (("img", "to_q", "norm_", "to_out.0", "ff"), ("txt", "add_q_proj", "norm_added_", "to_add_out", "ff_context")):
            rows, cols = shapes[t + f"attn.{q}.weight"]
            out[f + stream + "_attn.qkv.weight"] = (3 * rows, cols)
            out[f + stream + "_attn.norm.query_norm.scale"] = shapes[t + f"attn.{norm}q.weight"]
            out[f + stream + "_attn.norm.key_norm.scale"] = shapes[t + f"attn.{norm}k.weight"]
            out[f + stream + "_attn.proj.weight"] = shapes[t + f"attn.{proj}.weight"]
            out[f + stream + "_mlp.0.weight"] = shapes[t + f"{ff}.linear_in.weight"]
            out[f + stream + "_mlp.2.weight"] = shapes[t + f"{ff}.linear_out.weight"]
    for i in range(single):
        f, t = f"single_blocks.{i}.", f"single_transformer_blocks.{i}.attn."
        out[f + "linear1.weight"] = shapes[t + "to_qkv_mlp_proj.weight"]
        out[f + "linear2.weight"] = shapes[t + "to_out.weight"]
        out[f + "norm.query_norm.scale"] = shapes[t + "norm_q.weight"]
        out[f + "norm.key_norm.scale"] = shapes[t + "norm_k.weight"]
    return out


def vae_file(shapes, levels, layers):
    """The names of an autoencoder of Black Forest Labs with the shapes of diffusers' tensors."""
    out = {}

    def put(a, b, conv=False):
        for kind in ("weight", "bias"):
            if b + "." + kind in shapes:
                s = tuple(shapes[b + "." + kind])
                out[a + "." + kind] = s + (1, 1) if conv and kind == "weight" else s

    def resnet(a, b):
        for n in ("norm1", "conv1", "norm2", "conv2"):
            put(a + n, b + n)
        put(a + "nin_shortcut", b + "conv_shortcut")

    for side in ("encoder", "decoder"):
        put(side + ".conv_in", side + ".conv_in")
        put(side + ".norm_out", side + ".conv_norm_out")
        put(side + ".conv_out", side + ".conv_out")
        for i in (0, 1):
            resnet(f"{side}.mid.block_{i + 1}.", f"{side}.mid_block.resnets.{i}.")
        for a, b in (("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
            put(f"{side}.mid.attn_1.{a}", f"{side}.mid_block.attentions.0.{b}", conv=a != "norm")
    for i in range(levels):
        for j in range(layers):
            resnet(f"encoder.down.{i}.block.{j}.", f"encoder.down_blocks.{i}.resnets.{j}.")
        put(f"encoder.down.{i}.downsample.conv", f"encoder.down_blocks.{i}.downsamplers.0.conv")
        for j in range(layers + 1):
            resnet(f"decoder.up.{i}.block.{j}.", f"decoder.up_blocks.{levels - 1 - i}.resnets.{j}.")
        put(f"decoder.up.{i}.upsample.conv", f"decoder.up_blocks.{levels - 1 - i}.upsamplers.0.conv")
    put("encoder.quant_conv", "quant_conv")
    put("decoder.post_quant_conv", "post_quant_conv")
    for name in shapes:
        if name.startswith("bn."):
            out[name] = tuple(shapes[name])
    return out


def shapes_of(model):
    return {k: tuple(v.shape) for k, v in model.state_dict().items()}


def flux2(**kwargs):
    return Flux2Transformer2DModel(**kwargs)


def vae(cls, widths, groups, **kwargs):
    return cls(block_out_channels=widths, norm_num_groups=groups, layers_per_block=2,
               down_block_types=("DownEncoderBlock2D",) * len(widths), up_block_types=("UpDecoderBlock2D",) * len(widths), **kwargs)


VAE1 = dict(latent_channels=16, use_quant_conv=False, use_post_quant_conv=False)
values, lines = {}, []


def add_values(name, file, network):
    for side, tensors in (("file", file), ("network", network)):
        for k, v in tensors.items():
            if v.is_floating_point():
                values[f"{name}/{side}/{k}"] = v.contiguous().clone()


def add_shapes(name, file, network):
    for side, tensors in (("file", file), ("network", network)):
        for k, s in sorted(tensors.items()):
            if not k.endswith("num_batches_tracked"):
                lines.append(f"{name} {side} {k} {','.join(map(str, s))}")


torch.manual_seed(5)
tiny = dict(in_channels=8, num_layers=1, num_single_layers=2, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=12,
            timestep_guidance_channels=8, mlp_ratio=3.0, axes_dims_rope=(2, 2, 2, 2), guidance_embeds=False)
network = shapes_of(flux2(**tiny))
file = {k: torch.randn(s) for k, s in flux2_file(network, 1, 2).items()}
converted = convert_flux2_transformer_checkpoint_to_diffusers(dict(file))
assert {k: tuple(v.shape) for k, v in converted.items()} == network
add_values("flux2", file, converted)

for name, cls, extra in (("vae1", AutoencoderKL, VAE1), ("vae2", AutoencoderKLFlux2, dict(latent_channels=4))):
    model = vae(cls, (2, 2, 4), 2, **{**extra, "latent_channels": 4})
    network = shapes_of(model)
    file = {k: torch.randn(s) for k, s in vae_file(network, 3, 2).items() if not k.endswith("num_batches_tracked")}
    converted = convert_ldm_vae_checkpoint(dict(file), dict(model.config))
    for k in file:  # as diffusers' scripts/convert_flux2_to_diffusers.py does
        if k.startswith("bn.") or ".quant_conv." in k or ".post_quant_conv." in k:
            converted[k.removeprefix("encoder.").removeprefix("decoder.")] = file[k]
    missing = {k for k in network if k not in converted and not k.endswith("num_batches_tracked")}
    assert not missing, missing
    assert all(tuple(v.shape) == network[k] for k, v in converted.items())
    add_values(name, file, converted)

with torch.device("meta"):
    klein = flux2(in_channels=128, num_layers=5, num_single_layers=20, attention_head_dim=128, num_attention_heads=24, joint_attention_dim=7680,
                  timestep_guidance_channels=256, mlp_ratio=3.0, axes_dims_rope=(32, 32, 32, 32), guidance_embeds=False)
    network = shapes_of(klein)
    add_shapes("flux2", flux2_file(network, 5, 20), network)
    for name, cls, extra in (("vae1", AutoencoderKL, VAE1), ("vae2", AutoencoderKLFlux2, dict(latent_channels=32))):
        network = shapes_of(vae(cls, (128, 256, 512, 512), 32, **extra))
        add_shapes(name, vae_file(network, 4, 2), network)

    t5 = shapes_of(T5EncoderModel(T5Config(vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu")))
    t5 = {k: s for k, s in t5.items() if k != "encoder.embed_tokens.weight"}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, 24)
    add_shapes("t5", {names.get_name(k, (".weight",)): s for k, s in t5.items()}, t5)

    clip = shapes_of(CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768)))
    old = {"text_model." + k.removeprefix("text_model."): s for k, s in clip.items() if not k.endswith("position_ids")}
    new = {k.removeprefix("text_model."): s for k, s in old.items()}
    add_shapes("clip", new, old)

    qwen = shapes_of(Qwen3Model(Qwen3Config(vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
                                            num_key_value_heads=8, head_dim=128)))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, 36)
    add_shapes("qwen3", {names.get_name("model." + k, (".weight",)): s for k, s in qwen.items()}, qwen)

save_file({k: v.to(torch.bfloat16) for k, v in values.items()}, "values.safetensors")
with open("shapes.txt.gz", "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as f:
    f.write(("\n".join(lines) + "\n").encode())
print(len(values), "values,", len(lines), "shapes")
