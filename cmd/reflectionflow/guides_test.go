package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
	"reflectionflow/internal/visiontest"
	"reflectionflow/tuning"
)

const guides = "../../docs/guides"

// The configuration of every guide passes the check, and generates, with doubles of its
// servers in their places.
func TestGuides(t *testing.T) {
	chatDouble := func(d testserver.Dialect, model, key string) string {
		return testserver.NewChat(t, testserver.ChatOptions{Dialect: d, Model: model, Key: key}).URL
	}
	doubles := strings.NewReplacer(
		"+https://api.openai.com/v1", "+"+testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Key: key, Random: true}).URL,
		"https://api.openai.com/v1", chatDouble(testserver.OpenAI, "gpt-6-luna", key),
		"http://localhost:8091/v1", testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"}).URL,
		"http://localhost:8000/v1", chatDouble(testserver.VLLM, "Qwen/Qwen3-VL-8B-Instruct", ""),
		"http://localhost:1234", testserver.NewSDCPP(t).URL,
		"http://localhost:8080/v1", chatDouble(testserver.LlamaCpp, "qwen3-vl", ""),
		"http://localhost:8188", testserver.NewComfyUI(t).URL,
		"models/owlv2-base-patch16-ensemble", visiontest.Folder(t, "owlv2", nil), "models/siglip2-base-patch16-224", visiontest.Folder(t, "siglip2", nil),
		"models/clip-vit-large-patch14", visiontest.Folder(t, "clip", nil), "models/PickScore_v1", visiontest.Folder(t, "clip-gelu", nil),
		"http://localhost:11434/v1", chatDouble(testserver.Ollama, "qwen3-vl:8b", ""),
	)
	t.Setenv("OPENAI_API_KEY", key)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	pages, err := filepath.Glob(filepath.Join(guides, "*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatal(pages, err)
	}
	workflows := map[string][]byte{}
	for _, name := range []string{"draw.json", "correct.json"} {
		if workflows[name], err = os.ReadFile(filepath.Join("../../internal/remote/testdata", name)); err != nil {
			t.Fatal(err)
		}
	}
	ready, err := filepath.Glob(filepath.Join(guides, "workflows", "*.json"))
	if err != nil || len(ready) < 5 {
		t.Fatal(ready, err)
	}
	for _, path := range ready {
		if workflows["workflows/"+filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "```yaml") {
			continue // a page without a configuration
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			found := block.FindAllStringSubmatch(string(text), -1)
			found = slices.DeleteFunc(found, func(b []string) bool {
				plain := dedent(b[1])
				if !strings.HasPrefix(plain, "corrector:") {
					return false
				}
				if _, err := tuning.ParseRecipe([]byte(plain)); err != nil { // of training, not of a run
					t.Errorf("recipe: %v\n%s", err, plain)
				}
				return true
			})
			if len(found) != 1 {
				t.Fatalf("%d configurations on the page", len(found))
			}
			if _, err := assemble.ParseConfig(page, []byte(dedent(found[0][1])), "/"); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(found[0][1], "type: flux") {
				return // its weights are not here
			}
			local := doubles.Replace(found[0][1])
			if strings.Contains(local, "localhost") || strings.Contains(local, "api.openai.com") {
				t.Fatalf("a server has no double:\n%s", local)
			}
			t.Chdir(deployed(t, local))
			if err := os.Mkdir("workflows", 0o700); err != nil {
				t.Fatal(err)
			}
			for name, data := range workflows {
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, table, said := here(t, "config", "check", "config.yaml")
			if code != 0 || strings.Contains(table, "corrections fail") || strings.Contains(table, "embedded") {
				t.Errorf("exit code %d\n%s%s", code, table, said)
			}
			code, _, said = here(t, "generate", "a clock and a cup", "--config", "config.yaml", "--budget", "2", "--out", "run")
			if code != 0 {
				t.Errorf("exit code %d: %s", code, said)
			}
			keepsSecret(t, ".")
		})
	}
}

// dedent removes the indentation of the first line from all lines.
func dedent(text string) string {
	first := strings.TrimLeft(text, " ")
	indent := text[:len(text)-len(first)]
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimPrefix(line, indent))
	}
	return out.String()
}
