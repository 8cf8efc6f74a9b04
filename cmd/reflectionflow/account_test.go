package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/testserver"
)

// till stands before the doubles of a test: it counts what they answer, by question,
// and strikes at a question of the test's choice, which then nobody answers.
type till struct {
	mu       sync.Mutex
	paid     map[string]int
	asked    int           // questions that count for the strike
	of       string        // what those begin with
	strikeAt int           // 0 for never
	struck   chan struct{} // closed after the strike
	strike   func(answered int)
}

// reset starts again, with a strike at a question among those that begin with of.
func (t *till) reset(strikeAt int, of string, strike func(answered int)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paid, t.asked, t.of, t.strikeAt, t.strike, t.struck = map[string]int{}, 0, of, strikeAt, strike, make(chan struct{})
}

// calm lets everything be answered from now on.
func (t *till) calm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strikeAt = 0
}

// answers reports whether a question is to be answered, which is paid for then.
func (t *till) answers(question string) bool {
	t.mu.Lock()
	counts := strings.HasPrefix(question, t.of)
	if counts {
		t.asked++
	}
	asked, strikeAt, struck, answered := t.asked, t.strikeAt, t.struck, 0
	for _, times := range t.paid {
		answered += times
	}
	if strikeAt == 0 || !counts || asked < strikeAt {
		t.paid[question]++
		strikeAt = 0
	}
	t.mu.Unlock()
	switch {
	case strikeAt == 0:
		return true
	case asked == strikeAt:
		t.strike(answered)
		close(struck)
	}
	<-struck
	return false
}

// killAt runs a command and kills it at a question among those that begin with of,
// once before is through.
func (t *till) killAt(tb testing.TB, at int, of string, cmd *exec.Cmd, before func(answered int)) {
	tb.Helper()
	begun, dead := make(chan struct{}), make(chan struct{})
	t.reset(at, of, func(answered int) {
		<-begun
		before(answered)
		_ = cmd.Process.Kill()
		<-dead
	})
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	close(begun)
	err := cmd.Wait()
	close(dead)
	if cmd.ProcessState.ExitCode() != -1 {
		tb.Fatalf("it ended before it was killed: %v", err)
	}
	t.calm()
}

// once demands that every question was paid for once, and there were so many.
func (t *till) once(tb testing.TB, want int) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for question, times := range t.paid {
		if times > 1 {
			tb.Errorf("paid %d times for %.200s", times, question)
		}
	}
	if len(t.paid) != want {
		tb.Errorf("%d answers were paid for, want %d", len(t.paid), want)
	}
}

// judge is a language model behind the till.
func (t *till) judge(tb testing.TB) *testserver.Chat {
	return testserver.NewChat(tb, testserver.ChatOptions{Key: key, Answer: func(q testserver.Question) testserver.Answer {
		if !t.answers("text " + string(q.Body)) {
			return testserver.Answer{Text: "nobody is there"}
		}
		return testserver.DefaultAnswer(q)
	}})
}

// painter is an image server behind the till.
func (t *till) painter(tb testing.TB) *testserver.OpenAIImages {
	double := testserver.NewOpenAIImages(tb, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"})
	for _, route := range []string{"POST /v1/images/generations", "POST /v1/images/edits"} {
		for range 5000 {
			double.Fail(route, func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
				body, boundary := contentOf(r)
				if t.answers("image " + strings.ReplaceAll(string(body), boundary, "")) {
					honest.ServeHTTP(w, r)
				}
			})
		}
	}
	return double
}

// contentOf reads the body of a request, which stays readable, and the boundary of
// its parts.
func contentOf(r *http.Request) (body []byte, boundary string) {
	var buf bytes.Buffer
	_, _ = buf.ReadFrom(r.Body)
	r.Body = http.NoBody
	if buf.Len() > 0 {
		r.Body = readCloser{bytes.NewReader(buf.Bytes())}
	}
	_, boundary, _ = strings.Cut(r.Header.Get("Content-Type"), "boundary=")
	if boundary == "" {
		boundary = "\x00"
	}
	return buf.Bytes(), boundary
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// waitForLines waits until a file has so many lines.
func waitForLines(t *testing.T, path string, n int) {
	t.Helper()
	testserver.Wait(t, fmt.Sprintf("%d lines of %s", n, path), func() bool {
		data, _ := os.ReadFile(path)
		return bytes.Count(data, []byte("\n")) == n
	})
}

// drawnAndJudged is a configuration whose parts are all at servers.
const drawnAndJudged = `
endpoints:
  vlm: {url: "%s", model: double-1, key_env: TEST_KEY, concurrency: 1, cache: none, price: {per_call: 0.01}}
generators:
  sd: {type: remote, url: "openai+%s?dialect=vllm-omni&concurrency=1", size: 64, steps: 2, price: {per_image: 0.04}}
verifiers:
  seen: {type: chat, endpoint: vlm, prompt: seen.txt}
reflectors:
  words: {type: chat, endpoint: vlm}
search: {budget: 8, early_stop: false, seed: 11, axes: [noise, reflection]}
`

// A run whose parts are paid for is killed while a question is under way, whichever
// it is, and resumed: nothing that was answered is asked again, and the record and
// its money are those of a run that was left alone.
func TestKilledAndPaidOnce(t *testing.T) {
	t.Parallel()
	var box till
	vlm, sd := box.judge(t), box.painter(t)
	for name, config := range map[string]string{
		"the judge is paid":            fmt.Sprintf(strings.Replace(judgedByChat, "cache: cache", "cache: none", 1), vlm.URL),
		"the painter is paid likewise": fmt.Sprintf(drawnAndJudged, vlm.URL, sd.URL),
		"several prompts share parts":  fmt.Sprintf(strings.Replace(drawnAndJudged, "budget: 8", "budget: 3", 1), vlm.URL, sd.URL),
	} {
		t.Run(name, func(t *testing.T) {
			generate := []string{"generate", "a clock and a cup", "--config", "config.yaml", "--out", "run", "--quiet"}
			if strings.Contains(config, "budget: 3") {
				generate = append(generate, "a cup", "a clock")
			}
			killAndPay(t, &box, config, func(home string, args ...string) *exec.Cmd { return command(t, home, args...) }, generate)
		})
	}
}

// The same with the embedded networks and their few steps.
func TestEmbeddedKilledAndPaidOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it loads the model three times")
	}
	var box till
	config := strings.NewReplacer("cache: cache", "cache: none", "budget: 8", "budget: 4, strategy: noise, steps: 2").Replace(judgedByChat) // the double's words are not the model's
	killAndPay(t, &box, fmt.Sprintf(config, box.judge(t).URL), embedded, []string{
		"generate", "two clocks and a red cup", "--config", "config.yaml", "--out", "run", "--quiet",
	})
}

