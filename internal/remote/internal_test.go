package remote

import (
	"os"
	"reflect"
	"testing"

	"reflectionflow"
)

func TestReadMessage(t *testing.T) {
	tests := map[string]struct {
		message string
		over    bool
		said    []Progress
	}{
		"begin":          {`{"type":"execution_start","data":{"prompt_id":"x"}}`, false, []Progress{{}}},
		"step":           {`{"type":"progress","data":{"value":5,"max":20,"prompt_id":"x"}}`, false, []Progress{{Done: .25}}},
		"beyond the end": {`{"type":"progress","data":{"value":50,"max":20}}`, false, []Progress{{Done: 1}}},
		"of nothing":     {`{"type":"progress","data":{"value":5,"max":0}}`, false, nil},
		"a node":         {`{"type":"executing","data":{"node":"6"}}`, false, nil},
		"no node":        {`{"type":"executing","data":{"node":null}}`, true, nil},
		"success":        {`{"type":"execution_success","data":{}}`, true, nil},
		"error":          {`{"type":"execution_error","data":{}}`, true, nil},
		"the queue":      {`{"type":"status","data":{"status":{"exec_info":{"queue_remaining":1}}}}`, false, nil},
		"other data":     {`{"type":"execution_success","data":[]}`, false, nil},
		"no JSON":        {`<html>`, false, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var said []Progress
			if over := readMessage([]byte(tt.message), func(p Progress) { said = append(said, p) }); over != tt.over || !reflect.DeepEqual(said, tt.said) {
				t.Errorf("over %t with %v, want %t with %v", over, said, tt.over, tt.said)
			}
		})
	}
}

func TestShare(t *testing.T) {
	whole := reflectionflow.Cost{Images: 3, DenoiseSteps: 60, TokensIn: 10, TokensOut: 101, USD: 1.5, Seconds: 6}
	var sum reflectionflow.Cost
	for i := range 3 {
		sum = sum.Add(share(whole, i, 3))
	}
	if !reflect.DeepEqual(sum, whole) {
		t.Errorf("the shares add up to %+v, want %+v", sum, whole)
	}
}

func FuzzWorkflow(f *testing.F) {
	for _, name := range []string{"draw.json", "correct.json"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "seed", "6.seed")
	}
	f.Add([]byte(`{"1":{"class_type":"A","inputs":null,"_meta":{"title":"slot: prompt=,,"}}}`), "prompt", ".")
	r := reflectionflow.Request{Prompt: "a", Seed: 3, Width: 64, Height: 64, Steps: 1}
	f.Fuzz(func(t *testing.T, data []byte, name, target string) {
		w, err := parseWorkflow(data, map[string]string{name: target})
		if err != nil {
			return
		}
		if filled := w.fill(r, r.Prompt, "x.png", "mark"); len(filled) != len(w.nodes) {
			t.Errorf("%d nodes of %d", len(filled), len(w.nodes))
		}
	})
}
