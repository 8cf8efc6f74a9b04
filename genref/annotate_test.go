package genref

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
)

// fakeAnnotator prefers the image with less red, which fakeGenerator makes right. It counts
// its questions, can refuse to answer, and can end a context on a given call.
type fakeAnnotator struct {
	asked  map[string]int // by the images
	calls  int
	stop   int // end the context on this call, 0 for never
	end    context.CancelFunc
	silent bool
}

func (c *fakeAnnotator) Annotate(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Comparison, error) {
	if c.calls++; c.calls == c.stop {
		c.end()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.asked == nil {
		c.asked = make(map[string]int)
	}
	var out []reflectionflow.Comparison
	for _, p := range pairs {
		first, second := redOf(p.First), redOf(p.Second)
		c.asked[string(HashImage(p.First).hex())+string(HashImage(p.Second).hex())]++
		comparison := reflectionflow.Comparison{
			Better: reflectionflow.First, Instructions: []string{"make it darker"}, Cost: reflectionflow.Cost{TokensIn: 10},
			Differences: []reflectionflow.Difference{{Category: "color", First: tone(first), Second: tone(second)}},
		}
		if second < first {
			comparison.Better = reflectionflow.Second
		}
		if c.silent {
			comparison = reflectionflow.Comparison{Unanswered: "refused", Detail: "I\nwould rather not."}
		}
		out = append(out, comparison)
	}
	return out, nil
}

func (l PerceptualHash) hex() []byte { text, _ := l.MarshalText(); return text }

func redOf(m image.Image) uint32 {
	r, _, _, _ := m.At(m.Bounds().Min.X, m.Bounds().Min.Y).RGBA()
	return r >> 8
}

func tone(red uint32) string { return map[bool]string{true: "darker", false: "lighter"}[red < 5] }

func annotate(t *testing.T, dir string, a AnnotateOptions) AnnotateReport {
	t.Helper()
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := set.Annotate(context.Background(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func annotations(t *testing.T, dir string) []Annotation {
	t.Helper()
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []Annotation
	for a, err := range set.Annotations() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// The annotator sees the images in either order; its judgment is stored by side.
func TestAnnotateStoresJudgementsBySide(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, 12)
	var c fakeAnnotator
	report := annotate(t, dir, AnnotateOptions{Annotator: &c, Name: "critic", Batch: 5})
	if report.Annotated != 12 || report.Before != 0 || report.Better[BetterEnhanced] != 12 || report.Cost.TokensIn != 120 || report.Problems.Total() != 0 {
		t.Errorf("report %+v", report)
	}
	flawedFirst := 0
	list := annotations(t, dir)
	for i, s := range samples(t, dir) {
		a := list[i]
		if a.Key != s.Key || a.Annotator != "critic" || a.Differences[0] != (PairDifference{"color", "lighter", "darker"}) || a.Instructions[0] != "make it darker" {
			t.Errorf("annotation %+v", a)
		}
		if a.FlawedFirst {
			flawedFirst++
		}
	}
	if flawedFirst < 2 || flawedFirst > 10 {
		t.Errorf("%d of 12 flawed images came first", flawedFirst)
	}
	if report, err := Check(context.Background(), dir, nil); err != nil || report.Problems.Total() != 0 {
		t.Errorf("check: %+v, %v", report.Problems, err)
	}
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Annotate(context.Background(), AnnotateOptions{Annotator: &c, Name: "another", Batch: 5}, nil); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "annotated by critic") {
		t.Errorf("another annotator: %v", err)
	}
}

// After interruptions, with an incomplete last line, or in parts, the file is that of one
// call, and no pair is annotated twice.
func TestAnnotateResumes(t *testing.T) {
	whole := t.TempDir()
	build(t, whole, 12)
	annotate(t, whole, AnnotateOptions{Annotator: &fakeAnnotator{}, Name: "critic", Batch: 3})
	want := files(t, whole)[annotationsName]
	dir := t.TempDir()
	build(t, dir, 12)
	var c fakeAnnotator
	for stop := 1; ; stop++ {
		set, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var ctx context.Context
		ctx, c.end = context.WithCancel(context.Background())
		c.calls, c.stop = 0, 2
		_, err = set.Annotate(ctx, AnnotateOptions{Annotator: &c, Name: "critic", Batch: 3}, nil)
		c.end()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || stop > 10 {
			t.Fatal(err)
		}
		file, err := os.OpenFile(filepath.Join(dir, annotationsName), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		file.WriteString(`{"key":"rule_0_`)
		file.Close()
		if n := len(annotations(t, dir)); n != 3*stop {
			t.Fatalf("%d lines after %d batches", n, stop)
		}
	}
	parts := t.TempDir()
	build(t, parts, 12)
	for count := 1; count <= 12; count += 4 {
		if report := annotate(t, parts, AnnotateOptions{Annotator: &c, Name: "critic", Batch: 3, Count: count}); report.Annotated != count {
			t.Errorf("%d annotated, want %d", report.Annotated, count)
		}
	}
	annotate(t, parts, AnnotateOptions{Annotator: &c, Name: "critic", Batch: 3})
	for name, got := range map[string]string{"stopped": files(t, dir)[annotationsName], "in parts": files(t, parts)[annotationsName]} {
		if got != want {
			t.Errorf("%s: the annotations differ", name)
		}
	}
	for pair, n := range c.asked {
		if n > 2 { // once in each of the two folders
			t.Errorf("%s was asked %d times", pair, n)
		}
	}
}

// Damaged and refused triplets are counted and listed, and the others annotated.
func TestAnnotateSkipsDamage(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, 12)
	damage(t, filepath.Join(dir, "genref_1.tar"))
	report := annotate(t, dir, AnnotateOptions{Annotator: &fakeAnnotator{silent: true}, Name: "critic", Batch: 5})
	if report.Annotated != 7 || report.Skipped["refused"] != 7 || report.Problems.Counts[ProblemShard] != 1 || !strings.Contains(report.Problems.Listed[0], "genref_1.tar has another checksum") {
		t.Errorf("report %+v", report)
	}
	if len(report.Unanswered) != 7 || !strings.HasSuffix(report.Unanswered[0], ": refused: I would rather not.") {
		t.Errorf("listed %q", report.Unanswered)
	}

	// A foreign shard: an image that is damaged after its header, and an empty prompt.
	foreign := t.TempDir()
	good := encodedImage(t)
	cut := good[:len(good)-3]
	shard := pack(t, append(member5("a", good, cut, "two dogs"), append(member5("b", good, good, " "), member5("c", good, good, "two dogs")...)...)...)
	if err := os.WriteFile(filepath.Join(foreign, "genref_0.tar"), shard, 0o644); err != nil {
		t.Fatal(err)
	}
	report = annotate(t, foreign, AnnotateOptions{Annotator: &fakeAnnotator{}, Name: "critic", Batch: 5})
	if report.Annotated != 3 || report.Skipped[SkippedBadImage] != 1 || report.Skipped[SkippedBadPrompt] != 1 || report.Better[BetterFlawed]+report.Better[BetterEnhanced] != 1 {
		t.Errorf("report %+v", report)
	}
	// Truncated: the samples before the end are read.
	if err := os.WriteFile(filepath.Join(foreign, "genref_0.tar"), shard[:len(shard)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Open(foreign)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	problems, err := set.Walk(context.Background(), func(Sample) error { n++; return nil })
	if err != nil || n != 1 || problems.Counts[ProblemShard] != 1 || !strings.Contains(problems.Listed[0], "is truncated") {
		t.Errorf("%d samples of the truncated shard, %+v, %v", n, problems, err)
	}
}

// damage flips a byte in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// member5 returns the files of a sample.
func member5(key, flawed, enhanced, prompt string) []entry {
	return []entry{
		{key + ".bad_image.jpg", flawed},
		{key + ".good_image.jpg", enhanced},
		{key + ".prompt.txt", prompt},
		{key + ".reflection.txt", "add a dog"},
		{key + ".subset.txt", "rule"},
	}
}

func TestDamagedAnnotationsAreRefused(t *testing.T) {
	const good = `{"key":"a","annotator":"critic","flawed_first":true,"better":"enhanced"}` + "\n"
	for name, lines := range map[string]string{
		"no JSON":      good + "no\n" + good,
		"no key":       strings.Replace(good, `"a"`, `""`, 1),
		"both":         strings.Replace(good, `"better"`, `"skipped":"x","better"`, 1),
		"unknown":      strings.Replace(good, `"better"`, `"best"`, 1),
		"unknown side": strings.Replace(good, "enhanced", "left", 1),
		"too long":     good + strings.Repeat("x", maxAnnotation+1) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			build(t, dir, 5)
			path := filepath.Join(dir, annotationsName)
			if err := os.WriteFile(path, []byte(lines), 0o644); err != nil {
				t.Fatal(err)
			}
			set, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := set.Annotate(context.Background(), AnnotateOptions{Annotator: &fakeAnnotator{}, Name: "critic", Batch: 5}, nil); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "is damaged") {
				t.Errorf("annotate: %v", err)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != lines {
				t.Errorf("the file was changed: %v", err)
			}
			if report, err := Check(context.Background(), dir, nil); err != nil || report.Problems.Counts[ProblemAnnotation] == 0 {
				t.Errorf("check: %+v, %v", report.Problems, err)
			}
		})
	}
}

func FuzzAnnotation(f *testing.F) {
	f.Add([]byte(`{"key":"a","annotator":"critic","flawed_first":true,"better":"enhanced","differences":[{"category":"count","flawed":"1","enhanced":"2"}],"instructions":["add a dog"]}`))
	f.Add([]byte(`{"key":"a","annotator":"critic","flawed_first":false,"skipped":"refused"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseAnnotation(data)
		if err != nil {
			return
		}
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := parseAnnotation(line); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%q comes back as %+v, %v", data, b, err)
		}
	})
}
