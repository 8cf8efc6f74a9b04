package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// drawnForSets is a configuration for sets whose parts are all at servers.
const drawnForSets = `
endpoints:
  vlm: {url: "%s", model: double-1, key_env: TEST_KEY, concurrency: 1, cache: none, price: {per_call: 0.01}}
generators:
  sd: {type: remote, url: "openai+%s?dialect=vllm-omni&concurrency=1", size: 64, steps: 2, price: {per_image: 0.04}}
verifiers:
  seen: {type: chat, endpoint: vlm, prompt: seen.txt}
reflectors:
  words: {type: chat, endpoint: vlm}
refiners:
  longer: {type: chat, endpoint: vlm}
parsers:
  read: {type: chat, endpoint: vlm}
annotators:
  pairs: {type: chat, endpoint: vlm}
search: {strategy: noise, budget: 2}
`

// keptAnswers counts what is kept of shards that are not finished, and of prompts.
func keptAnswers(dir string) (n int) {
	for _, pattern := range []string{"unfinished/*", "unannotated"} {
		files, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern), "calls.jsonl"))
		for _, path := range files {
			data, _ := os.ReadFile(path)
			n += bytes.Count(data, []byte("\n"))
		}
	}
	return n
}

// waitForKept waits until so many answers are kept, beside those of what is finished.
func waitForKept(t *testing.T, dir string, n int, finished func() int) {
	t.Helper()
	testserver.Wait(t, fmt.Sprintf("%d answers kept or finished in %s", n, dir), func() bool { return keptAnswers(dir)+finished() == n })
}

// paidAgain runs a command that a kill has ended, and demands that all in all the servers
// were paid what they were when it was left alone, question by question, for the same files.
func (t *till) paidAgain(tb *testing.T, home, dir string, args []string, want map[string]string, paid map[string]int) {
	tb.Helper()
	if out, err := command(tb, home, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	if !maps.Equal(t.paid, paid) {
		tb.Errorf("%d answers were paid for, want %d", total(t.paid), total(paid))
		for question, times := range t.paid {
			if times != paid[question] {
				tb.Errorf("%d times instead of %d for %.200s", times, paid[question], question)
				break
			}
		}
	}
	sameFiles(tb, record(tb, filepath.Join(home, dir)), want)
}

func total(paid map[string]int) (n int) {
	for _, times := range paid {
		n += times
	}
	return n
}

// paidSet is a folder with a configuration of servers behind a till, and prompts.
func paidSet(t *testing.T, box *till, prompts ...string) string {
	t.Helper()
	vlm, sd := box.judge(t), box.painter(t)
	box.reset(0, "", nil)
	home := deployment(t, fmt.Sprintf(drawnForSets, vlm.URL, sd.URL))
	if err := os.WriteFile(filepath.Join(home, "prompts.txt"), []byte(strings.Join(prompts, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// A build whose parts are paid for is killed in the middle of a shard, at whichever
// question, and resumed: what was answered is not paid for again, and the set is the same.
func TestBuildKilledAndPaidOnce(t *testing.T) {
	t.Parallel()
	for source, prompts := range map[string][]string{
		"rule": {"a red cup", "two clocks"}, "reward": {"a clock and a cup", "two clocks"}, "length": {"clock"},
	} {
		t.Run(source, func(t *testing.T) {
			var box till
			home := paidSet(t, &box, prompts...)
			dir := filepath.Join(home, "set")
			build := func(count string) []string {
				return []string{
					"genref", "build", "--source", source, "--config", "config.yaml", "--prompts", "prompts.txt", "--split", "all",
					"--count", count, "--shard", "1", "--batch", "2", "--quiet", "--out", "set",
				}
			}
			run := func(count string) (map[string]string, map[string]int) {
				box.reset(0, "", nil)
				if out, err := command(t, home, build(count)...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				defer os.RemoveAll(dir)
				return record(t, dir), maps.Clone(box.paid)
			}
			_, first := run("1")
			want, paid := run("2")
			n, whole := total(first), total(paid)
			if n < 8 || whole <= n {
				t.Fatalf("%d questions for one shard, %d for two", n, whole)
			}
			for name := range want {
				if strings.HasPrefix(name, "unfinished") {
					t.Errorf("%s is left behind", name)
				}
			}
			moments := []int{2, n - 1, n + 2, whole}
			if testing.Short() {
				moments = []int{n + 2}
			}
			for _, at := range moments {
				box.killAt(t, at, "", command(t, home, build("2")...), func(answered int) {
					waitForKept(t, dir, answered, func() int {
						if _, err := os.Stat(filepath.Join(dir, "unfinished", "0")); err == nil || answered < n {
							return 0
						}
						return n - len(prompts)
					})
				})
				box.paidAgain(t, home, "set", build("2"), want, paid)
				box.paidAgain(t, home, "set", build("2"), want, paid) // and nothing for a set that is whole
				keepsSecret(t, home)
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The same of annotators: a batch that was not written is not paid for again.
func TestAnnotationKilledAndPaidOnce(t *testing.T) {
	var box till
	home := paidSet(t, &box)
	dir := filepath.Join(home, "set")
	smallSet(t, dir)
	lines := filepath.Join(dir, "annotations.jsonl")
	annotate := []string{"genref", "annotate", "--config", "config.yaml", "--quiet", "set"}
	run := func(args ...string) (map[string]string, map[string]int) {
		box.reset(0, "", nil)
		if out, err := command(t, home, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		defer os.Remove(lines)
		return record(t, dir), maps.Clone(box.paid)
	}
	_, first := run(append(annotate, "--count", "4")...) // one batch
	want, paid := run(annotate...)
	n, whole := total(first), total(paid)
	if n < 4 || whole < n+3 {
		t.Fatalf("%d questions in the first batch, %d in all", n, whole)
	}
	for _, at := range []int{2, n, n + 1, n + 2, whole} {
		box.killAt(t, at, "", command(t, home, annotate...), func(answered int) {
			waitForKept(t, dir, answered, func() int {
				if data, err := os.ReadFile(lines); err != nil || len(data) == 0 {
					return 0
				}
				return n
			})
		})
		box.paidAgain(t, home, "set", annotate, want, paid)
		if err := os.Remove(lines); err != nil {
			t.Fatal(err)
		}
	}
}
