package flux1

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// What save_pretrained wrote must hold every weight asked for, and no other.
func TestSavedModelsAreUsedWhole(t *testing.T) {
	ids, image := shapes.Make(dtypes.Int32, 1, 8), shapes.Make(dtypes.Float32, 1, 8, 8, 3)
	var t5 T5Config
	var clip CLIPConfig
	var vae flux.AutoencoderConfig
	for _, c := range []struct {
		folder, stem string
		config       interface{ Validate() error }
		input        shapes.Shape
		build        func(s nn.Scope, in *Node) []*Node
	}{
		{"t5_saved", flux.TransformersStem, &t5, ids, func(s nn.Scope, in *Node) []*Node { return []*Node{T5Encode(s, t5, in)} }},
		{"clip_saved", flux.TransformersStem, &clip, ids, func(s nn.Scope, in *Node) []*Node { return []*Node{CLIPPooled(s, clip, in)} }},
		{"vae_saved", flux.DiffusersStem, &vae, image, func(s nn.Scope, in *Node) []*Node {
			mean, logvar := flux.Encode(s, vae, in)
			return []*Node{mean, logvar, flux.Decode(s, vae, mean)}
		}},
	} {
		dir, store := filepath.Join("testdata", c.folder), nn.NewStore()
		if err := flux.FilesOf(os.DirFS(dir)).ReadConfig("config.json", c.config); err != nil {
			t.Fatal(err)
		}
		if err := c.config.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := flux.LoadWeights(store, "model.part", dir, c.stem); err != nil {
			t.Fatal(err)
		}
		var used []string
		p, err := nn.Compile(openTestBackend(t), store, []shapes.Shape{c.input}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
			out := c.build(s.In("model.part"), in[0])
			used = s.Used()
			return out, nil
		}, nn.Options{Name: c.folder})
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		slices.Sort(used)
		if have := store.Names(""); !slices.Equal(have, used) {
			t.Errorf("%s: the file holds %v, used are %v", c.folder, have, used)
		}
	}
}

func TestWeightsRoundTrip(t *testing.T) {
	values := []float32{0.1, -2.5, 3e-9, 1}
	for _, c := range []struct {
		dtype safetensors.DType
		want  []float32
	}{
		{safetensors.F32, values},
		{safetensors.BF16, []float32{0.10009765625, -2.5, 2.9976945e-09, 1}},
	} {
		dir, store := t.TempDir(), nn.NewStore()
		store.Set("net.layer.weight", slices.Clone(values), 2, 2)
		store.Set("other.weight", []float32{7}, 1)
		if err := flux.SaveWeights(store, "net", filepath.Join(dir, "model.safetensors"), c.dtype); err != nil {
			t.Fatal(err)
		}
		loaded := nn.NewStore()
		if err := flux.LoadWeights(loaded, "", dir, "model"); err != nil {
			t.Fatal(err)
		}
		if names := loaded.Names(""); !slices.Equal(names, []string{"layer.weight"}) {
			t.Errorf("loaded %v", names)
		}
		got, err := loaded.Values("layer.weight")
		if err != nil || !slices.Equal(loaded.Dims("layer.weight"), []int{2, 2}) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v of shape %v, want %v (%v)", c.dtype, got, loaded.Dims("layer.weight"), c.want, err)
		}
	}
}

func TestBadWeightsAreRefused(t *testing.T) {
	nan := float32(math.NaN())
	dir, store := t.TempDir(), nn.NewStore()
	store.Set("net.bad.weight", []float32{1, nan}, 2)
	path := filepath.Join(dir, "model.safetensors")
	wantInvalid(t, flux.SaveWeights(store, "net", path, safetensors.F32), "bad.weight")
	wantInvalid(t, flux.SaveWeights(store, "nothing", path, safetensors.F32), `"nothing."`)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left behind: %v", err)
	}
	wantInvalid(t, flux.LoadWeights(store, "", dir, "model"), "model.safetensors")
	bad := []safetensors.Tensor{
		{Name: "a.weight", Shape: []int{1}, DType: safetensors.F32, Values: []float32{1}},
		{Name: "bad.weight", Shape: []int{2}, DType: safetensors.F32, Values: []float32{1, nan}},
	}
	if err := safetensors.Write(path, bad, nil); err != nil {
		t.Fatal(err)
	}
	empty := nn.NewStore()
	if err := flux.LoadWeights(empty, "", dir, "model"); err != nil { // values are checked before their first use
		t.Fatal(err)
	}
	wantInvalid(t, empty.CheckFinite(""), "bad.weight")
}

// wantInvalid demands a one-line error on invalid input that holds part.
func wantInvalid(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line on invalid input that holds %q", err, part)
	}
}

// tinyFolder is a model small enough to write in a test.
func tinyFolder() *Folder {
	return &Folder{
		Index: NewModelIndex(true), Scheduler: flux.FluxScheduler,
		Transformer: Params{
			PatchSize: 1, InChannels: 8, NumLayers: 1, NumSingleLayers: 1, AttentionHeadDim: 8, NumAttentionHeads: 2,
			JointAttentionDim: 8, PooledProjectionDim: 12, AxesDimsRope: [3]int{2, 2, 4},
		},
		VAE: flux.NewAutoencoder([]int{4, 8}, 2, 1, 2, true), CLIP: NewCLIP(11, 12, 2, 1, 6), T5: NewT5(11, 8, 2, 12, 1),
	}
}

