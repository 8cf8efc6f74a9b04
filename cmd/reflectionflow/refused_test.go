package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"reflectionflow/internal/testserver"
)

// TestServerRefusesInTheMiddle: a server that has generated images and then refuses all
// requests ends an evaluation with exit code 1, its own words and how to resume. The
// resumed evaluation does not generate an image again.
func TestServerRefusesInTheMiddle(t *testing.T) {
	t.Setenv("FAKE_JUDGE", "good")
	for name, fault := range map[string]testserver.Fault{
		"quota": testserver.EmptyAccount(1)[0],
		"401":   testserver.WithStatus(401, `{"error":{"message":"the key has expired"}}`),
		"402":   testserver.WithStatus(402, `{"error":{"message":"pay first: billing details"}}`),
		"403":   testserver.WithStatus(403, `{"error":{"message":"the key has expired"}}`),
		"404":   testserver.WithStatus(404, `{"error":{"message":"the key has expired","code":"model_not_found"}}`),
	} {
		for _, test := range []struct {
			dialect, strategy string
			images            int
		}{{"vllm-omni", "reflection", 9}, {"openai", "noise", 9}, {"vllm-omni", "noise", 9}} {
			if name != "quota" && test.strategy == "noise" {
				continue // one refusal is enough for the other dialect and strategy
			}
			t.Run(name+" "+test.dialect+" "+test.strategy, func(t *testing.T) {
				t.Chdir(t.TempDir())
				images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: test.dialect, Random: test.dialect == "openai"})
				var refuses atomic.Bool
				refuses.Store(true)
				for _, route := range []string{"POST /v1/images/generations", "POST /v1/images/edits"} {
					for range 50 {
						images.Fail(route, func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
							if refuses.Load() && len(images.Generated()) >= 5 {
								honest = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fault(w, r, nil) })
							}
							honest.ServeHTTP(w, r)
						})
					}
				}
				args := []string{
					"evaluate", "--limit", "3", "--budgets", "3", "--strategies", test.strategy, "--batch", "2", "--out", "e", "--quiet",
					"--generator", "openai+" + images.URL + "?concurrency=1&model=m&dialect=" + test.dialect, "--any-size", "--size", "32",
					"--judge", "embedded", "--force-judge",
				}
				code, _, said := here(t, args...)
				if code != exitFailure || len(images.Generated()) != 5 || strings.Count(said, "\n") != 1 ||
					!strings.Contains(said, "the same command resumes") || !strings.Contains(said, "billing details") && !strings.Contains(said, "the key has expired") {
					t.Errorf("exit code %d after %d images: %s", code, len(images.Generated()), said)
				}
				refuses.Store(false)
				if code, _, said := here(t, args...); code != exitOK || len(images.Generated()) != test.images {
					t.Errorf("resumed: exit code %d after %d images, want %d: %s", code, len(images.Generated()), test.images, said)
				}
			})
		}
	}
}

// TestModelRefusesInTheMiddle: the same of a language model that verifies and reflects,
// and of one that dies.
func TestModelRefusesInTheMiddle(t *testing.T) {
	t.Setenv("FAKE_JUDGE", "good")
	for name, fault := range map[string]testserver.Fault{
		"402": testserver.WithStatus(402, `{"error":{"message":"pay first"}}`),
		"403": testserver.WithStatus(403, `{"error":{"message":"pay first"}}`),
		"429": testserver.WithStatus(429, `{"error":{"message":"pay first","code":"insufficient_quota"}}`),
		"500": testserver.WithStatus(500, `{"error":{"message":"pay first"}}`),
	} {
		for refused := 3; refused < 6; refused++ {
			if name != "402" && refused > 3 {
				break
			}
			t.Run(fmt.Sprint(name, " at question ", refused+1), func(t *testing.T) {
				var asked, limit atomic.Int32
				limit.Store(int32(refused))
				vlm := testserver.NewChat(t, testserver.ChatOptions{Key: key})
				for range 100 {
					vlm.Fail(func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
						if asked.Add(1) > limit.Load() {
							honest = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fault(w, r, nil) })
						}
						honest.ServeHTTP(w, r)
					})
				}
				t.Chdir(deployed(t, strings.Replace(judgedByChat, "%s", vlm.URL, 1)))
				args := []string{
					"evaluate", "--limit", "2", "--budgets", "3", "--strategies", "reflection", "--difficulty", "0",
					"--config", "config.yaml", "--out", "e", "--quiet",
				}
				code, _, said := here(t, args...)
				if code != exitFailure || !strings.Contains(said, "resumes") && !strings.Contains(said, "same command again") || !strings.Contains(said, "pay first") {
					t.Errorf("exit code %d: %s", code, said)
				}
				limit.Store(1000)
				if code, _, said := here(t, args...); code != exitOK {
					t.Errorf("resumed: exit code %d: %s", code, said)
				}
			})
		}
	}
}

// TestServerRefusesAtFirst: a server that refuses the first request is badly configured.
func TestServerRefusesAtFirst(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("FAKE_JUDGE", "good")
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni", Key: key})
	code, _, said := here(t, "evaluate", "--limit", "1", "--budgets", "1", "--strategies", "noise", "--out", "e", "--quiet",
		"--generator", "openai+"+images.URL+"?dialect=vllm-omni", "--size", "32", "--steps", "2")
	if code != exitInvalid || !strings.Contains(said, "status 401") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestServerDies: the error of an evaluation names what the server last said, although it
// is not called any more after some failures.
func TestServerDies(t *testing.T) {
	const route = "POST /v1/images/generations"
	t.Chdir(t.TempDir())
	t.Setenv("FAKE_JUDGE", "good")
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"})
	for range 50 {
		images.Fail(route, testserver.WithStatus(500, `{"error":{"message":"CUDA out of memory"}}`))
	}
	code, _, said := here(t, "evaluate", "--limit", "8", "--budgets", "2", "--strategies", "noise", "--out", "e", "--quiet",
		"--generator", "openai+"+images.URL+"?dialect=vllm-omni", "--size", "32", "--steps", "2")
	if code != exitFailure || !strings.Contains(said, "CUDA out of memory") {
		t.Errorf("exit code %d: %s", code, said)
	}
}
