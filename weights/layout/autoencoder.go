package layout

import (
	"strconv"
	"strings"

	"reflectionflow/weights"
)

// Autoencoder finds an autoencoder and names its tensors as diffusers' AutoencoderKL and AutoencoderKLFlux2 do: those of
// diffusers, of Black Forest Labs' files (ae.safetensors), and of combined checkpoints. The 1×1 convolutions of the
// attention in the middle become the matrices that diffusers has there.
func Autoencoder(source weights.Source) (weights.Source, error) {
	prefix, _ := findPrefix(source, []string{"", "vae.", "first_stage_model."}, "decoder.conv_in.weight")
	levels := 0
	for _, name := range source.Names() {
		if p := split(strings.TrimPrefix(name, prefix)); p.is(0, "decoder", "up", "#") {
			n, _ := strconv.Atoi(p[2])
			levels = max(levels, n+1)
		}
	}
	if levels == 0 {
		return rename(source, prefix, used)
	}
	view, err := rename(source, prefix, func(name string) string { return autoencoderName(used(name), levels) })
	if err != nil {
		return nil, err
	}
	for _, name := range view.Names() {
		info, err := view.Info(name)
		if err != nil {
			return nil, err
		}
		if s := info.Shape; strings.Contains(name, ".attentions.0.to_") && len(s) == 4 && s[2] == 1 && s[3] == 1 {
			if err := view.Reshape(name, s[0], s[1]); err != nil {
				return nil, err
			}
		}
	}
	return view, nil
}

// used leaves out how many batches the statistics of FLUX.2's latents were taken from.
func used(name string) string {
	if name == "bn.num_batches_tracked" {
		return ""
	}
	return name
}

// autoencoderTop are tensors outside of the levels.
var autoencoderTop = map[string]string{
	"encoder.quant_conv": "quant_conv", "decoder.post_quant_conv": "post_quant_conv",
	"encoder.norm_out": "encoder.conv_norm_out", "decoder.norm_out": "decoder.conv_norm_out",
}

// middleAttention are the layers of "mid.attn_1.".
var middleAttention = map[string]string{"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}

// autoencoderName names a tensor of Black Forest Labs' as diffusers does. Decoders have so many levels, which Black Forest
// Labs count from the finest and diffusers from the coarsest.
func autoencoderName(name string, levels int) string {
	p := split(name)
	if len(p) < 3 {
		return name
	}
	if top := autoencoderTop[p[0]+"."+p[1]]; top != "" {
		return top + "." + p.from(2)
	}
	block := "down_blocks."
	switch {
	case p.is(1, "up", "#"):
		n, _ := strconv.Atoi(p[2])
		block, p[2] = "up_blocks.", strconv.Itoa(levels-1-n)
	case p.is(1, "mid", "block_1"), p.is(1, "mid", "block_2"):
		n, _ := strconv.Atoi(strings.TrimPrefix(p[2], "block_"))
		return p[0] + ".mid_block.resnets." + strconv.Itoa(n-1) + "." + p.from(3)
	case p.is(1, "mid", "attn_1") && len(p) > 3 && middleAttention[p[3]] != "":
		return p[0] + ".mid_block.attentions.0." + middleAttention[p[3]] + "." + p.from(4)
	case !p.is(1, "down", "#"):
		return name
	}
	block = p[0] + "." + block + p[2] + "."
	switch {
	case p.is(3, "block", "#"):
		return block + "resnets." + p[4] + "." + strings.Replace(p.from(5), "nin_shortcut", "conv_shortcut", 1)
	case p.is(3, "downsample", "conv"):
		return block + "downsamplers.0.conv." + p.from(5)
	case p.is(3, "upsample", "conv"):
		return block + "upsamplers.0.conv." + p.from(5)
	}
	return name
}
