package weights

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"reflectionflow/weights/internal/mapped"
)

// scaled is a Source whose 8-bit weights have scales in tensors of their own.
type scaled struct {
	Source
	names  []string
	hidden map[string]bool      // companions of weights, and markers
	scales map[string][]float32 // by the weight's name; one, or one per row
}

// companions are the suffixes of the tensors that describe X.weight and are no weights.
var companions = []string{".weight_scale", ".scale_weight", ".input_scale", ".scale_input", ".comfy_quant"}

// unsupported are the suffixes of tensors by which quantizations are known that this
// package does not decode.
var unsupported = []struct{ suffix, what string }{
	{".weight_scale_2", "nvfp4"},
	{".qweight", "SVDQuant or AWQ"},
	{".qzeros", "GPTQ or AWQ"},
	{".weight.absmax", "bitsandbytes"},
	{".weight.SCB", "bitsandbytes"},
	{".SCB", "bitsandbytes"},
}

// applyScales returns a Source whose ReadRows multiplies by the scales of the file, and
// an error for a quantization that is not supported.
func applyScales(source Source, metadata map[string]string) (Source, error) {
	names := source.Names()
	s := &scaled{Source: source, hidden: map[string]bool{}, scales: map[string][]float32{}}
	for _, name := range names {
		for _, u := range unsupported {
			if strings.HasSuffix(name, u.suffix) {
				return nil, fmt.Errorf("the weights are quantized with %s, which is not supported (tensor %q): use a file in BF16, fp8 or GGUF", u.what, name)
			}
		}
		if err := s.addCompanion(name, names); err != nil {
			return nil, err
		}
	}
	if err := checkLayers(metadata["_quantization_metadata"]); err != nil {
		return nil, err
	}
	if len(s.hidden) == 0 {
		return source, nil
	}
	s.names = slices.DeleteFunc(names, func(name string) bool { return s.hidden[name] })
	return s, nil
}

// addCompanion hides the named tensor if it belongs to a weight, and reads it if it is
// a scale.
func (s *scaled) addCompanion(name string, names []string) error {
	if name == "scaled_fp8" || strings.HasSuffix(name, ".scaled_fp8") {
		s.hidden[name] = true
		return nil
	}
	for _, suffix := range companions {
		layer, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		weight := layer + ".weight"
		if _, ok := slices.BinarySearch(names, weight); !ok {
			continue
		}
		s.hidden[name] = true
		switch suffix {
		case ".weight_scale", ".scale_weight":
			return s.addScale(weight, name)
		case ".comfy_quant":
			return s.checkMarker(name)
		}
	}
	return nil
}

// addScale reads a scale: one number, or one per row.
func (s *scaled) addScale(weight, name string) error {
	if s.scales[weight] != nil {
		return fmt.Errorf("tensor %q has two scales", weight)
	}
	w, err := s.Info(weight)
	if err != nil {
		return err
	}
	i, err := s.Info(name)
	if err != nil {
		return err
	}
	rows := 1
	if len(w.Shape) > 1 {
		rows = w.Rows()
	}
	n := i.Elements()
	if n != 1 && n != rows {
		return fmt.Errorf("the scale %q has shape %v: only a scale per tensor or per row of %q %v is supported", name, i.Shape, weight, w.Shape)
	}
	scale := make([]float32, n)
	if err := s.Source.ReadRows(scale, name, 0); err != nil {
		return err
	}
	for _, v := range scale {
		if v-v != 0 {
			return fmt.Errorf("the scale %q holds %v: the file is damaged", name, v)
		}
	}
	s.scales[weight] = scale
	return nil
}

// checkMarker reads the format that a tensor X.comfy_quant names in JSON.
func (s *scaled) checkMarker(name string) error {
	i, err := s.Info(name)
	if err != nil {
		return err
	}
	source, ok := s.Source.(interface {
		Bytes(name string) ([]byte, error)
	})
	if !ok || i.Type != "U8" || i.Elements() > 1<<16 {
		return fmt.Errorf("tensor %q of %s %v is no description of a quantization", name, i.Type, i.Shape)
	}
	text, err := source.Bytes(name)
	if err != nil {
		return err
	}
	var layer layer
	if fault := mapped.Guard(func() { err = json.Unmarshal(text, &layer) }); fault != nil {
		err = fault
	}
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	return layer.check(name)
}

// layer is the description of a layer's quantization.
type layer struct {
	Format string `json:"format"`
}

func (l layer) check(name string) error {
	if l.Format != "float8_e4m3fn" && l.Format != "float8_e5m2" {
		return fmt.Errorf("%.100q is quantized as %.40q, which is not supported: use a file in BF16, fp8 or GGUF", name, l.Format)
	}
	return nil
}

// checkLayers checks the formats that the metadata of a file names per layer.
func checkLayers(text string) error {
	if text == "" {
		return nil
	}
	var quantization struct {
		Layers map[string]layer `json:"layers"`
	}
	if err := json.Unmarshal([]byte(text), &quantization); err != nil {
		return fmt.Errorf("_quantization_metadata: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(quantization.Layers)) {
		if err := quantization.Layers[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

// Names returns the names of the tensors without scales and markers.
func (s *scaled) Names() []string { return slices.Clone(s.names) }

func (s *scaled) find(name string) (*Tensor, error) {
	t, err := Find(s.Source, name)
	if err == nil && s.scales[name] != nil {
		t.parts[0].scale = s.scales[name]
	}
	return t, err
}

// ReadRows converts rows and multiplies them by their scales.
func (s *scaled) ReadRows(dst []float32, name string, row int) error {
	if err := s.Source.ReadRows(dst, name, row); err != nil {
		return err
	}
	scale := s.scales[name]
	if len(scale) == 0 || len(dst) == 0 {
		return nil
	}
	info, err := s.Info(name)
	if err != nil {
		return err
	}
	length := info.RowLength()
	for i := range dst {
		dst[i] *= scale[min(row+i/length, len(scale)-1)]
	}
	return nil
}
