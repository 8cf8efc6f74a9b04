package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

const annotatedByChat = `
endpoints:
  vlm: {url: "%s", model: double-1, cache: cache, price: {per_call: 0.01}}
annotators:
  pairs: {type: chat, endpoint: vlm}
`

// smallSet builds a set of edits.
func smallSet(t *testing.T, dir string, args ...string) {
	t.Helper()
	build := append([]string{"build", "--source", "editing", "--count", "7", "--shard", "3", "--seed", "1", "--quiet", "--out", dir}, args...)
	if code, _, stderr := genrefRun(context.Background(), fake{}, build...); code != 0 {
		t.Fatalf("build: exit %d, %q", code, stderr)
	}
}

// The embedded verifier annotates by default; again, there is nothing left to ask.
func TestGenrefAnnotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	smallSet(t, dir)
	for _, before := range []string{"0", "7"} {
		code, stdout, stderr := genrefRun(context.Background(), fake{}, "annotate", dir)
		if code != 0 || !strings.Contains(stdout, "7 triplets annotated, "+before+" of them before\n") {
			t.Fatalf("exit %d, %q, %q", code, stdout, stderr)
		}
	}
	if code, stdout, stderr := genrefRun(context.Background(), fake{}, "check", dir); code != 0 {
		t.Errorf("check: exit %d, %q, %q", code, stdout, stderr)
	}
}

// A language model of the configuration annotates. What it refuses and what is prose
// twice is counted and listed, and paid for once.
func TestGenrefAnnotateByChat(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "set")
	smallSet(t, dir)
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		switch {
		case strings.Contains(q.Text, "You have answered this before"):
			return testserver.Answer{Text: "As I said."}
		case q.N == 0:
			return testserver.Answer{Refusal: "Not this one."}
		case q.N == 1:
			return testserver.Answer{Text: "The second is nicer."}
		}
		return testserver.Answer{Text: `{"better":"first","differences":[{"category":"count","first":"two","second":"one"}],"instructions":["Add one more."]}`}
	}})
	file := filepath.Join(home, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, annotatedByChat, vlm.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := genrefRun(context.Background(), fake{}, "annotate", dir, "--config", file)
	if code != 0 {
		t.Fatalf("exit %d, %q, %q", code, stdout, stderr)
	}
	for _, line := range []string{"7 triplets annotated, 0 of them before", "skipped: 1 no usable answer, 1 refused", "Not this one.", "cost: 800 tokens in, 80 tokens out, 0.0800 USD"} {
		if !strings.Contains(stdout, line) {
			t.Errorf("it said %q, want %q", stdout, line)
		}
	}
	asked := vlm.Requests()
	if code, stdout, _ := genrefRun(context.Background(), fake{}, "annotate", dir, "--config", file); code != 0 || !strings.Contains(stdout, "7 of them before") || vlm.Requests() != asked {
		t.Errorf("again: exit %d, %q, %d more questions", code, stdout, vlm.Requests()-asked)
	}
	if code, _, stderr := genrefRun(context.Background(), fake{}, "annotate", dir); code != exitInvalid || !strings.Contains(stderr, "the set was annotated by double-1, annotate.v2") {
		t.Errorf("by another annotator: exit %d, %q", code, stderr)
	}
}

func TestGenrefAnnotateRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	smallSet(t, dir)
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	if err := os.WriteFile(empty, []byte("model: \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"annotate"},
		{"annotate", "no/where"},
		{"annotate", t.TempDir()},
		{"annotate", dir, "--count", "-1"},
		{"annotate", dir, "--config", "no/where"},
		{"annotate", dir, "--config", empty},
		{"annotate", dir, "--config", empty, "--model", "stripes"},
		{"annotate", dir, "--model", "nobody"},
	} {
		if code, _, stderr := genrefRun(context.Background(), fake{}, args...); code != exitInvalid || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "annotations.jsonl")); err == nil {
		t.Error("what was refused left annotations")
	}
}
