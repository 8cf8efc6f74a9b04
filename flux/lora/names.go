package lora

import (
	"regexp"
	"strconv"
	"strings"
)

// kind is what a tensor of a file is to its layer.
type kind int

const (
	unknown  kind = iota
	down          // A [rank, in]
	up            // B [out, rank]
	upBias        // added to B's output
	alpha         // the scale is alpha/rank
	diff          // added to the matrix
	diffBias      // added to the bias
)

// markers are how programs name the parts of a layer's LoRA, between the layer's name and ".weight".
var markers = []struct {
	text string
	kind kind
}{
	{".lora_A", down},
	{".lora_down", down},
	{".lora.down", down},
	{"_lora.down", down},
	{".lora_linear_layer.down", down},
	{".down", down},
	{".lora_B", up},
	{".lora_up", up},
	{".lora.up", up},
	{"_lora.up", up},
	{".lora_linear_layer.up", up},
	{".up", up},
}

// plainEndings are the names of what stands beside a layer's matrices.
var plainEndings = []struct {
	text string
	kind kind
}{{".alpha", alpha}, {".diff_b", diffBias}, {".diff", diff}}

// adapterName is what PEFT may put between a marker and ".weight".
var adapterName = regexp.MustCompile(`^\.[A-Za-z0-9_-]+$`)

// split divides the name of a tensor into that of its layer and what it is to the layer.
func split(name string) (layer string, k kind) {
	for _, e := range plainEndings {
		if layer, ok := strings.CutSuffix(name, e.text); ok {
			return layer, e.kind
		}
	}
	best := -1
	for _, m := range markers {
		at := strings.LastIndex(name, m.text)
		if at < 0 || best >= 0 && at >= best {
			continue
		}
		if found := ending(name[at+len(m.text):], m.kind, strings.HasPrefix(m.text, ".lora_")); found != unknown {
			layer, k, best = name[:at], found, at
		}
	}
	return layer, k
}

// ending returns the kind of a tensor of which rest follows the marker, with the name of an adapter between if that may be.
func ending(rest string, k kind, named bool) kind {
	if rest == "" {
		return k
	}
	own, isWeight := strings.CutSuffix(rest, ".weight")
	own, isBias := strings.CutSuffix(own, ".bias")
	switch {
	case own != "" && (!named || !adapterName.MatchString(own)):
		return unknown
	case isWeight && !isBias:
		return k
	case isBias && !isWeight && k == up:
		return upBias
	}
	return unknown
}

// others are adapters that are no LoRA, by what a name of theirs holds.
var others = []struct{ part, what string }{
	{"dora_scale", "a DoRA"},
	{"lora_magnitude_vector", "a DoRA"},
	{"lokr_", "a LoKr"},
	{"hada_", "a LoHa"},
	{"oft_", "an OFT"},
	{"boft_", "an OFT"},
	{".a1.weight", "a GLoRA"},
	{".b1.weight", "a GLoRA"},
	{"lora_mid", "a LoCon of convolutions"},
	{"vera_lambda", "a VeRA"},
	{"ia3_", "an IA3"},
	{".on_input", "an IA3"},
	{".qweight", "a quantized LoRA of Nunchaku"},
	{".lora_embedding_", "a LoRA of embeddings"},
	{"set_weight", "a full set of weights"},
	{".w_norm", "a LoRA with norms"},
	{".b_norm", "a LoRA with norms"},
	{"query_norm.scale", "a control LoRA, such as FLUX.1-Depth's, which needs a control image,"},
}

// OtherKind says what a file with tensors of these names is instead of a LoRA, such as "a
// DoRA"; empty for a LoRA.
func OtherKind(names []string) string {
	for _, name := range names {
		if kind := otherKind(name); kind != "" {
			return kind
		}
	}
	return ""
}

// otherKind says what a file with a tensor of that name is instead of a LoRA, "" for nothing.
func otherKind(name string) string {
	for _, o := range others {
		if strings.Contains(name, o.part) {
			return o.what
		}
	}
	return ""
}

// models are other models, by what a name of theirs holds.
var models = []struct{ part, model string }{
	{"double_stream_modulation", "FLUX.2"},
	{"single_stream_modulation", "FLUX.2"},
	{"to_qkv_mlp_proj", "FLUX.2"},
	{"linear_in", "FLUX.2"},
	{"norm1_context", "FLUX.1"},
	{"norm1_linear", "FLUX.1"},
	{"img_mod_lin", "FLUX.1"},
	{"txt_mod_lin", "FLUX.1"},
	{"modulation_lin", "FLUX.1"},
	{"proj_mlp", "FLUX.1"},
	{"ff_net_0", "FLUX.1 or Stable Diffusion 3"},
	{"down_blocks", "Stable Diffusion"},
	{"input_blocks", "Stable Diffusion"},
	{"up_blocks", "Stable Diffusion"},
	{"joint_blocks", "Stable Diffusion 3"},
	{"img_mod_1", "Qwen-Image"},
	{"cross_attn", "Wan"},
	{"double_blocks", "another FLUX model"},
	{"single_blocks", "another FLUX model"},
}

// MadeFor guesses from the names of a LoRA's tensors which model it is for, such as "FLUX.2"; empty where they do not
// say.
func MadeFor(names []string) string {
	switch model := modelOf(names); model {
	case "another FLUX model":
		return "a FLUX model"
	case unknownModel:
		return ""
	default:
		return model
	}
}

// unknownModel is what modelOf returns for names that are of no model.
const unknownModel = "another model"

// modelOf guesses from names which model a file is for.
func modelOf(names []string) string {
	for _, m := range models {
		for _, name := range names {
			if strings.Contains(flatten(name), m.part) {
				return m.model
			}
		}
	}
	return unknownModel
}

// flatten writes a name as kohya does. It is not undone: names are found by the flat forms of those that are known.
func flatten(name string) string { return strings.ReplaceAll(name, ".", "_") }

// some quotes the first names of a list.
func some(names []string) string {
	const most = 3
	quoted := make([]string, 0, most+1)
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, strconv.Quote(name))
	}
	if len(names) > most {
		quoted = append(quoted, "…")
	}
	return strings.Join(quoted, ", ")
}
