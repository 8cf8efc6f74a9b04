"""Writes models without any training that real servers load: they test the protocol, not the images.

    python tiny_models.py FOLDER

flux.safetensors   a FLUX transformer of one double and one single block, width 128 (BFL's names)
tae.safetensors    its tiny autoencoder (TAESD's names, 16 channels)
clip_l.safetensors CLIP-L's text encoder, whose size stable-diffusion.cpp does not take from the file
llama.gguf         a Llama of two layers with a vocabulary of bytes

All weights are random by fixed seeds. Needs numpy and gguf.
"""

import json
import pathlib
import sys

import gguf
import numpy as np


def weights(shape, scale, seed):
    """A block of random numbers, repeated: drawing 120 million of them would be slow."""
    n = int(np.prod(shape))
    block = np.random.default_rng(seed).standard_normal(65537).astype(np.float16) * np.float16(scale)
    return np.resize(block, n)


def safetensors(path, shapes):
    """Writes tensors of random f16; names that end in one of the words are ones or zeros, as norms begin."""
    header, offset, parts = {}, 0, []
    for seed, (name, shape) in enumerate(shapes.items()):
        if name.endswith((".scale", "norm1.weight", "norm2.weight", "norm.weight")):
            data = np.ones(shape, np.float16)
        elif name.endswith(".bias"):
            data = np.zeros(shape, np.float16)
        else:
            data = weights(shape, 0.5 / np.sqrt(np.prod(shape[1:])), seed)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + data.nbytes]}
        offset += data.nbytes
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for data in parts:
            f.write(data.tobytes())


def flux(width=128, text=4096, pooled=768, channels=64):
    shapes = {}

    def linear(name, out, into):
        shapes[name + ".weight"], shapes[name + ".bias"] = (out, into), (out,)

    linear("img_in", width, channels)
    linear("txt_in", width, text)
    for name, into in {"time_in": 256, "vector_in": pooled, "guidance_in": 256}.items():
        linear(name + ".in_layer", width, into)
        linear(name + ".out_layer", width, width)
    for side in "img", "txt":
        block = "double_blocks.0." + side
        linear(block + "_mod.lin", 6 * width, width)
        linear(block + "_attn.qkv", 3 * width, width)
        linear(block + "_attn.proj", width, width)
        linear(block + "_mlp.0", 4 * width, width)
        linear(block + "_mlp.2", width, 4 * width)
        for norm in "query", "key":
            shapes[f"{block}_attn.norm.{norm}_norm.scale"] = (128,)
    linear("single_blocks.0.linear1", 7 * width, width)
    linear("single_blocks.0.linear2", width, 5 * width)
    linear("single_blocks.0.modulation.lin", 3 * width, width)
    for norm in "query", "key":
        shapes[f"single_blocks.0.norm.{norm}_norm.scale"] = (128,)
    linear("final_layer.linear", channels, width)
    linear("final_layer.adaLN_modulation.1", 2 * width, width)
    return shapes


def tae(latent=16, width=64):
    shapes = {}

    def conv(name, out, into, bias=True):
        shapes[name + ".weight"] = (out, into, 3, 3)
        if bias:
            shapes[name + ".bias"] = (out,)

    def blocks(side, *numbers):
        for n in numbers:
            for c in 0, 2, 4:
                conv(f"{side}.layers.{n}.conv.{c}", width, width)

    conv("encoder.layers.0", width, 3)
    blocks("encoder", 1, 3, 4, 5, 7, 8, 9, 11, 12, 13)
    for n in 2, 6, 10:
        conv(f"encoder.layers.{n}", width, width, bias=False)
    conv("encoder.layers.14", latent, width)
    conv("decoder.layers.0", width, latent)
    blocks("decoder", 2, 3, 4, 7, 8, 9, 12, 13, 14, 17)
    for n in 6, 11, 16:
        conv(f"decoder.layers.{n}", width, width, bias=False)
    conv("decoder.layers.18", 3, width)
    return shapes


def clip(width=768, layers=12, vocabulary=49408, length=77):
    shapes = {
        "text_model.embeddings.token_embedding.weight": (vocabulary, width),
        "text_model.embeddings.position_embedding.weight": (length, width),
    }

    def linear(name, out, into):
        shapes[name + ".weight"], shapes[name + ".bias"] = (out, into), (out,)

    for n in range(layers):
        layer = f"text_model.encoder.layers.{n}."
        for name in "q", "k", "v", "out":
            linear(f"{layer}self_attn.{name}_proj", width, width)
        linear(layer + "mlp.fc1", 4 * width, width)
        linear(layer + "mlp.fc2", width, 4 * width)
        for name in "layer_norm1", "layer_norm2":
            shapes[layer + name + ".weight"], shapes[layer + name + ".bias"] = (width,), (width,)
    shapes["text_model.final_layer_norm.weight"] = shapes["text_model.final_layer_norm.bias"] = (width,)
    return shapes


def llama(path, width=64, heads=4, layers=2, inner=128):
    rng = np.random.default_rng(1)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + [chr(9601)] + [chr(c) for c in range(33, 127)]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259)
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("tiny-random")
    w.add_context_length(8192)
    w.add_embedding_length(width)
    w.add_block_count(layers)
    w.add_feed_forward_length(inner)
    w.add_head_count(heads)
    w.add_head_count_kv(heads)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(width // heads)
    w.add_vocab_size(len(tokens))
    w.add_file_type(0)
    w.add_tokenizer_model("llama")
    w.add_token_list(tokens)
    w.add_token_scores([0.0] * len(tokens))
    w.add_token_types(kinds)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:")

    def random(*shape):
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    w.add_tensor("token_embd.weight", random(len(tokens), width))
    w.add_tensor("output_norm.weight", np.ones(width, np.float32))
    w.add_tensor("output.weight", random(len(tokens), width))
    for i in range(layers):
        block = f"blk.{i}."
        for name in "attn_norm", "ffn_norm":
            w.add_tensor(block + name + ".weight", np.ones(width, np.float32))
        for name in "attn_q", "attn_k", "attn_v", "attn_output":
            w.add_tensor(block + name + ".weight", random(width, width))
        w.add_tensor(block + "ffn_gate.weight", random(inner, width))
        w.add_tensor(block + "ffn_up.weight", random(inner, width))
        w.add_tensor(block + "ffn_down.weight", random(width, inner))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    safetensors(folder / "flux.safetensors", flux())
    safetensors(folder / "tae.safetensors", tae())
    safetensors(folder / "clip_l.safetensors", clip())
    llama(folder / "llama.gguf")


if __name__ == "__main__":
    main()
