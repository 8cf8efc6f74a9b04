"""Writes small networks with random weights, and what transformers makes of images and texts with them.

    python make.py      needs transformers 5.24, torch, Pillow 13, sentencepiece, safetensors

    clip/           CLIPModel, quick_gelu, F16, without preprocessor_config.json
    clip-gelu/      CLIPModel, gelu, BF16, in shards
    siglip/         SiglipModel with the tokenizer of the first version
    siglip2/        SiglipModel with that of SigLIP 2, bilinear
    golden.safetensors: images, and embeddings and logits by network

The tokenizers are those of ../../../tokenizer/testdata."""

import json
import os
import shutil

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTokenizer, SiglipConfig, SiglipModel, SiglipTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

here = os.path.dirname(os.path.abspath(__file__))
tokenizers = os.path.join(here, "..", "..", "..", "tokenizer", "testdata")
rng = np.random.default_rng(3)
torch.manual_seed(1)
out = {}
texts = ["a photo of two red clocks", "A cat, left of a dog!", "", "it's 35 mm film by the river " * 12]
images = []
for i, (width, height) in enumerate([(37, 23), (19, 50), (1, 1)]):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 90 * np.sin(x / (3 + c) + y / (2 + c)) + 40 * (x > y) for c in range(3)]
    pixels = np.clip(np.stack(planes, -1) + rng.normal(0, 5, (height, width, 3)), 0, 255).astype(np.uint8)
    out[f"image.{i}"] = torch.from_numpy(pixels)
    images.append(Image.fromarray(pixels))


def write(name, model, ids, pixels, dtype=torch.float32, **save):
    with torch.no_grad():
        for p in model.parameters():
            p.data = torch.randn_like(p) * (0.3 if p.ndim > 1 else 0.2)
        model.logit_scale.data.fill_(1.5)
        model = model.eval().to(dtype)
        shutil.rmtree(os.path.join(here, name), ignore_errors=True)
        model.save_pretrained(os.path.join(here, name), **save)
        model = model.float()
        o = model(input_ids=ids, pixel_values=pixels)
    out[name + ".texts"], out[name + ".images"], out[name + ".logits"] = o.text_embeds, o.image_embeds, o.logits_per_image


tokenizer = CLIPTokenizer.from_pretrained(os.path.join(tokenizers, "clip"))
size = max(tokenizer.get_vocab().values()) + 1
blocks = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
for name, act, eos in [("clip", "quick_gelu", 2), ("clip-gelu", "gelu", tokenizer.eos_token_id)]:
    side, patch = (16, 8) if name == "clip" else (20, 6)
    positions = 40 if name == "clip" else 24
    config = CLIPConfig(
        text_config=dict(blocks, vocab_size=size, max_position_embeddings=positions, hidden_act=act, eos_token_id=eos, bos_token_id=tokenizer.bos_token_id),
        vision_config=dict(blocks, hidden_size=24, num_attention_heads=3, image_size=side, patch_size=patch, hidden_act=act), projection_dim=12)
    ids = tokenizer(texts, padding="max_length", truncation=True, max_length=positions, return_tensors="pt").input_ids
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    pixels = processor(images, return_tensors="pt")["pixel_values"]
    if name == "clip":
        write(name, CLIPModel(config), ids, pixels, torch.float16)
    else:
        write(name, CLIPModel(config), ids, pixels, torch.bfloat16, max_shard_size="20KB")
        processor.save_pretrained(os.path.join(here, name))

tokenizer = SiglipTokenizer(os.path.join(tokenizers, "t5", "spiece.model"))
config = SiglipConfig(
    text_config=dict(blocks, vocab_size=len(tokenizer.get_vocab()), max_position_embeddings=20, projection_size=24),
    vision_config=dict(blocks, hidden_size=24, num_attention_heads=3, image_size=16, patch_size=4))
ids = tokenizer(texts, padding="max_length", truncation=True, max_length=20, return_tensors="pt").input_ids
processor = SiglipImageProcessorPil(size={"height": 16, "width": 16})
write("siglip", SiglipModel(config), ids, processor(images, return_tensors="pt")["pixel_values"], torch.bfloat16)
processor.save_pretrained(os.path.join(here, "siglip"))
with open(os.path.join(here, "siglip", "tokenizer_config.json"), "w") as file:
    json.dump({"pad_token": "</s>", "eos_token": "</s>", "tokenizer_class": "SiglipTokenizer"}, file)

tokenizer = AutoTokenizer.from_pretrained(os.path.join(tokenizers, "gemma"))
config.text_config.vocab_size = len(tokenizer.get_vocab())
ids = tokenizer(texts, padding="max_length", truncation=True, max_length=20, return_tensors="pt").input_ids
processor = SiglipImageProcessorPil(size={"height": 16, "width": 16}, resample=2)
write("siglip2", SiglipModel(config), ids, processor(images, return_tensors="pt")["pixel_values"], torch.bfloat16)
processor.save_pretrained(os.path.join(here, "siglip2"))

save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(here, "golden.safetensors"))
with open(os.path.join(here, "texts.json"), "w") as file:
    json.dump(texts, file)
