"""Writes FLUX.2 [klein] 4B with random weights at its true shapes, to measure time and memory without the real weights:
a diffusers folder in bf16, or transformer and text encoder as GGUF in Q4_K with an autoencoder in bf16.

    python3 random_klein.py bf16 OUT    # 16 GB
    python3 random_klein.py q4_k OUT    # 4.9 GB

Values repeat a block of random numbers of the usual spread (0.02), so that the files are written at the speed of the
disk. The images mean nothing; the work is that of the real model. Needs numpy. The tokenizer is the small one of
flux/flux2/testdata/tiny: prompts are padded to 512 tokens with any.
"""
import json
import pathlib
import shutil
import struct
import sys

import numpy as np

HIDDEN, HEADS, DOUBLE, SINGLE, TEXT = 3072, 24, 5, 20, 7680
QWEN = dict(hidden=2560, layers=36, heads=32, kv=8, head=128, ff=9728, vocab=151936)
rng = np.random.default_rng(1)


def transformer():
    """Names of BFL's single file, shapes [out, in]."""
    h = HIDDEN
    yield "img_in.weight", (h, 128)
    yield "txt_in.weight", (h, TEXT)
    yield "time_in.in_layer.weight", (h, 256)
    yield "time_in.out_layer.weight", (h, h)
    for stream in ("img", "txt"):
        yield f"double_stream_modulation_{stream}.lin.weight", (6 * h, h)
    yield "single_stream_modulation.lin.weight", (3 * h, h)
    yield "final_layer.adaLN_modulation.1.weight", (2 * h, h)
    yield "final_layer.linear.weight", (128, h)
    for i in range(DOUBLE):
        for s in ("img", "txt"):
            p = f"double_blocks.{i}.{s}_"
            yield p + "attn.qkv.weight", (3 * h, h)
            yield p + "attn.proj.weight", (h, h)
            yield p + "attn.norm.query_norm.scale", (128,)
            yield p + "attn.norm.key_norm.scale", (128,)
            yield p + "mlp.0.weight", (6 * h, h)
            yield p + "mlp.2.weight", (h, 3 * h)
    for i in range(SINGLE):
        p = f"single_blocks.{i}."
        yield p + "linear1.weight", (9 * h, h)
        yield p + "linear2.weight", (h, 4 * h)
        yield p + "norm.query_norm.scale", (128,)
        yield p + "norm.key_norm.scale", (128,)


# Diffusers' names of what has others in BFL's file.
RENAMED = {
    "img_in": "x_embedder", "txt_in": "context_embedder",
    "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1", "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "norm_out.linear", "final_layer.linear": "proj_out",
    "double_stream_modulation_img.lin": "double_stream_modulation_img.linear", "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
    "single_stream_modulation.lin": "single_stream_modulation.linear",
    "img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out",
    "img_attn.norm.query_norm": "attn.norm_q", "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q", "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_mlp.0": "ff.linear_in", "img_mlp.2": "ff.linear_out", "txt_mlp.0": "ff_context.linear_in", "txt_mlp.2": "ff_context.linear_out",
    "linear1": "attn.to_qkv_mlp_proj", "linear2": "attn.to_out", "norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k",
}
FUSED = {"img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"), "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")}


