"""Makes testdata/variant: the networks of a FLUX folder as current libraries save them.

text_encoder has the tensor names of transformers 5; the other three are of the
variant fp16, in one file (transformer) or in shards (text_encoder_2, vae).

    pip install torch==2.9.0 transformers==5.23.0 diffusers==0.35.2
    python make_fixtures_variant.py
"""

import os
import shutil

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "variant")
shutil.rmtree(OUT, ignore_errors=True)
torch.manual_seed(0)


def save(model, name, **options):
    model.save_pretrained(os.path.join(OUT, name), **options)


save(CLIPTextModel(CLIPTextConfig(
    vocab_size=11, hidden_size=12, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
    max_position_embeddings=6, bos_token_id=0, eos_token_id=2, pad_token_id=1,
)), "text_encoder")
save(T5EncoderModel(T5Config(
    vocab_size=11, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu",
)).half(), "text_encoder_2", variant="fp16", max_shard_size=1000)
save(FluxTransformer2DModel(
    patch_size=1, in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
    joint_attention_dim=8, pooled_projection_dim=12, guidance_embeds=False, axes_dims_rope=[2, 2, 4],
).half(), "transformer", variant="fp16")
save(AutoencoderKL(
    block_out_channels=[4, 8], down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    latent_channels=2, layers_per_block=1, norm_num_groups=2, scaling_factor=0.3611, shift_factor=0.1159,
    use_quant_conv=False, use_post_quant_conv=False,
).half(), "vae", variant="fp16", max_shard_size="20KB")
