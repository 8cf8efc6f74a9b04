package fluxfiles

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
	"reflectionflow/weights/safetensors"
)

// Safetensors says how a file of safetensors is written.
type Safetensors struct {
	Type   safetensors.DType // of the matrices; the rest is in BF16 beside types of 8 bits
	Scaled string            // end of the name of a matrix's scale, such as "scale_weight"; "" for none
	Marker bool              // with the tensor "scaled_fp8"
}

// Write writes a file.
func (s Safetensors) Write(path string, list []Tensor) error {
	tensors, err := s.tensors(list)
	if err != nil {
		return err
	}
	return safetensors.Write(path, tensors, nil)
}

// WriteShards writes two files and their index, as save_pretrained does. The stem has the variant behind its first dot,
// such as "model.fp16".
func (s Safetensors) WriteShards(dir, stem string, list []Tensor) error {
	tensors, err := s.tensors(list)
	if err != nil {
		return err
	}
	base, variant, _ := strings.Cut(stem, ".")
	index := map[string]string{}
	for i, half := range [][]safetensors.Tensor{tensors[:len(tensors)/2], tensors[len(tensors)/2:]} {
		name := fmt.Sprintf("%s-0000%d-of-00002.safetensors", stem, i+1)
		for _, t := range half {
			index[t.Name] = name
		}
		if err := safetensors.Write(filepath.Join(dir, name), half, nil); err != nil {
			return err
		}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": index})
	if err != nil {
		return err
	}
	name := base + ".safetensors.index.json"
	if variant != "" {
		name = base + ".safetensors.index." + variant + ".json"
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o600)
}

func (s Safetensors) tensors(list []Tensor) ([]safetensors.Tensor, error) {
	var tensors []safetensors.Tensor
	for _, t := range list {
		out := safetensors.Tensor{Name: t.Name, Shape: t.Shape, DType: s.Type, Values: t.Values()}
		codes := eightBits[s.Type]
		switch {
		case codes == nil:
		case !t.Matrix():
			out.DType = safetensors.BF16
		default:
			scale := float32(1)
			if s.Scaled != "" {
				_, _, exponent := t.parts[0].level(0)
				scale = scaled(1, -exponent)
				name := strings.TrimSuffix(t.Name, "weight") + s.Scaled
				tensors = append(tensors, safetensors.Tensor{Name: name, DType: safetensors.F32, Values: []float32{scale}})
			}
			raw, table := make([]byte, len(out.Values)), codes()
			for i, v := range out.Values {
				code, ok := table[v/scale]
				if !ok {
					return nil, fmt.Errorf("%s: %v is no value of %s", t.Name, v/scale, s.Type)
				}
				raw[i] = code
			}
			out.Values, out.Raw = nil, raw
		}
		tensors = append(tensors, out)
	}
	if s.Marker {
		tensors = append(tensors, safetensors.Tensor{Name: "scaled_fp8", Shape: []int{2}, DType: safetensors.F8E4M3, Raw: []byte{0, 0}})
	}
	return tensors, nil
}

// eightBits are the codes of the values of types of 8 bits: sign, exponent, mantissa.
var eightBits = map[safetensors.DType]func() map[float32]byte{
	safetensors.F8E4M3: func() map[float32]byte { return codesOf(3, 7) },
	safetensors.F8E5M2: func() map[float32]byte { return codesOf(2, 15) },
}

func codesOf(mantissa, bias int) map[float32]byte {
	codes := map[float32]byte{}
	for code := range 127 - 3 { // below the infinities and NaN of both
		m, e := code&(1<<mantissa-1), code>>mantissa
		if e > 0 {
			m += 1 << mantissa
		}
		v := scaled(m, max(e, 1)-bias-mantissa)
		codes[v] = byte(code)
		if v > 0 {
			codes[-v] = byte(code) | 0x80
		}
	}
	return codes
}

// WriteGGUF writes a GGUF file with the matrices in a type. Those whose rows are no whole blocks are in Q8_0, convolutions
// in F16 and the rest in F32, as llama.cpp and stable-diffusion.cpp have them.
func WriteGGUF(path string, kind gguf.Type, list []Tensor) error {
	var tensors []gguftest.Tensor
	for _, t := range list {
		out := gguftest.Tensor{Name: t.Name, Type: gguf.F32, Shape: t.Shape}
		if len(t.Shape) > 2 { // convolutions
			out.Type = gguf.F16
		}
		if t.Matrix() {
			out.Type = kind
			if block, _ := kind.Block(); t.Shape[1]%block != 0 {
				out.Type = fallback(t)
			}
		}
		data, err := encode(t, out.Type)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		out.Data = data
		tensors = append(tensors, out)
	}
	return gguftest.Write(path, tensors, 0)
}

// fallback is the type of a matrix whose rows are no whole blocks.
func fallback(t Tensor) gguf.Type {
	if t.parts[0].levels == Curved {
		return gguf.IQ4NL
	}
	return gguf.Q8_0
}