def diffusers_transformer():
    """The same in diffusers' names: queries, keys and values are apart."""
    for name, shape in transformer():
        layer, block = name.rsplit(".", 1)[0], ""
        for kind in ("double", "single"):
            if layer.startswith(kind + "_blocks."):
                _, number, layer = layer.split(".", 2)
                block = ("" if kind == "double" else "single_") + f"transformer_blocks.{number}."
        for part in FUSED.get(layer, ()):
            yield f"{block}{part}.weight", (shape[0] // 3, shape[1])
        if layer not in FUSED:
            yield f"{block}{RENAMED[layer]}.weight", shape


def qwen(gguf):
    q = QWEN
    yield ("token_embd.weight" if gguf else "model.embed_tokens.weight"), (q["vocab"], q["hidden"])
    parts = [
        ("attn_norm", "input_layernorm", (q["hidden"],)), ("attn_q", "self_attn.q_proj", (q["heads"] * q["head"], q["hidden"])),
        ("attn_k", "self_attn.k_proj", (q["kv"] * q["head"], q["hidden"])), ("attn_v", "self_attn.v_proj", (q["kv"] * q["head"], q["hidden"])),
        ("attn_output", "self_attn.o_proj", (q["hidden"], q["heads"] * q["head"])), ("attn_q_norm", "self_attn.q_norm", (q["head"],)),
        ("attn_k_norm", "self_attn.k_norm", (q["head"],)), ("ffn_norm", "post_attention_layernorm", (q["hidden"],)),
        ("ffn_gate", "mlp.gate_proj", (q["ff"], q["hidden"])), ("ffn_up", "mlp.up_proj", (q["ff"], q["hidden"])),
        ("ffn_down", "mlp.down_proj", (q["hidden"], q["ff"])),
    ]
    for i in range(q["layers"]):
        for short, long, shape in parts:
            yield (f"blk.{i}.{short}.weight" if gguf else f"model.layers.{i}.{long}.weight"), shape
    yield ("output_norm.weight" if gguf else "model.norm.weight"), (q["hidden"],)


def resnet(p, cin, cout):
    for norm, c in (("norm1", cin), ("norm2", cout)):
        yield f"{p}.{norm}.weight", (c,)
        yield f"{p}.{norm}.bias", (c,)
    yield from conv(f"{p}.conv1", cin, cout, 3)
    yield from conv(f"{p}.conv2", cout, cout, 3)
    if cin != cout:
        yield from conv(f"{p}.conv_shortcut", cin, cout, 1)


def conv(p, cin, cout, k):
    yield f"{p}.weight", (cout, cin, k, k)
    yield f"{p}.bias", (cout,)


def middle(p):
    yield from resnet(f"{p}.resnets.0", 512, 512)
    yield from resnet(f"{p}.resnets.1", 512, 512)
    a = f"{p}.attentions.0"
    yield f"{a}.group_norm.weight", (512,)
    yield f"{a}.group_norm.bias", (512,)
    for n in ("to_q", "to_k", "to_v", "to_out.0"):
        yield f"{a}.{n}.weight", (512, 512)
        yield f"{a}.{n}.bias", (512,)


def autoencoder():
    widths = (128, 256, 512, 512)
    yield from conv("encoder.conv_in", 3, 128, 3)
    cin = 128
    for i, c in enumerate(widths):
        for j in range(2):
            yield from resnet(f"encoder.down_blocks.{i}.resnets.{j}", cin, c)
            cin = c
        if i < 3:
            yield from conv(f"encoder.down_blocks.{i}.downsamplers.0.conv", c, c, 3)
    yield from middle("encoder.mid_block")
    for n in ("encoder.conv_norm_out", "decoder.conv_norm_out"):
        c = 512 if n[0] == "e" else 128
        yield f"{n}.weight", (c,)
        yield f"{n}.bias", (c,)
    yield from conv("encoder.conv_out", 512, 64, 3)
    yield from conv("quant_conv", 64, 64, 1)
    yield from conv("post_quant_conv", 32, 32, 1)
    yield from conv("decoder.conv_in", 32, 512, 3)
    yield from middle("decoder.mid_block")
    cin = 512
    for i, c in enumerate(reversed(widths)):
        for j in range(3):
            yield from resnet(f"decoder.up_blocks.{i}.resnets.{j}", cin, c)
            cin = c
        if i < 3:
            yield from conv(f"decoder.up_blocks.{i}.upsamplers.0.conv", c, c, 3)
    yield from conv("decoder.conv_out", 128, 3, 3)
    yield "bn.running_mean", (128,)
    yield "bn.running_var", (128,)


def constant(name):
    """The value of a tensor that is not random, or None."""
    if name.endswith("bias") or name.endswith("running_mean"):
        return 0.0
    if "norm" in name and name.rsplit(".", 1)[1] in ("weight", "scale") or name.endswith("running_var"):
        return 1.0
    return None


BLOCK = (rng.standard_normal(1 << 24, dtype=np.float32) * 0.02).view(np.uint32)
BF16 = ((BLOCK + 0x8000) >> 16).astype(np.uint16)


def bf16(name, n):
    c = constant(name)
    if c is not None:
        yield np.full(n, np.float32(c).view(np.uint32) >> 16, np.uint16).tobytes()
        return
    first = hash_of(name) % (len(BF16) // 2)
    while n > 0:
        part = BF16[first:first + n]
        yield part.tobytes()
        n, first = n - len(part), 0


def hash_of(name):
    return sum(ord(c) * 31 ** (i % 5) for i, c in enumerate(name))


def safetensors(path, tensors):
    header, at = {}, 0
    tensors = list(tensors)
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            for part in bf16(name, int(np.prod(shape))):
                f.write(part)


def q4_k_blocks():
    """Random blocks of Q4_K whose values spread by about 0.02."""
    n = 1 << 17
    raw = rng.integers(0, 256, (n, 144), dtype=np.uint8)
    raw[:, 0:2] = np.frombuffer(np.float16(1.36e-4).tobytes(), np.uint8)
    raw[:, 2:4] = np.frombuffer(np.float16(1.02e-3).tobytes(), np.uint8)
    return raw.tobytes()


Q4_K = q4_k_blocks()


def gguf(path, arch, tensors):
    """Matrices in Q4_K, vectors in F32."""
    infos, at, parts = b"", 0, []
    tensors = list(tensors)
    for name, shape in tensors:
        quantized = len(shape) == 2 and shape[1] % 256 == 0 and shape[0] > 128
        n = int(np.prod(shape))
        size = n // 256 * 144 if quantized else 4 * n
        infos += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(shape))
        infos += b"".join(struct.pack("<Q", d) for d in reversed(shape)) + struct.pack("<IQ", 12 if quantized else 0, at)
        parts.append((name, n, size, quantized))
        at += size + -size % 32
    key = b"general.architecture"
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(arch)) + arch.encode()
    head += infos
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as f:
        f.write(head + b"\0" * (-len(head) % 32))
        for name, n, size, quantized in parts:
            if quantized:
                for done in range(0, size, len(Q4_K)):
                    f.write(Q4_K[:min(len(Q4_K), size - done)])
            else:
                c = constant(name)
                values = np.full(n, c, np.float32) if c is not None else np.resize(BLOCK, n).view(np.float32)
                f.write(values.tobytes())
            f.write(b"\0" * (-size % 32))


