"""Writes a small OWLv2 with random weights, and what transformers makes of images and phrases with it.

    python make.py      needs transformers 5.24, torch, scipy, Pillow 13, safetensors

    tiny/               Owlv2ForObjectDetection, F16
    golden.safetensors  images; logits, boxes and vectors of phrases

The tokenizer is that of ../../../tokenizer/testdata/clip."""

import os
import shutil

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)
torch.manual_seed(2)
out, images = {}, []
for i, (width, height) in enumerate([(61, 37), (29, 70), (40, 40), (1, 1)]):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 90 * np.sin(x / (3 + c) + y / (2 + c)) + 40 * (x > y) for c in range(3)]
    pixels = np.clip(np.stack(planes, -1) + rng.normal(0, 5, (height, width, 3)), 0, 255).astype(np.uint8)
    out[f"image.{i}"] = torch.from_numpy(pixels)
    images.append(Image.fromarray(pixels))

tokenizer = CLIPTokenizer.from_pretrained(os.path.join(here, "..", "..", "..", "tokenizer", "testdata", "clip"))
blocks = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
config = Owlv2Config(
    text_config=dict(blocks, vocab_size=max(tokenizer.get_vocab().values()) + 1, max_position_embeddings=16),
    vision_config=dict(blocks, hidden_size=24, num_attention_heads=3, image_size=40, patch_size=8), projection_dim=16)
model = Owlv2ForObjectDetection(config).eval()
phrases = ["a photo of a red clock", "a photo of a cat", "a photo of a dog"]
ids = tokenizer(phrases, padding="max_length", max_length=16, return_tensors="pt").input_ids
ids[ids == tokenizer.pad_token_id] = 0  # as the processor of OWLv2 does; the end stays
for row, text in zip(ids, phrases):
    row[len(tokenizer(text).input_ids) - 1] = tokenizer.eos_token_id
pixels = Owlv2ImageProcessorPil(size={"height": 40, "width": 40})(images, return_tensors="pt")["pixel_values"]
with torch.no_grad():
    for p in model.parameters():
        p.data = torch.randn_like(p) * (0.3 if p.ndim > 1 else 0.2)
    model = model.half()
    shutil.rmtree(os.path.join(here, "tiny"), ignore_errors=True)
    model.save_pretrained(os.path.join(here, "tiny"))
    model = Owlv2ForObjectDetection.from_pretrained(os.path.join(here, "tiny"), dtype=torch.float32).eval()
    o = model(input_ids=ids.repeat(len(images), 1), pixel_values=pixels, attention_mask=(ids > 0).long().repeat(len(images), 1))
out["logits"], out["boxes"], out["objectness"] = o.logits, o.pred_boxes, o.objectness_logits
Owlv2ImageProcessorPil(size={"height": 40, "width": 40}).save_pretrained(os.path.join(here, "tiny"))
save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(here, "golden.safetensors"))
print(torch.sigmoid(o.logits).amax((1,)), o.logits.shape)
