package testserver

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// DefaultAnswer is a model that answers in the form asked for, the same answer to the same
// question: JSON with random values that the schema allows, yes or no with probabilities, or
// a sentence. The answer depends on every pixel and letter of the question.
func DefaultAnswer(q Question) Answer {
	r := rand.New(rand.NewPCG(fingerprint(q), 1))
	switch {
	case strings.Contains(q.Text, "Which color does"): // of checks of a configuration
		return Answer{Text: fmt.Sprintf(`{"color":%q}`, colorOf(q)), Tokens: [][]Alternative{{{"{", 0}}}}
	case q.Schema != nil || q.JSONObject:
		return Answer{Text: string(Fill(q.Schema, r))}
	case q.TopLogprobs > 0:
		p := .05 + .9*r.Float64()
		yes, no := Alternative{"yes", math.Log(p)}, Alternative{"no", math.Log(1 - p)}
		if p < .5 {
			yes, no = no, yes
		}
		return Answer{Text: yes.Token, Tokens: [][]Alternative{{yes, no}}}
	}
	return Answer{Text: fmt.Sprintf("Sentence %d.", r.IntN(1_000_000))}
}

// colorOf names the strongest channel of the middle of the image, as a model that sees
// does; without an image it is red.
func colorOf(q Question) string {
	if len(q.Images) == 0 {
		return "red"
	}
	b := q.Images[0].Bounds()
	red, green, blue, _ := q.Images[0].At((b.Min.X+b.Max.X)/2, (b.Min.Y+b.Max.Y)/2).RGBA()
	switch max(red, green, blue) {
	case red:
		return "red"
	case green:
		return "green"
	}
	return "blue"
}

func fingerprint(q Question) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %s ", q.System, q.Text, q.Schema)
	if q.Seed != nil {
		fmt.Fprintf(h, "%d ", *q.Seed)
	}
	for _, img := range q.Images {
		b := img.Bounds()
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				red, green, blue, _ := img.At(x, y).RGBA()
				h.Write(binary.LittleEndian.AppendUint64(nil, uint64(red)<<32|uint64(green)<<16|uint64(blue)))
			}
		}
	}
	return h.Sum64()
}

// Fill returns a JSON value that a schema allows, with random choices from r. Without a
// schema it returns an empty object.
func Fill(schema json.RawMessage, r *rand.Rand) json.RawMessage {
	var s map[string]any
	if json.Unmarshal(schema, &s) != nil {
		return json.RawMessage("{}")
	}
	data, err := json.Marshal(fill(s, r))
	if err != nil {
		return json.RawMessage("{}")
	}
	return data
}

func fill(s map[string]any, r *rand.Rand) any {
	number := func(key string, otherwise float64) float64 {
		if v, ok := s[key].(float64); ok {
			return v
		}
		return otherwise
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		return values[r.IntN(len(values))]
	}
	switch s["type"] {
	case "object":
		out := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			inner, _ := properties[name].(map[string]any)
			out[name] = fill(inner, r)
		}
		return out
	case "array":
		low := int(number("minItems", 0))
		n := low + r.IntN(int(number("maxItems", float64(low+2)))-low+1)
		items, _ := s["items"].(map[string]any)
		out := make([]any, min(n, 3+low))
		for i := range out {
			out[i] = fill(items, r)
		}
		return out
	case "integer":
		low := int(number("minimum", 0))
		return low + r.IntN(int(number("maximum", float64(low+10)))-low+1)
	case "number":
		low := number("minimum", 0)
		return low + r.Float64()*(number("maximum", low+1)-low)
	case "boolean":
		return r.IntN(2) == 0
	}
	return fmt.Sprintf("text %d", r.IntN(1_000_000))
}
