"""Makes LoRA files of every convention and what they do to every layer, with diffusers and PEFT:

    pip install torch==2.15.0 diffusers==0.42.1 peft==0.21.2 transformers==5.24.0
    python testdata/make_fixtures.py

flux1.safetensors and flux2.safetensors hold the cases of one architecture. "CASE|tensor" is a tensor of a case's file and
"CASE>layer" what the file adds to the layer's output for the input sin(1), sin(2), …; the metadata has the text
headers of the files ("CASE"), the linear layers ("linear") and the cases whose results are diffusers' ("diffusers").

Files of diffusers and PEFT are written by these; those of the other tools have their published form. A result is
diffusers', or PEFT's, where that reads the file, and otherwise alpha/rank·B(A(x)). diffusers' converters have the sizes of
FLUX.1-dev as constants, which are replaced by those of the tiny model. The package and its tests need no Python."""

import inspect
import json
import os
import tempfile

import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel, FluxPipeline, FluxTransformer2DModel
from diffusers.loaders import lora_conversion_utils as conversion
from diffusers.loaders import lora_pipeline
from diffusers.loaders.lora_base import _pack_dict_with_prefix
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

HERE = os.path.dirname(os.path.abspath(__file__))
H = 16  # width of the tiny transformers
generator = torch.Generator().manual_seed(5)


def shrink(name, *changes):
    """Replaces the constants of a converter of diffusers."""
    source = inspect.getsource(getattr(conversion, name))
    for old, new in changes:
        assert old in source, (name, old)
        source = source.replace(old, new)
    exec(source, vars(conversion))
    setattr(lora_pipeline, name, getattr(conversion, name))


shrink("_convert_kohya_flux_lora_to_diffusers", ("[3072, 3072, 3072, 12288]", f"[{H}, {H}, {H}, {4 * H}]"))
shrink("_convert_fal_kontext_lora_to_diffusers", ("num_layers = 19", "num_layers = 1"), ("num_single_layers = 38", "num_single_layers = 1"),
       ("inner_dim = 3072", f"inner_dim = {H}"))


def linear(model):
    return {name: tuple(m.weight.shape) for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}


def probe(width):
    return torch.sin(torch.arange(1, width + 1, dtype=torch.float32))


def random(*shape):
    """Numbers that bfloat16 and float16 have."""
    return (torch.randn(shape, generator=generator) / shape[-1] ** 0.5).bfloat16().float()