func killAndPay(t *testing.T, box *till, config string, program func(home string, args ...string) *exec.Cmd, generate []string) {
	box.reset(0, "", nil)
	home := deployment(t, config)
	if out, err := program(home, generate...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, whole := record(t, filepath.Join(home, "run")), box.asked
	if whole < 4 {
		t.Fatalf("%d questions", whole)
	}
	box.once(t, whole)
	if !strings.Contains(want["calls.jsonl"], `"model":"double-1"`) {
		t.Errorf("the calls do not name the model that has answered:\n%s", want["calls.jsonl"])
	}
	step := 5
	if testing.Short() {
		step = whole
	}
	for at := 2; at <= whole; at += step {
		if err := os.RemoveAll(filepath.Join(home, "run")); err != nil {
			t.Fatal(err)
		}
		box.killAt(t, at, "", program(home, generate...), func(answered int) {
			waitForLines(t, filepath.Join(home, "run", "calls.jsonl"), answered)
		})
		if out, err := program(home, "generate", "--resume", "run", "--quiet").CombinedOutput(); err != nil {
			t.Fatalf("killed at question %d: %v\n%s", at, err, out)
		}
		box.once(t, whole)
		sameFiles(t, record(t, filepath.Join(home, "run")), want)
		if got, due := moneyOf(t, filepath.Join(home, "run")), box.due(); math.Abs(got-due) > 1e-9 {
			t.Errorf("killed at question %d: the record says %v, the servers have earned %v", at, got, due)
		}
		keepsSecret(t, home)
	}
}

// due is what the answers cost by the prices of the test.
func (t *till) due() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := 0.
	for question, times := range t.paid {
		price := .01
		if strings.HasPrefix(question, "image ") {
			price = .04
		}
		sum += price * float64(times)
	}
	return sum
}

// moneyOf is what the finished runs in a folder say that they cost.
func moneyOf(t *testing.T, dir string) float64 {
	t.Helper()
	sum := 0.
	for _, depth := range []string{"", "*"} {
		files, _ := filepath.Glob(filepath.Join(dir, depth, "result.json"))
		for _, path := range files {
			var result struct {
				Cost reflectionflow.Cost `json:"cost"`
			}
			data, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(data, &result)
			}
			if err != nil {
				t.Fatal(err)
			}
			sum += result.Cost.USD
		}
	}
	return sum
}

// An evaluation with paid servers is killed at any question and resumed: nothing that
// was answered is asked again, and each search costs what it would have cost.
func TestEvaluationKilledAndPaidOnce(t *testing.T) {
	var box till
	vlm, sd := box.judge(t), box.painter(t)
	t.Setenv("FAKE_JUDGE", "good")
	settings := strings.NewReplacer("size: 64", "size: 32", ", axes: [noise, reflection]", "").Replace(drawnAndJudged)
	home := deployed(t, fmt.Sprintf(settings, vlm.URL, sd.URL))
	evaluate := []string{"evaluate", "--config", "config.yaml", "--strategies", "noise,reflection", "--budgets", "1,2", "--limit", "6", "--judge", "embedded", "--force-judge", "--out", "run", "--quiet"}
	box.reset(0, "", nil)
	if out, err := command(t, home, evaluate...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := filepath.Join(home, "run")
	want, whole := evaluated(t, dir), box.asked
	if whole < 20 || !strings.Contains(want["results.jsonl"], `"money":0.1`) {
		t.Fatalf("%d questions: %s", whole, want["results.jsonl"])
	}
	for _, page := range []string{"report.md", "report.html"} {
		if data, err := os.ReadFile(filepath.Join(dir, page)); err != nil || !strings.Contains(string(data), "The judge was forced on images of a kind that it does not know") {
			t.Errorf("%s does not say that the judge was forced: %v", page, err)
		}
	}
	box.once(t, whole)
	if _, err := os.Stat(filepath.Join(dir, "answers")); err == nil {
		t.Error("the answers are left behind")
	}
	for _, at := range []int{3, whole / 2, whole - 1} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		box.killAt(t, at, "", command(t, home, evaluate...), func(answered int) {
			waitForLines(t, filepath.Join(dir, "calls.jsonl"), answered)
		})
		if out, err := command(t, home, evaluate...).CombinedOutput(); err != nil {
			t.Fatalf("killed at question %d: %v\n%s", at, err, out)
		}
		box.once(t, whole)
		sameFiles(t, evaluated(t, dir), want)
	}
}
