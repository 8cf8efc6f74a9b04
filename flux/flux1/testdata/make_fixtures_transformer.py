"""Makes the transformer_*.safetensors fixtures of package flux with PyTorch.

The base model is diffusers' own FluxTransformer2DModel. The condition stream and
its LoRA are written here on top of diffusers' modules, after the description in
the paper and its published training code: timestep 0 and guidance 1 for the
condition, LoRA on chosen streams only, sequence text, image, condition.

    python make_fixtures_transformer.py     # torch 2.9.0, diffusers 0.35.2
"""

import json
import math

import diffusers
import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux import FluxPosEmbed
from safetensors.torch import save_file

CONFIG = dict(
    patch_size=1, in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=8,
    num_attention_heads=2, joint_attention_dim=12, pooled_projection_dim=10, axes_dims_rope=(2, 2, 4),
)
ROWS, COLS, TEXT, BATCH = 4, 3, 5, 2
COND_ROWS, COND_COLS = 3, 2
RANK = 4
META = {"format": "pt", "made_by": "make_fixtures_transformer.py", "torch": torch.__version__, "diffusers": diffusers.__version__}

generator = torch.Generator().manual_seed(20250422)


def normal(*shape, std=1.0):
    return torch.randn(*shape, generator=generator) * std


def rounded(x):
    """Values that bfloat16 holds, so that the files can be small."""
    return x.to(torch.bfloat16).to(torch.float32)


def model(guidance, weights=None):
    m = FluxTransformer2DModel(guidance_embeds=guidance, **CONFIG).float().eval()
    if weights is None:
        weights = {}
        for name, p in sorted(m.named_parameters()):
            if p.dim() == 2:
                weights[name] = rounded(normal(*p.shape, std=1 / math.sqrt(p.shape[1])))
            elif ".norm_" in name:  # RMS norms
                weights[name] = rounded(1 + normal(*p.shape, std=0.2))
            else:
                weights[name] = rounded(normal(*p.shape, std=0.1))
    own = m.state_dict()
    m.load_state_dict({k: v for k, v in weights.items() if k in own})
    return m, weights


def grid_ids(rows, cols, delta=(0, 0)):
    ids = torch.zeros(rows, cols, 3)
    ids[..., 1] = torch.arange(rows)[:, None] + delta[0]
    ids[..., 2] = torch.arange(cols)[None, :] + delta[1]
    return ids.reshape(rows * cols, 3)


class Adapted:
    """Linear layers with LoRA switched on for chosen streams."""

    def __init__(self, lora, scale):
        self.lora, self.scale = lora, scale

    def __call__(self, name, module, x, active):
        y = module(x)
        a, b = (self.lora.get(f"transformer.{name}.lora_{h}.weight") for h in "AB")
        if active and a is not None:
            y = y + self.scale * F.linear(F.linear(x, a), b)
        return y


def attention(q, k, v, rope, cond_tokens, bias):
    q, k = apply_rotary_emb(q, rope), apply_rotary_emb(k, rope)  # [B, H, S, D]
    n = q.shape[2]
    mask = torch.zeros(n, n)
    mask[: n - cond_tokens, n - cond_tokens :] = bias
    mask[n - cond_tokens :, : n - cond_tokens] = bias
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
    out = scores.softmax(-1) @ v
    return out.transpose(1, 2).flatten(2)


def heads(x):
    return x.unflatten(2, (CONFIG["num_attention_heads"], -1)).transpose(1, 2)


