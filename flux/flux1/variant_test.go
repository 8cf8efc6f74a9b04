package flux1

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// variantFolder returns a folder whose weights current libraries wrote, see testdata/make_fixtures_variant.py.
func variantFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := tinyFolder().WriteConfigs(dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range tinyFolder().Components() { // with their own config.json
		path := filepath.Join(dir, c.Prefix)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(path, os.DirFS(filepath.Join("testdata", "variant", c.Prefix))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func loadStore(t *testing.T, dir string) *nn.Store {
	t.Helper()
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := folder.CheckWeights(); err != nil || len(problems) > 0 {
		t.Errorf("%q, %v", problems.Report(), err)
	}
	store := nn.NewStore()
	if err := folder.LoadWeights(store); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestFoldersOfCurrentLibrariesLoad(t *testing.T) {
	dir := variantFolder(t)
	store := loadStore(t, dir)
	for name, file := range map[string][2]string{
		"text_encoder.text_model.embeddings.token_embedding.weight":       {"text_encoder/model.safetensors", "embeddings.token_embedding.weight"},
		"text_encoder.text_model.final_layer_norm.bias":                   {"text_encoder/model.safetensors", "final_layer_norm.bias"},
		"text_encoder_2.shared.weight":                                    {"text_encoder_2/model.fp16-00001-of-00002.safetensors", "shared.weight"},
		"text_encoder_2.encoder.block.0.layer.1.DenseReluDense.wo.weight": {"text_encoder_2/model.fp16-00002-of-00002.safetensors", "encoder.block.0.layer.1.DenseReluDense.wo.weight"},
		"transformer.single_transformer_blocks.0.proj_out.weight":         {"transformer/diffusion_pytorch_model.fp16.safetensors", "single_transformer_blocks.0.proj_out.weight"},
	} {
		f, err := safetensors.Open(filepath.Join(dir, file[0]))
		if err != nil {
			t.Fatal(err)
		}
		want, err := f.Float32(file[1])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := store.Values(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v (%v)", name, got, want, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file system finds the same files as a folder on disk: variants and shards.
func TestVariantsLoadFromFileSystem(t *testing.T) {
	dir := variantFolder(t)
	want := loadStore(t, dir)
	folder, err := OpenFolderFS(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := folder.CheckWeights(); err != nil || len(problems) > 0 {
		t.Errorf("%q, %v", problems.Report(), err)
	}
	got := nn.NewStore()
	if err := folder.LoadWeights(got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Names(""), want.Names("")) {
		t.Errorf("tensors %q, want %q", got.Names(""), want.Names(""))
	}
}

// T5's token embedding has one of two names, or both with the same values.
func TestT5EmbeddingUnderEitherName(t *testing.T) {
	const alias = "encoder.embed_tokens.weight"
	for name, change := range map[string]func([]safetensors.Tensor) []safetensors.Tensor{
		"alias": named("shared.weight", func(s *safetensors.Tensor) bool {
			s.Name = alias
			return true
		}),
		"both": func(tensors []safetensors.Tensor) []safetensors.Tensor {
			at := slices.IndexFunc(tensors, func(s safetensors.Tensor) bool { return s.Name == "shared.weight" })
			second := tensors[at]
			second.Name = alias
			return append(tensors, second)
		},
		"with its decoder": func(tensors []safetensors.Tensor) []safetensors.Tensor {
			return append(tensors, safetensors.Tensor{Name: "decoder.final_layer_norm.weight", Shape: []int{1}, DType: safetensors.F32, Values: []float32{1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeTinyFolder(t, tinyFolder(), safetensors.F16)
			before := loadStore(t, dir)
			rewrite(t, filepath.Join(dir, "text_encoder_2", "model.safetensors"), change)
			store := loadStore(t, dir)
			want, err := before.Values("text_encoder_2.shared.weight")
			if err != nil {
				t.Fatal(err)
			}
			got, err := store.Values("text_encoder_2.shared.weight")
			if err != nil || !slices.Equal(got, want) || !slices.Equal(store.Names(""), before.Names("")) {
				t.Errorf("%v, want %v (%v); names %q", got, want, err, store.Names("text_encoder_2"))
			}
		})
	}
}
