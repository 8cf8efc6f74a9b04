package safetensors

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

const stem = "diffusion_pytorch_model"

// shardedModel makes a folder with two shards and an index of the text given.
func shardedModel(t *testing.T, index string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"one", "two"} {
		err := Write(filepath.Join(dir, name+".safetensors"), []Tensor{
			{Name: name + ".weight", Shape: []int{1}, DType: F32, Values: []float32{float32(i + 1)}},
			{Name: "unlisted", Shape: []int{1}, DType: F32, Values: []float32{9}},
		}, map[string]string{"from": name, name: "here"})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, stem+".safetensors.index.json"), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenSharded(t *testing.T) {
	dir := shardedModel(t, `{"metadata":{"total_size":8},"weight_map":{"two.weight":"two.safetensors","one.weight":"one.safetensors"}}`)
	f, err := OpenSharded(dir, stem)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Names(); !slices.Equal(got, []string{"one.weight", "two.weight"}) {
		t.Errorf("names = %v", got)
	}
	if got, err := f.Float32("two.weight"); err != nil || got[0] != 2 {
		t.Errorf("two.weight = %v, %v", got, err)
	}
	if got := f.Metadata(); !reflect.DeepEqual(got, map[string]string{"from": "one", "one": "here", "two": "here"}) {
		t.Errorf("metadata = %v", got)
	}
	_, err = f.Float32Shape("two.weight", 2)
	wantInvalid(t, err, "two.safetensors: tensor") // the shard, not the index
	// A single file comes before an index.
	if err := os.Rename(filepath.Join(dir, "one.safetensors"), filepath.Join(dir, stem+".safetensors")); err != nil {
		t.Fatal(err)
	}
	single, err := OpenSharded(dir, stem)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	if !single.Has("unlisted") || single.Name() != stem+".safetensors" {
		t.Errorf("opened %s with %v", single.Name(), single.Names())
	}
}

func TestOpenShardedRefuses(t *testing.T) {
	for _, test := range []struct{ name, index, want string }{
		{"parent folder", `{"weight_map":{"a":"../one.safetensors"}}`, `"../one.safetensors", which is not a file of the same folder`},
		{"absolute", `{"weight_map":{"a":"/etc/passwd"}}`, "same folder"},
		{"sub-folder", `{"weight_map":{"a":"x/one.safetensors"}}`, "same folder"},
		{"backslash", `{"weight_map":{"a":"..\\one.safetensors"}}`, "same folder"},
		{"dot", `{"weight_map":{"a":"."}}`, "same folder"},
		{"empty name", `{"weight_map":{"a":""}}`, "same folder"},
		{"missing shard", `{"weight_map":{"a":"three.safetensors"}}`, "three.safetensors: "},
		{"missing tensor", `{"weight_map":{"one.weight":"two.safetensors"}}`, `index.json: invalid input: two.safetensors: there is no tensor "one.weight"`},
		{"duplicate", `{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}`, "comes twice"},
		{"no map", `{"metadata":{}}`, "weight_map is missing"},
		{"not JSON", `weights`, "index.json: invalid character"},
		{"trailing text", `{"weight_map":{}} x`, "something follows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OpenSharded(shardedModel(t, test.index), stem)
			wantInvalid(t, err, test.want)
		})
	}
	_, err := OpenSharded(t.TempDir(), stem)
	wantInvalid(t, err, "has neither diffusion_pytorch_model.safetensors nor diffusion_pytorch_model.safetensors.index.json")
}

// Names of variants as transformers and diffusers have written them over time.
func TestFindWeights(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  string
		err   string
	}{
		{"plain first", []string{stem + ".fp16.safetensors", stem + ".safetensors"}, stem + ".safetensors", ""},
		{"index before variant", []string{stem + ".fp16.safetensors", stem + ".safetensors.index.json"}, stem + ".safetensors.index.json", ""},
		{"one file", []string{stem + ".fp16.safetensors", "config.json"}, stem + ".fp16.safetensors", ""},
		{"shards", []string{stem + ".fp16-00001-of-00002.safetensors", stem + ".fp16-00002-of-00002.safetensors", stem + ".safetensors.index.fp16.json"}, stem + ".safetensors.index.fp16.json", ""},
		{"other index", []string{stem + ".safetensors.fp16.index.json", stem + "-00001-of-00001.fp16.safetensors"}, stem + ".safetensors.fp16.index.json", ""},
		{"third index", []string{stem + ".fp16.safetensors.index.json"}, stem + ".fp16.safetensors.index.json", ""},
		{"bf16 of two", []string{stem + ".bf16.safetensors", stem + ".fp16.safetensors"}, stem + ".bf16.safetensors", ""},
		{"fp16 of two", []string{stem + ".non_ema.safetensors", stem + ".fp16.safetensors"}, stem + ".fp16.safetensors", ""},
		{"unclear", []string{stem + ".ema.safetensors", stem + ".non_ema.safetensors"}, "", "in the variants ema, non_ema: leave one of them"},
		{"none", []string{"model.fp16.safetensors", stem + ".fp16-00001-of-00002.safetensors", stem + ".fp16.bin"}, "", "nor a variant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, from := range []source{onDisk(dir), inFS(os.DirFS(dir), ".")} {
				got, err := findWeights(from, "folder", stem)
				if c.err != "" {
					wantInvalid(t, err, c.err)
				} else if err != nil || got != c.want {
					t.Errorf("found %q, want %q (%v)", got, c.want, err)
				}
			}
		})
	}
}

// Whatever an index holds, no shard that it names is outside of its folder.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":8},"weight_map":{"two.weight":"two.safetensors","one.weight":"one.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"..\\one.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"x/../one.safetensors"},"weight_map":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		weightMap, err := parseIndex(text)
		if err != nil {
			return
		}
		for tensor, shard := range weightMap {
			if path := filepath.Join("folder", shard); filepath.Dir(path) != "folder" || filepath.Base(path) != shard {
				t.Fatalf("tensor %q is in %q", tensor, shard)
			}
		}
	})
}