func TestFolderRoundTrip(t *testing.T) {
	dir, want := t.TempDir(), tinyFolder()
	store := constantStore(t, want)
	if err := want.WriteConfigs(dir); err != nil {
		t.Fatal(err)
	}
	if err := WriteTokenizer(dir, "tokenizer_2", "tokenizer.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := want.SaveWeights(dir, store, safetensors.F32); err != nil {
		t.Fatal(err)
	}
	onDisk, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := OpenFolderFS(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []*Folder{onDisk, embedded} {
		loaded := nn.NewStore()
		if err := got.LoadWeights(loaded); err != nil {
			t.Fatal(err)
		}
		if names := loaded.Names(""); !slices.Equal(names, store.Names("")) {
			t.Errorf("loaded %v", names)
		}
		data, err := os.ReadFile(filepath.Join(dir, "tokenizer_2/tokenizer.json"))
		if err != nil || string(data) != "{}" {
			t.Errorf("tokenizer %q, %v", data, err)
		}
		got.Files = flux.Files{}
		got.VAE.DiffusersVersion = ""
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v\nwrote %+v", got, want)
		}
	}
}

func TestBadFolders(t *testing.T) {
	for _, c := range []struct{ name, file, old, new, want string }{
		{"other pipeline", "model_index.json", "FluxPipeline", "FluxFillPipeline", `"FluxFillPipeline"`},
		{"component missing", "model_index.json", `"vae"`, `"voe"`, "lists no vae"},
		{"other scheduler", "model_index.json", "FlowMatchEulerDiscreteScheduler", "DDIMScheduler", "DDIMScheduler"},
		{"no JSON", "vae/config.json", "{", "[", "vae/config.json is no JSON object"},
		{"field missing", "vae/config.json", `"shift_factor"`, `"x"`, `no "shift_factor"`},
		{"wrong type", "text_encoder/config.json", `"vocab_size": 11`, `"vocab_size": "many"`, "vocab_size"},
		{"huge", "text_encoder_2/config.json", `"num_layers": 1`, `"num_layers": 1000000000`, "num_layers is 1000000000"},
		{"negative", "text_encoder_2/config.json", `"d_ff": 12`, `"d_ff": -12`, "d_ff is -12"},
		{"groups", "vae/config.json", `"norm_num_groups": 2`, `"norm_num_groups": 3`, "multiple of norm_num_groups 3"},
		{"does not fit", "text_encoder_2/config.json", `"d_model": 8`, `"d_model": 16`, "joint_attention_dim"},
		{"other class", "transformer/config.json", "FluxTransformer2DModel", "UNet2DModel", "UNet2DModel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tinyFolder().WriteConfigs(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), c.old, c.new, 1)
			if changed == string(data) {
				t.Fatalf("%s does not hold %s", c.file, c.old)
			}
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = OpenFolder(dir)
			wantInvalid(t, err, c.want)
		})
	}
	_, err := OpenFolder(filepath.Join(t.TempDir(), "nowhere"))
	wantInvalid(t, err, "is missing")
	_, err = OpenFolder(t.TempDir())
	wantInvalid(t, err, "model_index.json is missing")
}

// modelIndex is the index of a FLUX.1 folder.
type modelIndex struct{ flux.ModelIndex }

func (m modelIndex) Validate() error { return checkIndex(m.ModelIndex) }

func TestRowsOfFluxDevAreValid(t *testing.T) {
	for _, c := range []interface{ Validate() error }{flux.FluxDevAutoencoder(), FluxDevT5(), FluxDevCLIP(), modelIndex{NewModelIndex(false)}} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever a configuration file holds, it is refused or read as what it is
// written back as.
func FuzzConfigs(f *testing.F) {
	for _, c := range []any{flux.FluxDevAutoencoder(), FluxDevT5(), FluxDevCLIP(), NewModelIndex(true)} {
		data, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"image_encoder":[null,null],"block_out_channels":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fresh := range []func() interface{ Validate() error }{
			func() interface{ Validate() error } { return &flux.AutoencoderConfig{} },
			func() interface{ Validate() error } { return &T5Config{} },
			func() interface{ Validate() error } { return &CLIPConfig{} },
			func() interface{ Validate() error } { return &modelIndex{} },
		} {
			first, second := fresh(), fresh()
			if json.Unmarshal(data, first) != nil || first.Validate() != nil {
				continue
			}
			written, err := json.Marshal(first)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(written, second); err != nil || second.Validate() != nil {
				t.Fatalf("%s: %v", written, err)
			}
			again, err := json.Marshal(second)
			if err != nil || string(again) != string(written) {
				t.Fatalf("%s was read as %s (%v)", written, again, err)
			}
		}
	})
}
