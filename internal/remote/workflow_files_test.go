package remote_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

const workflowFolder = "../../docs/guides/workflows"

// TestWorkflowFiles runs every workflow of the guides: the reader finds the slots that
// its model needs, the server knows its nodes, and the request's values arrive.
func TestWorkflowFiles(t *testing.T) {
	tests := map[string]struct {
		edit     string  // the workflow that corrects beside it
		guidance float64 // that the model is run with; 0 for the request's own
	}{
		"flux2-klein-4b.json": {"flux2-klein-4b-edit.json", 1},
		"z-image-turbo.json":  {"", 1},
		"qwen-image.json":     {"qwen-image-edit.json", 0},
	}
	files, err := filepath.Glob(filepath.Join(workflowFolder, "*.json"))
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	tried := 0
	for name, tt := range tests {
		double := testserver.NewComfyUI(t)
		address := "comfyui+" + double.URL + "?workflow=" + filepath.Join(workflowFolder, name)
		list := requests()[:1]
		if tt.edit != "" {
			address += "&edit=" + filepath.Join(workflowFolder, tt.edit)
			list = requests()[:2]
		}
		tried += len(list)
		list[0].Width, list[0].Height = 96, 80
		out, err := open(t, address).Generate(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range list {
			want := testserver.ImageRequest{Prompt: r.Prompt, Seed: r.Seed, Width: r.Width, Height: r.Height, Steps: r.Steps, Guidance: r.Guidance, Strength: 1}
			if r.Reference != nil {
				want.Prompt, want.Reference = remote.Instruction.Text(r), r.Reference
			}
			if tt.guidance != 0 {
				want.Guidance = tt.guidance
			}
			if out[i].Err != nil || out[i].Unseeded || out[i].Cost.DenoiseSteps != r.Steps {
				t.Errorf("%s: image %d: unseeded %t, cost %+v, %v", name, i, out[i].Unseeded, out[i].Cost, out[i].Err)
			}
			wantImage(t, name, out[i].Image, want)
		}
	}
	if tried != len(files) {
		t.Errorf("%d of %d workflows were run", tried, len(files))
	}
}

// TestWorkflowModels: the weights that the workflows load are those of ComfyUI's own
// templates.
func TestWorkflowModels(t *testing.T) {
	known := []string{
		"flux-2-klein-4b.safetensors", "qwen_3_4b.safetensors", "flux2-vae.safetensors", "z_image_turbo_bf16.safetensors", "ae.safetensors",
		"qwen_image_2512_fp8_e4m3fn.safetensors", "qwen_image_edit_2511_bf16.safetensors", "qwen_2.5_vl_7b_fp8_scaled.safetensors", "qwen_image_vae.safetensors",
	}
	files, _ := filepath.Glob(filepath.Join(workflowFolder, "*.json"))
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var nodes map[string]struct {
			Class  string `json:"class_type"`
			Inputs map[string]any
		}
		if err := json.Unmarshal(data, &nodes); err != nil {
			t.Fatal(path, err)
		}
		for id, n := range nodes {
			for input, value := range n.Inputs {
				if text, _ := value.(string); strings.HasSuffix(text, ".safetensors") && !slices.Contains(known, text) {
					t.Errorf("%s, node %s: %s loads %s", path, id, input, text)
				}
			}
		}
	}
}
