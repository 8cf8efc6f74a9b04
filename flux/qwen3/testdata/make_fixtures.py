"""Makes the fixtures of FLUX.2's text encoder with transformers and diffusers:

    pip install torch==2.15.0 transformers==5.24.0 diffusers==0.42.1
    python testdata/make_fixtures.py

    saved/                a tiny Qwen3ForCausalLM as save_pretrained writes it
    states.safetensors    token ids, their number per row, and all hidden states
    prompts.safetensors   what diffusers' Flux2KleinPipeline makes of prompts (in the metadata)

The tokenizer is that of tokenizer/testdata/qwen. The package and its tests need no Python."""

import json
import os
import shutil

import diffusers
import torch
import transformers
from diffusers import Flux2KleinPipeline
from safetensors.torch import save_file
from transformers import Qwen2TokenizerFast, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "..", "..", "tokenizer", "testdata", "qwen.json")
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "diffusers": diffusers.__version__}
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
PROMPTS = ["a photo of two red clocks", "", "caf\u00e9 日本語 😀 it's <|im_end|> 12\n\n  x", "the quick brown fox jumps over the lazy dog and the " * 4]
LENGTH, TAPS = 40, [1, 2, 4]


def model():
    config = Qwen3Config(
        vocab_size=592, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
    )
    m = Qwen3ForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in sorted(m.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(1 + 0.2 * noise if weight.dim() == 1 else noise if "embed" in name else noise / weight.shape[1] ** 0.5)
    folder = os.path.join(HERE, "saved")
    shutil.rmtree(folder, ignore_errors=True)
    m.save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    return m


def write(name, tensors, **metadata):
    path = os.path.join(HERE, name)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path, {**metadata, **VERSIONS})
    print(name, os.path.getsize(path))


def main():
    m = model()
    ids = torch.randint(0, 592, (3, 16), generator=torch.Generator().manual_seed(4))
    used = torch.tensor([16, 5, 1])
    mask = torch.arange(16)[None] < used[:, None]
    with torch.no_grad():
        out = m(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
        plain = m.model(input_ids=ids[:, :7], output_hidden_states=True)
    states = {f"state.{i}": h for i, h in enumerate(out.hidden_states)}
    states |= {f"plain.{i}": h for i, h in enumerate(plain.hidden_states)}
    write("states.safetensors", {"ids": ids.int(), "used": used.int(), **states})

    t = Qwen2TokenizerFast(tokenizer_file=TOKENIZER, pad_token="<|endoftext|>", chat_template=TEMPLATE)
    with torch.no_grad():
        embeds = Flux2KleinPipeline._get_qwen3_prompt_embeds(m, t, PROMPTS, max_sequence_length=LENGTH, hidden_states_layers=TAPS)
    write("prompts.safetensors", {"embeds": embeds}, prompts=json.dumps(PROMPTS), taps=json.dumps(TAPS))


main()
