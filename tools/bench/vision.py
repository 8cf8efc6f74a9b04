"""CLIP L/14 and OWLv2-base here and in PyTorch: one image through the network, at the sizes of the published models.

Weights are random: the script writes folders with them to a temporary folder, 1.4 and 0.6 GB. The image has the
network's size, so that resizing takes no time on either side; patches, logits and boxes are computed on both. Outputs
are compared before anything is timed.

Needs PyTorch, transformers, safetensors and Pillow, and bin/bench-worker (make bench-peers builds it). Installs
nothing.
"""

import os
import shutil
import sys
import tempfile

import peers

try:
    import numpy as np
    import torch
    from PIL import Image
    from transformers import CLIPConfig, CLIPModel, Owlv2Config, Owlv2ForObjectDetection
except ImportError:
    sys.exit("PyTorch, transformers or Pillow is missing: pip install torch transformers pillow, in a virtual environment")

TOKENIZER = os.path.join(peers.ROOT, "tokenizer", "testdata", "clip")
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


def clip():
    vision = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=224, patch_size=14)
    text = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=1)  # texts are not timed
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=768)).eval()

    def look(pixels):
        v = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        return (v / v.norm(dim=-1, keepdim=True))[0]
    return model, 224, look


def owlv2():
    vision = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=960, patch_size=16)
    model = Owlv2ForObjectDetection(Owlv2Config(vision_config=vision)).eval()
    # "a photo of a cat" by the tokenizer of the tests; 0 pads.
    from transformers import CLIPTokenizer
    ids = torch.zeros(1, 16, dtype=torch.long)
    tokens = CLIPTokenizer.from_pretrained(TOKENIZER)("a photo of a cat").input_ids
    ids[0, :len(tokens)] = torch.tensor(tokens)
    phrases = []  # its vector, once the weights are there

    def look(pixels):
        if not phrases:
            vector = model.owlv2.get_text_features(input_ids=ids, attention_mask=(ids > 0).long())
            phrases.append(getattr(vector, "pooler_output", vector))
        features, _ = model.image_embedder(pixel_values=pixels)
        n, rows, columns, width = features.shape
        flat = features.reshape(n, rows * columns, width)
        logits, _ = model.class_predictor(flat, phrases[0][None])
        x, y, w, h = model.box_predictor(flat, features)[0].unbind(-1)
        inside = ((x + w / 2).clamp(0, 1) > (x - w / 2).clamp(0, 1)) & ((y + h / 2).clamp(0, 1) > (y - h / 2).clamp(0, 1))
        return torch.sigmoid(logits[0, inside, 0]).max()[None]  # of like boxes the detector keeps one
    return model, 960, look


def main():
    options = peers.arguments(__doc__.splitlines()[0], lambda parser: parser.add_argument("--only", choices=["clip", "owlv2"]))
    torch.manual_seed(1)
    torch.set_num_threads(peers.threads())
    report = {"machine": peers.machine(), "about": {}, "rows": []}
    worker = peers.Worker()
    for do, name, build in (("clip", "CLIP L/14, one image", clip), ("owlv2", "OWLv2-base, one image", owlv2)):
        if options.only and options.only != do:
            continue
        with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
            model, side, look = build()
            for key, p in model.named_parameters():  # transformers leaves heads without values
                torch.nn.init.normal_(p, std=0.03) if p.ndim > 1 else torch.nn.init.constant_(p, float("norm" in key and key.endswith("weight")))
            model.save_pretrained(folder)
            for file in os.listdir(TOKENIZER):
                shutil.copy(os.path.join(TOKENIZER, file), folder)
            values = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
            image = os.path.join(folder, "image.png")
            Image.fromarray(values).save(image)
            pixels = ((torch.from_numpy(values).permute(2, 0, 1).float() / 255 - MEAN) / STD)[None]
            want = look(pixels)
            ask = {"do": do, "folder": folder, "file": image, "time": 0.2}
            got = torch.tensor(worker.answer(**ask)["values"])
            apart = ((got - want).abs().max() / want.abs().max()).item()
            if apart > 1e-3:
                sys.exit(f"{name}: the implementations differ by {apart:.1e}")
            report["about"][f"largest relative difference, {name}"] = f"{apart:.1e}"
            engine, peer = peers.compete(options.rounds, lambda: worker.ask(**ask), lambda: peers.repeat(lambda: look(pixels), 0.2))
            report["rows"].append(peers.row(name, 0, engine, peer))
            del model, look
    report["about"] = {"engine": worker.backend, "PyTorch": f"{torch.__version__}, {torch.get_num_threads()} threads", **report["about"]}
    peers.show(report, options.json, "PyTorch")


if __name__ == "__main__":
    main()
