package flux1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// writeFluxDevFolder writes a folder with the files that FLUX.1-dev's has, under
// their names and in their forms, of random weights for tiny vocabularies.
func writeFluxDevFolder(t *testing.T) string {
	t.Helper()
	params := Params{
		PatchSize: 1, InChannels: 16, NumLayers: 1, NumSingleLayers: 1, AttentionHeadDim: 16, NumAttentionHeads: 2,
		JointAttentionDim: 16, PooledProjectionDim: 16, AxesDimsRope: [3]int{4, 6, 6}, GuidanceEmbeds: true,
	}
	folder := &Folder{
		Index: NewModelIndex(false), Scheduler: flux.FluxScheduler, Transformer: params,
		VAE: flux.NewAutoencoder([]int{8, 8, 16, 16}, 4, 1, 4, true), CLIP: NewCLIP(721, 16, 2, 1, 77), T5: NewT5(256, 16, 2, 32, 1),
	}
	dir, store := t.TempDir(), randomStore(t, folder, NewLoRA(params, 2, false))
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(folder.WriteConfigs(dir))
	check(folder.SaveWeights(dir, store, safetensors.BF16))
	check(shard(store, dir, TransformerPrefix, flux.DiffusersStem, 3))
	check(shard(store, dir, T5Prefix, flux.TransformersStem, 2))
	check(os.CopyFS(filepath.Join(dir, "tokenizer"), os.DirFS("../../tokenizer/testdata/clip")))
	check(os.CopyFS(filepath.Join(dir, "tokenizer_2"), os.DirFS("../../tokenizer/testdata/t5")))
	data, err := os.ReadFile("../../tokenizer/testdata/t5.json")
	check(err)
	check(WriteTokenizer(dir, "tokenizer_2", "tokenizer.json", data))
	check(WriteTokenizer(dir, "tokenizer_2", "special_tokens_map.json", []byte(`{"eos_token":{"content":"</s>"},"pad_token":{"content":"<pad>"},"unk_token":{"content":"<unk>"}}`)))
	return dir
}

// shard replaces the one file of a component by n shards and their index.
func shard(store *nn.Store, dir, prefix, stem string, n int) error {
	shards := make([][]safetensors.Tensor, n)
	index := map[string]string{}
	file := func(i int) string { return fmt.Sprintf("%s-%05d-of-%05d.safetensors", stem, i+1, n) }
	for i, full := range store.Names(prefix + ".") {
		values, err := store.Values(full)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(full, prefix+".")
		shards[i%n] = append(shards[i%n], safetensors.Tensor{Name: name, Shape: store.Dims(full), DType: safetensors.BF16, Values: values})
		index[name] = file(i % n)
	}
	for i, tensors := range shards {
		if err := safetensors.Write(filepath.Join(dir, prefix, file(i)), tensors, map[string]string{"format": "pt"}); err != nil {
			return err
		}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 0}, "weight_map": index})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, prefix, stem+".safetensors.index.json"), data, 0o644); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, prefix, stem+".safetensors"))
}

func loadFluxDev(t *testing.T, dir string) *Model {
	t.Helper()
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	model, err := LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func TestFluxDevFolderGenerates(t *testing.T) {
	dir := writeFluxDevFolder(t)
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if !entry.IsDir() {
			files = append(files, name)
		}
		return err
	})
	want := []string{
		"model_index.json", "scheduler/scheduler_config.json",
		"text_encoder/config.json", "text_encoder/model.safetensors",
		"text_encoder_2/config.json", "text_encoder_2/model-00001-of-00002.safetensors", "text_encoder_2/model-00002-of-00002.safetensors", "text_encoder_2/model.safetensors.index.json",
		"tokenizer/merges.txt", "tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json",
		"tokenizer_2/special_tokens_map.json", "tokenizer_2/spiece.model", "tokenizer_2/tokenizer.json", "tokenizer_2/tokenizer_config.json",
		"transformer/config.json", "transformer/diffusion_pytorch_model-00001-of-00003.safetensors", "transformer/diffusion_pytorch_model-00002-of-00003.safetensors", "transformer/diffusion_pytorch_model-00003-of-00003.safetensors", "transformer/diffusion_pytorch_model.safetensors.index.json",
		"vae/config.json", "vae/diffusion_pytorch_model.safetensors",
	}
	if err != nil || !slices.Equal(files, want) {
		t.Fatalf("the folder holds %q, FLUX.1-dev's %q (%v)", files, want, err)
	}
	model := loadFluxDev(t, dir)
	const prompt = "It's a Photo of two clocks 😀"
	t5, clip := model.TextIDs(prompt, prompt)
	const begin, end = 719, 720
	if stop := slices.Index(clip, end); len(clip) != 77 || clip[0] != begin || stop < 7 || slices.ContainsFunc(clip[stop:], func(id int32) bool { return id != end }) {
		t.Errorf("CLIP reads %v, want the text between %d and %d to the end", clip, begin, end)
	}
	if stop := slices.Index(t5, 1); len(t5) != 512 || stop < 7 || slices.ContainsFunc(t5[stop+1:], func(id int32) bool { return id != 0 }) {
		t.Errorf("T5 reads %v, want the text, 1 and zeros", t5)
	}
	p := flux.NewPipeline(openTestBackend(t), model, flux.Options{})
	request := reflectionflow.Request{Prompt: prompt, Seed: 3, Width: 32, Height: 32, Steps: 2, Guidance: 3.5}
	other := request
	other.Prompt = "It's a Photo of a cat 😀"
	images := mustGenerate(t, p, request, other)
	if bytes.Equal(images[0], images[1]) {
		t.Error("another prompt gives the same image")
	}

	// Without tokenizer.json, T5 reads spiece.model, which has the same tokens.
	if err := os.Remove(filepath.Join(dir, "tokenizer_2", "tokenizer.json")); err != nil {
		t.Fatal(err)
	}
	if got, _ := loadFluxDev(t, dir).TextIDs(prompt, prompt); !slices.Equal(got, t5) {
		t.Errorf("with spiece.model T5 reads %v, with tokenizer.json %v", got, t5)
	}
}