class Cases:
    def __init__(self, pipeline, bfl, texts):
        self.pipe, self.linear, self.bfl = pipeline, linear(pipeline.transformer), bfl
        self.all = {f"transformer.{k}": v for k, v in self.linear.items()}
        self.all |= {f"{prefix}.{k}": v for prefix, layers in texts.items() for k, v in layers.items()}
        self.tensors, self.headers, self.read = {}, {}, []

    def truth(self, layers, rank=2, scale=1.0):
        """Random matrices for layers, and what they add."""
        made, added = {}, {}
        for name in layers:
            pieces = self.bfl.get(name, [name])
            shapes = [self.all["transformer." + p] if "transformer." + p in self.all else self.all[p] for p in pieces]
            a, b = random(rank, shapes[0][1]), random(sum(s[0] for s in shapes), rank)
            made[name] = (a, b)
            out = scale * b @ (a @ probe(a.shape[1]))
            if "adaLN" in name:
                out = torch.cat(out.chunk(2)[::-1])
            for p, part in zip(pieces, out.split([s[0] for s in shapes])):
                added[p if p in self.all else "transformer." + p] = part
        return made, added

    def loaded(self, path):
        """What diffusers adds with the file, by layer."""
        self.pipe.load_lora_weights(os.path.dirname(path), weight_name=os.path.basename(path))
        added = self.added(self.pipe.transformer, "transformer.")
        if getattr(self.pipe, "text_encoder", None) is not None:
            added |= self.added(self.pipe.text_encoder, "text_encoder.text_model.")
        self.pipe.unload_lora_weights()
        return added

    def added(self, model, prefix):
        out = {}
        for name, module in model.named_modules():
            if hasattr(module, "base_layer") and module.lora_A:
                x = probe(module.in_features)
                with torch.no_grad():
                    value = module(x) - module.base_layer(x)
                if value.abs().max() > 0:
                    out[prefix + name] = value
        return out

    def add(self, case, file, added, read=True, header=None, partly=False):
        """Takes a case. partly says that diffusers leaves out layers that it should not."""
        file = {k: v.detach().clone().contiguous() for k, v in file.items()}
        if read:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "lora.safetensors")
                save_file(file, path, header)
                got = self.loaded(path)
            assert partly or got.keys() == added.keys(), (case, got.keys() ^ added.keys())
            for name, value in got.items():
                assert torch.allclose(value, added[name], atol=1e-3, rtol=1e-3), (case, name, value, added[name])
                added[name] = value
            assert got, case
            self.read.append(case)
        self.tensors |= {f"{case}|{k}": v for k, v in file.items()}
        self.tensors |= {f"{case}>{k}": v.float() for k, v in added.items()}
        self.headers[case] = header or {}

    def diffusers(self, case, save, **config):
        """A file that diffusers writes."""
        t = self.pipe.transformer
        t.add_adapter(LoraConfig(init_lora_weights=False, **config))
        state = get_peft_model_state_dict(t)
        for name, value in state.items():
            value.copy_(random(*value.shape))
        added = self.added(t, "transformer.")
        with tempfile.TemporaryDirectory() as folder:
            settings = json.loads(json.dumps(t.peft_config["default"].to_dict(), default=lambda v: sorted(v) if isinstance(v, set) else str(v)))
            save(folder, transformer_lora_layers=state, transformer_lora_adapter_metadata=settings)
            with safe_open(os.path.join(folder, "pytorch_lora_weights.safetensors"), "pt") as f:
                file, header = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()
        self.pipe.unload_lora_weights()
        self.add(case, file, added, header=header)

    def peft(self, case, make, **config):
        """A file that PEFT writes, with adapter_config.json as its header "adapter_config"."""
        model = get_peft_model(make(), LoraConfig(init_lora_weights=False, **config))
        for name, value in get_peft_model_state_dict(model).items():
            value.copy_(random(*value.shape))
        added = {k.replace("transformer.base_model.model.", "transformer."): v for k, v in self.added(model, "transformer.").items()}
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            with safe_open(os.path.join(folder, "adapter_model.safetensors"), "pt") as f:
                file = {k: f.get_tensor(k) for k in f.keys()}
            with open(os.path.join(folder, "adapter_config.json")) as f:
                self.add(case, file, added, read=False, header={"adapter_config": f.read()})

    def write(self, name):
        path = os.path.join(HERE, name)
        save_file({k: v.contiguous().clone() for k, v in self.tensors.items()}, path, {
            "linear": json.dumps(self.all), "headers": json.dumps(self.headers), "diffusers": json.dumps(self.read)})
        print(name, os.path.getsize(path), len(self.headers), "cases, by diffusers:", self.read)


def named(made, name, a=".lora_A.weight", b=".lora_B.weight", dtype=torch.float32):
    return {k: v for layer, (x, y) in made.items() for k, v in {name(layer) + a: x.to(dtype), name(layer) + b: y.to(dtype)}.items()}


def alphas(made, name, value):
    return {name(layer) + ".alpha": torch.tensor(value) for layer in made}


def flat(prefix):
    return lambda layer: prefix + layer.replace(".", "_")


def dotted(prefix):
    return lambda layer: prefix + layer


