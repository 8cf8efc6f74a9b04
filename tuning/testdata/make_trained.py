"""Makes what diffusers computes with LoRAs that training wrote.

    pip install torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 peft==0.21.2
    go test ./tuning -run Diffusers -trained     # writes testdata/trained-*/
    python testdata/make_trained.py

    trained-*/             LoRAs on the tiny models of cmd/reflectionflow and flux/flux2
    trained-*.safetensors  the inputs of a transformer, and its velocities without the LoRA and with it

The package and its tests need no Python."""

import os

import torch
from diffusers import Flux2Transformer2DModel, FluxTransformer2DModel
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
MODELS = {
    "flux1": (FluxTransformer2DModel, os.path.join(ROOT, "cmd", "reflectionflow", "testdata", "tiny", "flux1")),
    "flux2": (Flux2Transformer2DModel, os.path.join(ROOT, "flux", "flux2", "testdata", "tiny")),
}
SIDE, TEXTS = 4, 12

for name, (kind, folder) in MODELS.items():
    model = kind.from_pretrained(folder, subfolder="transformer", torch_dtype=torch.float32).eval()
    c, g = model.config, torch.Generator().manual_seed(1)
    tensors = {
        "image": torch.randn(1, SIDE * SIDE, c.in_channels, generator=g), "text": torch.randn(1, TEXTS, c.joint_attention_dim, generator=g),
        "sigma": torch.tensor([0.7]),
    }
    one, side, texts = torch.arange(1), torch.arange(SIDE), torch.arange(TEXTS)
    inputs = {"guidance": None, "img_ids": torch.cartesian_prod(one, side, side, one), "txt_ids": torch.cartesian_prod(one, one, one, texts)}
    if name == "flux1":
        tensors["pooled"] = torch.randn(1, c.pooled_projection_dim, generator=g)
        inputs = {"guidance": torch.ones(1), "pooled_projections": tensors["pooled"], "img_ids": torch.cartesian_prod(one, side, side), "txt_ids": torch.zeros(TEXTS, 3)}

    def velocity():
        with torch.no_grad():
            return model(hidden_states=tensors["image"], encoder_hidden_states=tensors["text"], timestep=tensors["sigma"], return_dict=False, **inputs)[0]

    tensors["before"] = velocity()
    model.load_lora_adapter(os.path.join(HERE, "trained-" + name, "pytorch_lora_weights.safetensors"))
    tensors["after"] = velocity()
    change = (tensors["after"] - tensors["before"]).norm() / tensors["before"].norm()
    layers = sum(hasattr(m, "lora_A") for m in model.modules())
    path = os.path.join(HERE, f"trained-{name}.safetensors")
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"torch": torch.__version__.split("+")[0], "layers": str(layers)})
    print(name, layers, "layers, change", change.item(), os.path.getsize(path), "bytes")