def modulated(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


@torch.no_grad()
def conditioned(m, inputs, lora, scale=1.0, condition_scale=1.0, all_streams=False):
    lin = Adapted(lora, scale)
    T, X, C = inputs["text"], inputs["latents"], inputs["condition"]
    on = {"T": all_streams, "X": all_streams, "C": True}
    t, g, pooled = inputs["timestep"], inputs["guidance"], inputs["pooled"]
    temb = m.time_text_embed(t * 1000, g * 1000, pooled)
    ctemb = m.time_text_embed(t * 0, torch.full_like(g, 1000.0), pooled)
    tembs = {"T": temb, "X": temb, "C": ctemb}
    x = {
        "T": lin("context_embedder", m.context_embedder, T, on["T"]),
        "X": lin("x_embedder", m.x_embedder, X, on["X"]),
        "C": lin("x_embedder", m.x_embedder, C, on["C"]),
    }
    ids = torch.cat([torch.zeros(T.shape[1], 3), grid_ids(ROWS, COLS), grid_ids(COND_ROWS, COND_COLS, (0, -COND_COLS))])
    rope = m.pos_embed(ids)
    bias = math.log(condition_scale)
    nc = C.shape[1]
    for i, block in enumerate(m.transformer_blocks):
        p, a = f"transformer_blocks.{i}", block.attn
        mods, q, k, v = {}, [], [], []
        for s in "TXC":
            norm, name = (block.norm1_context, "norm1_context") if s == "T" else (block.norm1, "norm1")
            mods[s] = lin(f"{p}.{name}.linear", norm.linear, F.silu(tembs[s]), on[s]).chunk(6, dim=-1)
            y = modulated(x[s], mods[s][0], mods[s][1])
            names = ("add_q_proj", "add_k_proj", "add_v_proj") if s == "T" else ("to_q", "to_k", "to_v")
            nq, nk = (a.norm_added_q, a.norm_added_k) if s == "T" else (a.norm_q, a.norm_k)
            ys = [heads(lin(f"{p}.attn.{n}", getattr(a, n), y, on[s])) for n in names]
            q.append(nq(ys[0])), k.append(nk(ys[1])), v.append(ys[2])
        att = attention(torch.cat(q, 2), torch.cat(k, 2), torch.cat(v, 2), rope, nc, bias)
        att = dict(zip("TXC", att.split([x[s].shape[1] for s in "TXC"], dim=1)))
        for s in "TXC":
            _, _, gate, shift, sc, gate_mlp = mods[s]
            out, name = (a.to_add_out, "to_add_out") if s == "T" else (a.to_out[0], "to_out.0")
            x[s] = x[s] + gate[:, None] * lin(f"{p}.attn.{name}", out, att[s], on[s])
            ff, name = (block.ff_context, "ff_context") if s == "T" else (block.ff, "ff")
            y = ff.net[0](modulated(x[s], shift, sc))
            x[s] = x[s] + gate_mlp[:, None] * lin(f"{p}.{name}.net.2", ff.net[2], y, on[s])
    x = {"X": torch.cat([x["T"], x["X"]], 1), "C": x["C"]}
    for i, block in enumerate(m.single_transformer_blocks):
        p, a = f"single_transformer_blocks.{i}", block.attn
        gates, mlps, q, k, v = {}, {}, [], [], []
        for s in "XC":
            shift, sc, gates[s] = lin(f"{p}.norm.linear", block.norm.linear, F.silu(tembs[s]), on[s]).chunk(3, dim=-1)
            y = modulated(x[s], shift, sc)
            mlps[s] = F.gelu(lin(f"{p}.proj_mlp", block.proj_mlp, y, on[s]), approximate="tanh")
            ys = [heads(lin(f"{p}.attn.{n}", getattr(a, n), y, on[s])) for n in ("to_q", "to_k", "to_v")]
            q.append(a.norm_q(ys[0])), k.append(a.norm_k(ys[1])), v.append(ys[2])
        att = attention(torch.cat(q, 2), torch.cat(k, 2), torch.cat(v, 2), rope, nc, bias)
        att = dict(zip("XC", att.split([x[s].shape[1] for s in "XC"], dim=1)))
        for s in "XC":
            y = torch.cat([att[s], mlps[s]], dim=2)
            x[s] = x[s] + gates[s][:, None] * lin(f"{p}.proj_out", block.proj_out, y, on[s])
    return m.proj_out(m.norm_out(x["X"][:, T.shape[1] :], temb))


@torch.no_grad()
def base(m, inputs, guidance):
    return m(
        hidden_states=inputs["latents"], encoder_hidden_states=inputs["text"], pooled_projections=inputs["pooled"],
        timestep=inputs["timestep"], guidance=inputs["guidance"] if guidance else None,
        img_ids=grid_ids(ROWS, COLS), txt_ids=torch.zeros(inputs["text"].shape[1], 3), return_dict=False,
    )[0]


def make_lora(m, all_streams):
    double = ["norm1.linear", "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "ff.net.2"]
    single = ["norm.linear", "proj_mlp", "proj_out", "attn.to_q", "attn.to_k", "attn.to_v"]
    names = ["x_embedder"]
    if all_streams:
        names.append("context_embedder")
        double += ["norm1_context.linear", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out", "ff_context.net.2"]
    names += [f"transformer_blocks.0.{n}" for n in double] + [f"single_transformer_blocks.0.{n}" for n in single]
    lora = {}
    for n in names:
        module = m.get_submodule(n)
        lora[f"transformer.{n}.lora_A.weight"] = rounded(normal(RANK, module.in_features, std=0.5))
        lora[f"transformer.{n}.lora_B.weight"] = rounded(normal(module.out_features, RANK, std=0.3))
    return lora


def sigmas(steps, tokens, **changes):
    """The noise levels as FluxPipeline asks its scheduler for them."""
    config = dict(shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=256, max_image_seq_len=4096)
    s = FlowMatchEulerDiscreteScheduler(**{**config, **changes})
    mu = (1.15 - 0.5) / (4096 - 256) * (tokens - 256) + 0.5
    import numpy as np
    s.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu if s.config.use_dynamic_shifting else None)
    return s


def main():
    guided, weights = model(True)
    plain, _ = model(False, weights)
    inputs = {
        "latents": normal(BATCH, ROWS * COLS, 8), "text": normal(BATCH, TEXT, 12), "pooled": normal(BATCH, 10),
        "timestep": torch.tensor([1.0, 0.3]), "guidance": torch.tensor([3.5, 1.5]),
        "condition": normal(BATCH, COND_ROWS * COND_COLS, 8),
    }
    lora, lora_all = make_lora(guided, False), make_lora(guided, True)
    out = dict(inputs)
    out["base.guided"] = base(guided, inputs, True)
    out["base.plain"] = base(plain, inputs, False)
    out["condition.lora"] = conditioned(guided, inputs, lora)
    out["condition.scaled"] = conditioned(guided, inputs, lora, condition_scale=0.4)
    out["condition.all_streams"] = conditioned(guided, inputs, lora_all, scale=8 / RANK, all_streams=True)

    # The reference above, with the condition out of reach, must be diffusers' own.
    far = conditioned(guided, inputs, {}, condition_scale=1e-30)
    assert torch.allclose(far, out["base.guided"], atol=1e-5), (far - out["base.guided"]).abs().max()

    ids = torch.cat([torch.zeros(2, 3), grid_ids(5, 7), grid_ids(3, 4, (0, -4))])
    out["rope.cos"], out["rope.sin"] = FluxPosEmbed(theta=10000, axes_dim=[4, 6, 6])(ids)

    image = normal(2, 3, 6, 4)  # [B, C, h, w]
    out["pack.image"], out["pack.tokens"] = image, FluxPipeline._pack_latents(image, 2, 3, 6, 4)

    for steps, tokens in [(28, 4096), (4, 1024), (1, 64), (10, 64), (30, 3072)]:
        out[f"sigmas.{steps}.{tokens}"] = sigmas(steps, tokens).sigmas
    out["sigmas.shift3.20"] = sigmas(20, 64, use_dynamic_shifting=False).sigmas

    s, x = sigmas(5, ROWS * COLS), inputs["latents"]
    for t in s.timesteps:
        v = base(guided, {**inputs, "latents": x, "timestep": t.expand(BATCH) / 1000}, True)
        x = s.step(v, t, x, return_dict=False)[0]
    out["euler.5"] = x

    def small(tensors):
        return {k: v.to(torch.bfloat16) for k, v in tensors.items()}

    save_file(small(weights), "transformer_weights.safetensors", META)
    save_file(small(lora), "transformer_lora.safetensors", META)
    adapter = {"transformer.r": RANK, "transformer.lora_alpha": 8}
    save_file(small(lora_all), "transformer_lora_all.safetensors",
              {**META, "lora_adapter_metadata": json.dumps(adapter), "reflectionflow.streams": "all"})
    save_file({k: v.contiguous() for k, v in out.items()}, "transformer_cases.safetensors", META)


main()
