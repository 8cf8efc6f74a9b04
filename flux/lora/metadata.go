package lora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// MetadataKey is the entry of a file's header in which diffusers describes adapters: the settings of PEFT's LoraConfig
// as JSON, each key with the name of the network before it.
const MetadataKey = "lora_adapter_metadata"

// settings are what PEFT's LoraConfig says about the scale of a layer.
type settings struct {
	Rank    int             `json:"r"`
	Alpha   *float64        `json:"lora_alpha"`
	Ranks   patterns        `json:"rank_pattern"`
	Alphas  patterns        `json:"alpha_pattern"`
	Root    bool            `json:"use_rslora"`
	DoRA    bool            `json:"use_dora"`
	Targets json.RawMessage `json:"target_modules"`
	Exclude any             `json:"exclude_modules"`
	Layers  any             `json:"layers_to_transform"`
}

// patterns are values by regular expressions of layers, in the order of the file: the first that matches counts.
type patterns []pattern

type pattern struct {
	text  string
	re    *regexp.Regexp // nil: it is no expression of Go's
	value float64
}

// Bounds of a file's settings: the patterns, and the layers that are listed, of which FLUX.1 has fewer; the bytes of an
// expression.
const (
	maxPatterns   = 4096
	maxExpression = 1024
)

func (p *patterns) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("a pattern is not an object: %.40s", text)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		next := pattern{text: key.(string)}
		if err := d.Decode(&next.value); err != nil {
			return err
		}
		if len(next.text) <= maxExpression {
			next.re, _ = regexp.Compile(`^(?:.*\.)?(?:` + next.text + `)$`)
		}
		if *p = append(*p, next); len(*p) > maxPatterns {
			return fmt.Errorf("there are more than %d patterns", maxPatterns)
		}
	}
	return nil
}

// find returns the value of the first pattern that matches the layer.
func (p patterns) find(layer string) (float64, bool) {
	for _, one := range p {
		if strings.TrimPrefix(one.text, "^") == layer || one.re != nil && one.re.MatchString(layer) {
			return one.value, true
		}
	}
	return 0, false
}

// readSettings returns the settings of every network that the metadata describes, by its name there.
func readSettings(text string) (map[string]*settings, error) {
	if text == "" {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return nil, fmt.Errorf("%s: %w", MetadataKey, err)
	}
	grouped := map[string]map[string]json.RawMessage{}
	for key, value := range fields {
		network, field, ok := strings.Cut(key, ".")
		if !ok {
			network, field = "transformer", key
		}
		if grouped[network] == nil {
			grouped[network] = map[string]json.RawMessage{}
		}
		grouped[network][field] = value
	}
	all := map[string]*settings{}
	for network, group := range grouped {
		data, err := json.Marshal(group)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", MetadataKey, err)
		}
		s := &settings{}
		if err := json.Unmarshal(data, s); err != nil {
			return nil, fmt.Errorf("%s: %w", MetadataKey, err)
		}
		if s.DoRA {
			return nil, errDoRA
		}
		all[network] = s
	}
	return all, nil
}

// scale returns what B(A(x)) of a layer is multiplied by: alpha/rank, or alpha/√rank for a rank-stabilized LoRA (arXiv
// 2312.03732). Without settings it is 1.
func (s *settings) scale(layer string, rank int) (float64, error) {
	if s == nil {
		return 1, nil
	}
	if want, ok := s.Ranks.find(layer); ok && int(want) != rank {
		return 0, fmt.Errorf("%s: the layer %q has rank %v, but its tensors have rank %d", MetadataKey, layer, want, rank)
	} else if !ok && s.Rank != 0 && s.Rank != rank {
		return 0, fmt.Errorf("%s: rank %d, but the tensors of %q have rank %d", MetadataKey, s.Rank, layer, rank)
	}
	value, ok := s.Alphas.find(layer)
	switch {
	case ok:
	case s.Alpha != nil:
		value = *s.Alpha
	default:
		return 1, nil
	}
	divisor := float64(rank)
	if s.Root {
		divisor = math.Sqrt(divisor)
	}
	return value / divisor, nil
}
