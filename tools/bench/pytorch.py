"""FLUX's transformer in PyTorch, and the embedded model's training step, for engines.py.

The same weights (models/clipart), the same inputs, the same optimiser: AdamW
after a clip by the global norm, and a moving average of the weights.
"""

import json
import math
import os
import struct
import sys
import tempfile

import peers

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("PyTorch is missing: tools/bench/README.md says how to install it")

MODEL = os.path.join(peers.ROOT, "models", "clipart")
EPSILON = 1e-6

# As in tools/bench/worker/transformer.go.
RATE, BETAS, DECAY, CLIP, AVERAGE = 1e-4, (0.9, 0.99), 0.01, 1.0, 0.99


def read_safetensors(path):
    """The float tensors of a file as float32 (format: huggingface.co/docs/safetensors)."""
    types = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = bytearray(f.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        size = torch.tensor([], dtype=types[t["dtype"]]).element_size()
        flat = torch.frombuffer(data, dtype=types[t["dtype"]], count=(end - begin) // size, offset=begin)
        tensors[name] = flat.reshape(t["shape"]).float().clone()
    return tensors


def attend(q, k, v):
    if hasattr(F, "scaled_dot_product_attention"):  # PyTorch 2
        return F.scaled_dot_product_attention(q, k, v)
    return torch.softmax(q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1])), dim=-1) @ v


def modulated(x, shift, scale):
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPSILON), 1 + scale)


