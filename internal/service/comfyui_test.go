package service_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"reflectionflow/internal/service"
)

// TestComfyUI runs the tests of integrations/comfyui against a service with keys: those of
// the client with any Python, those of the nodes in a ComfyUI whose folder is in the
// environment variable COMFYUI, with the Python in COMFYUI_PYTHON.
func TestComfyUI(t *testing.T) {
	python, comfy := os.Getenv("COMFYUI_PYTHON"), os.Getenv("COMFYUI")
	if python == "" {
		python = "python3"
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skip("needs python3")
	}
	keys, err := service.OpenKeys(filepath.Join(t.TempDir(), "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.Add("comfy", service.Limits{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, func(o *service.Options) { verifying(o); o.Keys = keys }).URL
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	tests := exec.CommandContext(ctx, python, "-B", "-m", "unittest", "discover", "-v", "-s", "../../integrations/comfyui/tests") //nolint:gosec // of the developer
	tests.Env = append(os.Environ(), "REFLECTIONFLOW_URL="+url, "REFLECTIONFLOW_API_KEY="+key, "COMFYUI="+comfy)
	out, err := tests.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if ran := regexp.MustCompile(`(?m)\.\.\. ok$`).FindAll(out, -1); len(ran) < 13 {
		t.Errorf("only %d tests ran:\n%s", len(ran), out)
	}
}