def flux1():
    def make():
        return FluxTransformer2DModel(in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=12,
                                      pooled_projection_dim=10, guidance_embeds=True, axes_dims_rope=(2, 2, 4)).eval()

    clip = CLIPTextModel(CLIPTextConfig(vocab_size=20, hidden_size=10, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2)).eval()
    t5 = T5EncoderModel(T5Config(vocab_size=20, d_model=12, d_kv=4, d_ff=14, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")).eval()
    d, s, n = "double_blocks.0.", "single_blocks.0.", "transformer_blocks.0."
    one = "single_transformer_blocks.0."
    bfl = {d + "img_attn.qkv": [n + f"attn.to_{x}" for x in "qkv"], d + "txt_attn.qkv": [n + f"attn.add_{x}_proj" for x in "qkv"],
           d + "img_attn.proj": [n + "attn.to_out.0"], d + "txt_attn.proj": [n + "attn.to_add_out"], d + "img_mod.lin": [n + "norm1.linear"],
           d + "txt_mod.lin": [n + "norm1_context.linear"], d + "img_mlp.0": [n + "ff.net.0.proj"], d + "img_mlp.2": [n + "ff.net.2"],
           d + "txt_mlp.0": [n + "ff_context.net.0.proj"], d + "txt_mlp.2": [n + "ff_context.net.2"],
           s + "linear1": [one + x for x in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")], s + "linear2": [one + "proj_out"],
           s + "modulation.lin": [one + "norm.linear"], s + "processor.qkv": [one + f"attn.to_{x}" for x in "qkv"]}
    blocks = list(bfl)[:-1]
    top = {"img_in": ["x_embedder"], "txt_in": ["context_embedder"], "final_layer.linear": ["proj_out"], "final_layer.adaLN_modulation.1": ["norm_out.linear"]}
    for a, b in (("time_in", "timestep_embedder"), ("vector_in", "text_embedder"), ("guidance_in", "guidance_embedder")):
        top |= {a + ".in_layer": [f"time_text_embed.{b}.linear_1"], a + ".out_layer": [f"time_text_embed.{b}.linear_2"]}
    bfl |= top
    pipe = FluxPipeline(scheduler=None, vae=None, text_encoder=clip, tokenizer=None, text_encoder_2=t5, tokenizer_2=None, transformer=make())
    named_clip = {"text_model." + k.removeprefix("text_model."): v for k, v in linear(clip).items()}  # as in files
    c = Cases(pipe, bfl, {"text_encoder": named_clip, "text_encoder_2": linear(t5)})
    te1 = [k for k in c.all if k.startswith("text_encoder.") and ("q_proj" in k or "fc1" in k)]
    te2 = [k for k in c.all if k.startswith("text_encoder_2.") and ("SelfAttention.q" in k or "wi_1" in k)]
    attention = [n + "attn.to_q", n + "attn.to_out.0", n + "attn.add_v_proj", one + "attn.to_k", one + "proj_mlp"]

    c.diffusers("diffusers", FluxPipeline.save_lora_weights, r=2, lora_alpha=3, target_modules=["to_q", "to_out.0", "x_embedder", "proj_mlp", "norm1.linear"],
                rank_pattern={"x_embedder": 3, "transformer_blocks.0.attn.to_q": 1}, alpha_pattern={"proj_mlp": 5, r"single_.*\.to_q": 7})
    c.diffusers("rank-stabilized", FluxPipeline.save_lora_weights, r=3, lora_alpha=2, use_rslora=True, target_modules=["to_k", "proj_out"])
    c.peft("PEFT", make, r=2, lora_alpha=5, target_modules=["to_v", "ff.net.2", "norm_out.linear"])
    made, added = c.truth(attention)
    c.add("ai-toolkit", named(made, dotted("transformer."), dtype=torch.bfloat16), {k: v for k, v in added.items()})
    many, sum1 = c.truth(attention[:3], rank=1)
    more, sum2 = c.truth(attention[3:], rank=3)
    c.add("mixed ranks", named(many | more, dotted("transformer.")), sum1 | sum2)
    made, added = c.truth(attention, scale=1.5)
    c.add("alphas beside", named(made, dotted("transformer.")) | alphas(made, dotted("transformer."), 3.0), added)

    text, text_added = c.truth(te1 + te2, scale=0.5)
    kohya = {k: v for k, v in text.items()}
    name = lambda layer: flat("lora_te1_")(layer.removeprefix("text_encoder.")) if layer.startswith("text_encoder.") else flat("lora_te3_")(layer.removeprefix("text_encoder_2."))  # noqa: E731
    made, added = c.truth(blocks, scale=0.5)
    ends = (".lora_down.weight", ".lora_up.weight")
    file = named(made, flat("lora_unet_"), *ends, dtype=torch.float16) | alphas(made, flat("lora_unet_"), 1.0)
    c.add("kohya", file, added)
    made, added = c.truth(top, scale=0.5)
    file = named(made, flat("lora_unet_"), *ends) | alphas(made, flat("lora_unet_"), 1.0)
    c.add("kohya, all layers", file | named(kohya, name, *ends) | alphas(kohya, name, 1.0), added | text_added, read=False)
    qkv, added = c.truth([d + "img_attn.qkv"], rank=6)
    a, b = qkv[d + "img_attn.qkv"]
    b = b * torch.block_diag(*[torch.ones(H, 2)] * 3)
    out = 0.25 * b @ (a @ probe(H))
    added = {f"transformer.{n}attn.to_{x}": part for x, part in zip("qkv", out.split(H))}
    c.add("kohya, split", named({d + "img_attn.qkv": (a, b)}, flat("lora_unet_"), *ends) | alphas(qkv, flat("lora_unet_"), 1.5), added)

    made, added = c.truth(blocks)
    clip_names = lambda layer: "text_encoders.clip_l.transformer." + layer.removeprefix("text_encoder.")  # noqa: E731
    own, own_added = c.truth(te1)
    c.add("ComfyUI", named(made, dotted("diffusion_model."), *ends) | named(own, clip_names, *ends), added | own_added, partly=True)
    made, added = c.truth(blocks)
    c.add("ComfyUI, A and B", named(made, dotted("diffusion_model.")), added, read=False)
    made, added = c.truth(attention, scale=2.0)
    c.add("OneTrainer", named(made, flat("lora_transformer_"), *ends) | alphas(made, flat("lora_transformer_"), 4.0), added, read=False)
    c.add("SimpleTuner", named(made, flat("lycoris_"), *ends) | alphas(made, flat("lycoris_"), 4.0), added, read=False)

    names = {d + "img_attn.qkv": d + "processor.qkv_lora1", d + "txt_attn.qkv": d + "processor.qkv_lora2", d + "img_attn.proj": d + "processor.proj_lora1",
             d + "txt_attn.proj": d + "processor.proj_lora2", s + "processor.qkv": s + "processor.qkv_lora", s + "linear2": s + "processor.proj_lora"}
    made, added = c.truth(names)
    c.add("XLabs", named(made, names.get, ".down.weight", ".up.weight"), added)
    made, added = c.truth([*blocks, "final_layer.linear"])
    c.add("fal", named(made, dotted("base_model.model.")), added)
    made, added = c.truth(attention)
    c.add("old diffusers", named(made, dotted("transformer."), ".lora.down.weight", ".lora.up.weight"), added, read=False)
    c.add("linear layers", named(made, dotted("transformer."), ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"), added, read=False)
    processors = [n + "attn.to_q", one + "attn.to_k", n + "attn.to_out.0"]
    made, added = c.truth(processors)
    old = lambda layer: "transformer." + layer.removesuffix(".0").replace("attn.", "attn.processor.")  # noqa: E731
    c.add("attention processors", named(made, old, "_lora.down.weight", "_lora.up.weight"), added, read=False)
    c.add("named adapters", named(made, dotted("base_model.model.transformer."), ".lora_A.default.weight", ".lora_B.default_0.weight"), added, read=False)

    w, v = random(H, H), random(H)
    c.add("differences", {f"diffusion_model.{d}img_attn.proj.diff": w, f"diffusion_model.{d}txt_attn.proj.diff_b": v},
          {f"transformer.{n}attn.to_out.0": w @ probe(H), f"transformer.{n}attn.to_add_out": v}, read=False)
    made, added = c.truth([n + "attn.to_q", "norm_out.linear"], scale=1.0)
    biases = {f"transformer.{k}.lora_B.bias": random(b.shape[0]) for k, (_, b) in made.items()}
    for k, v in biases.items():
        added[k.removesuffix(".lora_B.bias")] = added[k.removesuffix(".lora_B.bias")] + v
    c.add("biases", named(made, dotted("transformer.")) | biases, added)
    c.write("flux1.safetensors")


def flux2():
    def make():
        return Flux2Transformer2DModel(in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=12,
                                       axes_dims_rope=(2, 2, 2, 2), guidance_embeds=False, timestep_guidance_channels=8).eval()

    d, s, n, one = "double_blocks.0.", "single_blocks.0.", "transformer_blocks.0.", "single_transformer_blocks.0."
    bfl = {d + "img_attn.qkv": [n + f"attn.to_{x}" for x in "qkv"], d + "txt_attn.qkv": [n + f"attn.add_{x}_proj" for x in "qkv"],
           d + "img_attn.proj": [n + "attn.to_out.0"], d + "txt_attn.proj": [n + "attn.to_add_out"], d + "img_mlp.0": [n + "ff.linear_in"],
           d + "img_mlp.2": [n + "ff.linear_out"], d + "txt_mlp.0": [n + "ff_context.linear_in"], d + "txt_mlp.2": [n + "ff_context.linear_out"],
           s + "linear1": [one + "attn.to_qkv_mlp_proj"], s + "linear2": [one + "attn.to_out"]}
    blocks = list(bfl)
    top = {"img_in": ["x_embedder"], "txt_in": ["context_embedder"], "final_layer.linear": ["proj_out"],
           "time_in.in_layer": ["time_guidance_embed.timestep_embedder.linear_1"], "time_in.out_layer": ["time_guidance_embed.timestep_embedder.linear_2"]}
    streams = ["double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation"]
    bfl |= top | {x + ".lin": [x + ".linear"] for x in streams} | {"final_layer.adaLN_modulation.1": ["norm_out.linear"]}
    pipe = Flux2KleinPipeline(scheduler=None, vae=None, text_encoder=None, tokenizer=None, transformer=make())
    c = Cases(pipe, bfl, {})
    c.diffusers("diffusers", Flux2KleinPipeline.save_lora_weights, r=2, lora_alpha=3, target_modules=["to_q", "to_qkv_mlp_proj", one + "attn.to_out", "linear_in"],
                rank_pattern={"linear_in": 1}, alpha_pattern={"to_qkv_mlp_proj": 5})
    made, added = c.truth([*blocks, *top, *(x + ".lin" for x in streams)])
    c.add("ai-toolkit", named(made, dotted("diffusion_model."), dtype=torch.bfloat16), added)
    made, added = c.truth(["final_layer.adaLN_modulation.1"])
    c.add("adaLN", named(made, dotted("diffusion_model.")), added, read=False)  # diffusers does not exchange shift and scale
    made, added = c.truth([*blocks, *top], scale=0.5)
    ends = (".lora_down.weight", ".lora_up.weight")
    c.add("kohya", named(made, flat("lora_unet_"), *ends, dtype=torch.float16) | alphas(made, flat("lora_unet_"), 1.0), added)
    made, added = c.truth(blocks)
    c.add("fal", named(made, dotted("base_model.model.")), added)
    made, added = c.truth([n + "attn.to_q", n + "ff.linear_in", one + "attn.to_out"])
    cut = lambda layer: "diffusion_model." + layer.replace("single_transformer", "?").removeprefix("tran").replace("?", "single_transformer")  # noqa: E731
    c.add("cut names", named(made, cut), added)
    c.write("flux2.safetensors")


flux1()
flux2()