class Transformer:
    """FLUX's transformer after its checkpoint's names (diffusers' FluxTransformer2DModel)."""

    def __init__(self, config, weights, rows, cols, texts):
        self.w, self.heads = weights, config["num_attention_heads"]
        self.double, self.single = config["num_layers"], config["num_single_layers"]
        ids = [(0, 0, 0)] * texts + [(0, row, col) for row in range(rows) for col in range(cols)]
        angles = [[p[axis] * 10000 ** (-2 * i / width) for axis, width in enumerate(config["axes_dims_rope"]) for i in range(width // 2)] for p in ids]
        angles = torch.tensor(angles, dtype=torch.float64)
        self.cos = angles.cos().float().repeat_interleave(2, dim=1)
        self.sin = torch.stack([-angles.sin(), angles.sin()], dim=-1).flatten(1).float()
        self.texts = texts
        self.frequencies = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def rms(self, name, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * self.w[name + ".weight"]

    def split(self, name, x):  # [B, heads, L, width]
        return self.linear(name, x).unflatten(2, (self.heads, -1)).transpose(1, 2)

    def rotate(self, x):
        return x * self.cos + x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2) * self.sin

    def attention(self, q, k, v):
        return attend(self.rotate(q), self.rotate(k), v).transpose(1, 2).flatten(2)

    def mlp(self, name, x):
        return self.linear(name + ".linear_2", F.silu(self.linear(name + ".linear_1", x)))

    def modulation(self, name, temb, n):
        return self.linear(name + ".linear", temb).unsqueeze(1).chunk(n, dim=-1)

    def forward(self, latents, text, pooled, timestep):
        angles = (timestep * 1000)[:, None] * self.frequencies
        temb = self.mlp("time_text_embed.timestep_embedder", torch.cat([angles.cos(), angles.sin()], -1))
        temb = F.silu(temb + self.mlp("time_text_embed.text_embedder", pooled))
        y, x = self.linear("context_embedder", text), self.linear("x_embedder", latents)
        for i in range(self.double):
            y, x = self.double_block(f"transformer_blocks.{i}.", temb, y, x)
        texts = y.shape[1]
        x = torch.cat([y, x], 1)
        for i in range(self.single):
            x = self.single_block(f"single_transformer_blocks.{i}.", temb, x)
        scale, shift = self.modulation("norm_out", temb, 2)
        return self.linear("proj_out", modulated(x[:, texts:], shift, scale))

    def double_block(self, p, temb, y, x):
        my, mx = self.modulation(p + "norm1_context", temb, 6), self.modulation(p + "norm1", temb, 6)
        a, b = modulated(y, my[0], my[1]), modulated(x, mx[0], mx[1])
        q = torch.cat([self.rms(p + "attn.norm_added_q", self.split(p + "attn.add_q_proj", a)), self.rms(p + "attn.norm_q", self.split(p + "attn.to_q", b))], 2)
        k = torch.cat([self.rms(p + "attn.norm_added_k", self.split(p + "attn.add_k_proj", a)), self.rms(p + "attn.norm_k", self.split(p + "attn.to_k", b))], 2)
        v = torch.cat([self.split(p + "attn.add_v_proj", a), self.split(p + "attn.to_v", b)], 2)
        both = self.attention(q, k, v)
        texts = y.shape[1]
        y = y + my[2] * self.linear(p + "attn.to_add_out", both[:, :texts])
        x = x + mx[2] * self.linear(p + "attn.to_out.0", both[:, texts:])
        y = y + my[5] * self.feed_forward(p + "ff_context", modulated(y, my[3], my[4]))
        x = x + mx[5] * self.feed_forward(p + "ff", modulated(x, mx[3], mx[4]))
        return y, x

    def feed_forward(self, name, x):
        return self.linear(name + ".net.2", F.gelu(self.linear(name + ".net.0.proj", x), approximate="tanh"))

    def single_block(self, p, temb, x):
        shift, scale, gate = self.modulation(p + "norm", temb, 3)
        z = modulated(x, shift, scale)
        hidden = F.gelu(self.linear(p + "proj_mlp", z), approximate="tanh")
        q = self.rms(p + "attn.norm_q", self.split(p + "attn.to_q", z))
        k = self.rms(p + "attn.norm_k", self.split(p + "attn.to_k", z))
        both = self.attention(q, k, self.split(p + "attn.to_v", z))
        return x + gate * self.linear(p + "proj_out", torch.cat([both, hidden], -1))


class Network:
    """The model with one batch of the worker's inputs."""

    def __init__(self, given):
        def read(*path):
            with open(os.path.join(MODEL, *path)) as f:
                return json.load(f)
        settings = read("reflectionflow.json")
        weights = read_safetensors(os.path.join(MODEL, "transformer", "diffusion_pytorch_model.safetensors"))
        self.given = given
        self.model = Transformer(read("transformer", "config.json"), weights,
                                 settings["height"] // 16, settings["width"] // 16, settings["text_length"])
        self.loss, self.steps, self.parameters = self.error, 0, list(weights.values())
        self.averages = [p.clone() for p in self.parameters]
        groups = [
            {"params": [p for p in self.parameters if p.dim() > 1], "weight_decay": DECAY},
            {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=1e-8, foreach=True)

    def velocity(self):
        g = self.given
        return self.model.forward(g["latents"], g["text"], g["pooled"], g["timestep"])

    def error(self):
        return F.mse_loss(self.velocity(), self.given["target"])

    def train(self):
        """One training step. Its gradient is that of self.loss, which may be compiled."""
        for p in self.parameters:
            p.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()
        decay = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        with torch.no_grad():
            torch._foreach_mul_(self.averages, decay)
            torch._foreach_add_(self.averages, self.parameters, alpha=1 - decay)
        return loss.item()


def check(worker, batch):
    """The network on the worker's inputs, after a comparison of the velocity and of the losses of the first training
    steps with the worker's."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "check.safetensors")
        worker.ask(do="check", batch=batch, file=path)
        given = read_safetensors(path)
    network = Network(given)
    with torch.inference_mode():
        velocity, want = network.velocity(), given["velocity"]
    forward = ((velocity - want).abs().max() / want.abs().max()).item()
    trained = Network(given)
    training = max(abs(trained.train() / loss - 1) for loss in given["losses"].tolist())
    if forward > 1e-4 or training > 1e-4:
        sys.exit(f"the implementations differ: velocity by {forward:.1e}, losses by {training:.1e}")
    return network