TINY = pathlib.Path(__file__).parents[2] / "flux" / "flux2" / "testdata" / "tiny"


def folder(out, tiny=TINY):
    """Configurations of the true model, and the small tokenizer."""
    for name in ("tokenizer", "scheduler"):
        shutil.copytree(tiny / name, out / name, dirs_exist_ok=True)
    (out / "model_index.json").write_text((tiny / "model_index.json").read_text())

    def config(part, **changes):
        c = json.loads((tiny / part / "config.json").read_text())
        c.update(changes)
        (out / part).mkdir(parents=True, exist_ok=True)
        (out / part / "config.json").write_text(json.dumps(c, indent=2))

    config("transformer", in_channels=128, out_channels=128, num_layers=DOUBLE, num_single_layers=SINGLE, attention_head_dim=128,
           num_attention_heads=HEADS, joint_attention_dim=TEXT, axes_dims_rope=[32, 32, 32, 32], rope_theta=2000, timestep_guidance_channels=256,
           mlp_ratio=3.0, patch_size=1, guidance_embeds=False)
    config("text_encoder", hidden_size=2560, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
           intermediate_size=9728, vocab_size=151936, max_position_embeddings=40960, layer_types=["full_attention"] * 36)
    config("vae", block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=32, norm_num_groups=32, patch_size=[2, 2],
           down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, sample_size=1024)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("bf16", "q4_k"):
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[2])
    folder(out)
    safetensors(out / "vae" / "diffusion_pytorch_model.safetensors", autoencoder())
    if sys.argv[1] == "bf16":
        safetensors(out / "transformer" / "diffusion_pytorch_model.safetensors", diffusers_transformer())
        safetensors(out / "text_encoder" / "model.safetensors", qwen(False))
    else:
        gguf(out / "flux-2-klein-4b-Q4_K.gguf", "flux", transformer())
        gguf(out / "qwen3-4b-Q4_K.gguf", "qwen3", qwen(True))


if __name__ == "__main__":  # gpu_klein.py takes the configurations
    main()
