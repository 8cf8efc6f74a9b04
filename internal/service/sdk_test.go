package service_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const sdkPrompt = "a photo of two clocks"

// TestGoSDK drives the service with the openai module for Go, unchanged.
func TestGoSDK(t *testing.T) {
	server, key := keyed(t)
	client := openai.NewClient(option.WithBaseURL(server+"/v1"), option.WithAPIKey(key[len("Bearer "):]), option.WithMaxRetries(0))
	ctx := t.Context()
	png := func(text string) []byte {
		t.Helper()
		file, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !bytes.HasPrefix(file, []byte("\x89PNG")) {
			t.Fatalf("no PNG: %.20q, %v", file, err)
		}
		return file
	}
	models, err := client.Models.List(ctx)
	if err != nil || len(models.Data) < 2 {
		t.Fatalf("models %+v: %v", models, err)
	}
	reply, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: sdkPrompt, Model: models.Data[0].ID, N: openai.Int(2), Quality: "low", Size: "1024x1024"})
	if err != nil || len(reply.Data) != 2 || reply.Size != "1024x1024" {
		t.Fatalf("generations %+v: %v", reply, err)
	}
	file := png(reply.Data[0].B64JSON)
	if size := bounds(t, file); size != "1024x1024" {
		t.Errorf("the image has %s pixels", size)
	}
	reply, err = client.Images.Edit(ctx, openai.ImageEditParams{
		Prompt: sdkPrompt, Quality: "low", Image: openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{bytes.NewReader(file)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	png(reply.Data[0].B64JSON)

	stream := client.Images.GenerateStreaming(ctx, openai.ImageGenerateParams{Prompt: sdkPrompt, PartialImages: openai.Int(2), Quality: "medium"})
	last := ""
	for stream.Next() {
		event := stream.Current()
		last = event.Type
		png(event.B64JSON)
	}
	if err := stream.Err(); err != nil || last != "image_generation.completed" {
		t.Errorf("the stream ends with %q, %v", last, err)
	}
	for name, c := range map[string]struct {
		params openai.ImageGenerateParams
		status int
		code   string
	}{
		"n":     {openai.ImageGenerateParams{Prompt: sdkPrompt, N: openai.Int(99)}, 400, ""},
		"model": {openai.ImageGenerateParams{Prompt: sdkPrompt, Model: "dall-e-9"}, 404, "model_not_found"},
	} {
		_, err := client.Images.Generate(ctx, c.params)
		var typed *openai.Error
		if !errors.As(err, &typed) || typed.StatusCode != c.status || typed.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPythonSDK and TestJavaScriptSDK run the checks of tools/compat with the openai packages
// for Python and JavaScript, unchanged: with the Python in OPENAI_PYTHON, and with the folder
// in OPENAI_NODE where npm installed the package.
func TestPythonSDK(t *testing.T) {
	python := os.Getenv("OPENAI_PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.CommandContext(t.Context(), python, "-c", "import openai").Run() != nil { //nolint:gosec // of the developer
		t.Skip("needs a Python with the package openai in OPENAI_PYTHON")
	}
	runSDK(t, python, "../../tools/compat/sdk.py")
}

func TestJavaScriptSDK(t *testing.T) {
	dir := os.Getenv("OPENAI_NODE")
	if dir == "" {
		t.Skip("needs the folder of the package openai in OPENAI_NODE")
	}
	runSDK(t, "node", "../../tools/compat/sdk.mjs", dir)
}

func runSDK(t *testing.T, program string, args ...string) {
	t.Helper()
	server, key := keyed(t)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+server+"/v1", "OPENAI_API_KEY="+key[len("Bearer "):])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
