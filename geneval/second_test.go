package geneval_test

import (
	"context"
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// TestJudgeAgain: a second judge decides on every image once, an interrupted one goes on,
// and what it says is counted, listed and shown on the page.
func TestJudgeAgain(t *testing.T) {
	w := newWorld(t, 6)
	e := w.compared(t.TempDir())
	run(t, e)
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := results.JudgeAgain(ctx, "same", geneval.ByRules(canceled{}), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
	w.judged.Store(0)
	same, err := results.JudgeAgain(t.Context(), "same", geneval.ByRules(w), nil)
	if err != nil {
		t.Fatal(err)
	}
	if same.First+same.Other != 0 || same.Kappa() != 1 || same.Both == 0 || same.Neither == 0 {
		t.Errorf("the same judge: %v", same)
	}
	different := make(map[string]bool)
	for _, r := range results.Records {
		data, err := os.ReadFile(filepath.Join(e.Dir, filepath.FromSlash(r.Filename)))
		if err != nil {
			t.Fatal(err)
		}
		different[r.Prompt+string(data)] = true
	}
	if n := int(w.judged.Load()); n != len(different) {
		t.Errorf("it looked at %d images, %d are different", n, len(different))
	}
	blindly, err := results.JudgeAgain(t.Context(), "blind", geneval.ByRules(blind{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if blindly.First != same.Both || blindly.Both+blindly.Other != 0 || len(blindly.Disputed) != same.Both || math.Abs(blindly.Kappa()) > 1e-9 {
		t.Errorf("a judge that sees nothing: %v", blindly)
	}
	w.judged.Store(0)
	if again, err := results.JudgeAgain(t.Context(), "same", geneval.ByRules(w), nil); err != nil || w.judged.Load() != 0 || again.String() != same.String() {
		t.Errorf("judged already: %v, %v, %d images judged", again, err, w.judged.Load())
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := results.WritePage(page, "make results"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"By another judge: same", "kappa 1.00", "By another judge: blind", "Images on which they differ"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if _, err := results.Publish(); err != nil {
		t.Fatal(err)
	}
	if text := files(t, e.Dir)["report.md"]; strings.Count(text, "blind says") != len(blindly.Disputed) {
		t.Errorf("report.md lists %d of %d images on which the judges differ", strings.Count(text, "blind says"), len(blindly.Disputed))
	}
	if _, err := results.JudgeAgain(t.Context(), "later", geneval.Later{}, nil); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a judge outside of the program: %v", err)
	}
}

// canceled is a detector that notices the end of its context.
type canceled struct{}

func (canceled) Detect(ctx context.Context, _ []image.Image) ([][]reflectionflow.Object, error) {
	return nil, ctx.Err()
}
