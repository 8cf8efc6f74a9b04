package flux2

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

// Quantized weights give the image of their values in float32.
func TestFormatsGiveTheSameImage(t *testing.T) {
	m := tinyModel(t, true)
	p := &m.Folder.Transformer // wide enough for blocks of 256
	p.NumLayers, p.NumSingleLayers, p.NumAttentionHeads, p.AttentionHeadDim, p.AxesDimsRope = 1, 1, 8, 32, [4]int{8, 8, 8, 8}
	r := tinyRequests(t)[1]
	r.Steps = 1
	fluxtest.SameInEveryFormat(t, m.Folder.Components()[0], m.Store, func(store *nn.Store) []byte {
		model := *m
		model.Store = store
		return mustGenerate(t, flux.NewPipeline(nntest.Backend(t), &model, flux.Options{}), r)[0]
	})
}

// Shards and variants give the image of the one file.
func TestShardsAndVariantsGiveTheSameImage(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/tiny")); err != nil {
		t.Fatal(err)
	}
	shards(t, filepath.Join(dir, "transformer"), "diffusion_pytorch_model")
	shards(t, filepath.Join(dir, "text_encoder"), "model")
	if err := os.Rename(filepath.Join(dir, "vae/diffusion_pytorch_model.safetensors"), filepath.Join(dir, "vae/diffusion_pytorch_model.fp16.safetensors")); err != nil {
		t.Fatal(err)
	}
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	model, err := LoadModel(folder)
	if err != nil {
		t.Fatal(err)
	}
	r := tinyRequests(t)[1]
	got := mustGenerate(t, flux.NewPipeline(nntest.Backend(t), model, flux.Options{}), r)[0]
	if want := mustGenerate(t, flux.NewPipeline(nntest.Backend(t), tinyModel(t, true), flux.Options{}), r)[0]; !bytes.Equal(got, want) {
		t.Error("another image")
	}
}

// shards divides a weight file into two with an index, as save_pretrained does.
func shards(t *testing.T, dir, stem string) {
	t.Helper()
	path := filepath.Join(dir, stem+".safetensors")
	file, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	index := map[string]string{}
	parts := map[string][]safetensors.Tensor{}
	for i, name := range file.Names() {
		info, err := file.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := file.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		part := stem + []string{"-00001-of-00002", "-00002-of-00002"}[i%2] + ".safetensors"
		index[name] = part
		parts[part] = append(parts[part], safetensors.Tensor{Name: name, Shape: info.Shape, DType: info.DType, Raw: bytes.Clone(raw)})
	}
	for part, tensors := range parts {
		if err := safetensors.Write(filepath.Join(dir, part), tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": index})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, stem+".safetensors.index.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
