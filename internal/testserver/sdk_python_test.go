package testserver_test

import (
	"os"
	"os/exec"
	"testing"

	"reflectionflow/internal/testserver"
)

// TestPythonSDK: OpenAI's Python SDK takes the doubles for the servers that they
// stand for. It needs a Python with the package openai, named by OPENAI_PYTHON.
func TestPythonSDK(t *testing.T) {
	python := os.Getenv("OPENAI_PYTHON")
	if python == "" {
		t.Skip("OPENAI_PYTHON names no Python with the package openai")
	}
	chat := testserver.NewChat(t, testserver.ChatOptions{Key: "k-1"})
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Key: "k-1"})
	cmd := exec.CommandContext(t.Context(), python, "testdata/openai_sdk.py", chat.URL, images.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
