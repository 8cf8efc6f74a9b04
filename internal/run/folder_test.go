package run_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/run"
)

var prompt = reflectionflow.Prompt{
	Text: "a photo of two clocks and a red cup",
	Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.Exactly, Object: "clock", Count: 2},
		{Kind: reflectionflow.AtLeast, Object: "cup", Color: "red", Count: 1},
	},
}

func manifest() run.Manifest {
	return run.Manifest{
		Program: "v0.1.0",
		Prompt:  prompt,
		Search:  json.RawMessage(`{"strategy":"reflection","seed":7}`),
		Model:   run.Model{Name: "fake", Fingerprint: strings.Repeat("ab", 32)},
	}
}

// candidate is what a search could record under the ID: two chains, each
// correcting its candidate before.
func candidate(id int) reflectionflow.Candidate {
	verdicts := []reflectionflow.Verdict{reflectionflow.NotMet, reflectionflow.Unsure, reflectionflow.Met}
	c := reflectionflow.Candidate{
		ID: id, Parent: id - 2, Round: id / 2, Chain: id % 2, Action: reflectionflow.Reflect,
		Request: reflectionflow.Request{
			Prompt: prompt.Text, Seed: uint64(id) * 12345678901, Width: 16, Height: 16, Steps: 20, Guidance: 3.1,
			Reflection: "Add one more clock.", ReferenceCaption: "clock top left.",
		},
		Score: reflectionflow.Score{
			Value: 1 - 1/(float64(id)+math.Pi),
			Requirements: []reflectionflow.Finding{
				{
					Requirement: prompt.Requirements[0], Verdict: verdicts[min(id, 2)], Confidence: 1.0 / 3,
					Evidence: []reflectionflow.Object{{Class: "clock", Box: [4]float64{0.1, 0.2, 0.5, 0.7}, Confidence: 0.9}},
				},
				{Requirement: prompt.Requirements[1], Verdict: reflectionflow.Met, Confidence: 0.97},
			},
			Cost: reflectionflow.Cost{VerifierCalls: 1},
		},
		Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: 20, VerifierCalls: 1, Seconds: float64(id) + 0.25},
	}
	if id < 2 {
		c.Parent, c.Action, c.Request.Reflection, c.Request.ReferenceCaption = -1, reflectionflow.Explore, "", ""
	}
	return c
}

func testImage(id int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 16 * 16 {
		m.Set(i%16, i/16, color.NRGBA{R: uint8(id * 40), G: uint8(i), B: uint8(255 - i), A: 255})
	}
	return m
}

func create(t *testing.T, dir string) *run.Folder {
	t.Helper()
	f, err := run.Create(dir, manifest())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func record(t *testing.T, f *run.Folder, from, to int) {
	t.Helper()
	for id := from; id < to; id++ {
		if err := f.Record(candidate(id), testImage(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func finish(t *testing.T, f *run.Folder, n int) {
	t.Helper()
	if err := f.Finish(n-1, reflectionflow.StoppedBudget); err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)
}

func closeFolder(t *testing.T, f *run.Folder) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *run.Folder {
	t.Helper()
	f, err := run.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// files reads the folder, except for the files of timing.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "timing.") {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRecallReturnsWhatWasRecorded(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	record(t, f, 0, 3)
	failed := candidate(3)
	failed.Error, failed.Score = "out of memory", reflectionflow.Score{}
	if err := f.Record(failed, nil); err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)

	f = open(t, dir)
	defer closeFolder(t, f)
	if !reflect.DeepEqual(f.Manifest().Prompt, prompt) || f.Manifest().Model != manifest().Model {
		t.Errorf("manifest %+v", f.Manifest())
	}
	for id := range 3 {
		c, m, ok := f.Recall(id)
		if !ok || !reflect.DeepEqual(c, candidate(id)) {
			t.Errorf("candidate %d: got %+v, want %+v", id, c, candidate(id))
		}
		for i := range 16 * 16 {
			if got, want := color.NRGBAModel.Convert(m.At(i%16, i/16)), testImage(id).At(i%16, i/16); got != want {
				t.Fatalf("image %d, pixel %d: got %v, want %v", id, i, got, want)
			}
		}
	}
	if c, m, ok := f.Recall(3); !ok || m != nil || c.Error != "out of memory" {
		t.Errorf("failed candidate: got %+v, %v, %v", c, m, ok)
	}
	if _, _, ok := f.Recall(4); ok {
		t.Error("recalled a candidate that was never recorded")
	}
}

// A crash can cut the folder's growth at any byte. A resumed run ends with the files of
// an uninterrupted one.
func TestResumeAfterACutAnywhere(t *testing.T) {
	const n = 4
	whole := t.TempDir()
	f := create(t, whole)
	record(t, f, 0, n)
	finish(t, f, n)
	want := files(t, whole)
	lines := want["candidates.jsonl"]

	for cut := 0; cut <= len(lines); cut += 97 {
		dir := t.TempDir()
		f := create(t, dir)
		record(t, f, 0, n)
		closeFolder(t, f)
		if err := os.Truncate(filepath.Join(dir, "candidates.jsonl"), int64(cut)); err != nil {
			t.Fatal(err)
		}
		kept := strings.Count(lines[:cut], "\n")
		for id := kept + 1; id < n; id++ { // a later image cannot be there yet
			_ = os.Remove(filepath.Join(dir, "images", "000"+string(rune('0'+id))+".png"))
		}
		for _, name := range []string{"images/0003.png.tmp", "report.html.tmp", "best.png"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f = open(t, dir)
		if f.Len() != kept {
			t.Fatalf("cut at %d: %d candidates, want %d", cut, f.Len(), kept)
		}
		record(t, f, f.Len(), n)
		finish(t, f, n)
		if got := files(t, dir); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at byte %d: the files differ", cut)
		}
	}
}

func TestOpenOfAFinishedRun(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	record(t, f, 0, 3)
	if _, done := f.Outcome(); done {
		t.Error("finished before Finish")
	}
	finish(t, f, 3)
	f = open(t, dir)
	defer closeFolder(t, f)
	o, done := f.Outcome()
	if !done || o.Best != 2 || o.Cost.Images != 3 || o.Score.Value != candidate(2).Score.Value {
		t.Errorf("outcome %+v, %v", o, done)
	}
	if err := f.Record(candidate(3), testImage(3)); err == nil {
		t.Error("a finished run took another candidate")
	}
	all := files(t, dir)
	if all["best.png"] != all["images/0002.png"] {
		t.Error("best.png is not the best image")
	}
}

func TestFinishWithoutAnImage(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	c := candidate(0)
	c.Error, c.Score = "broken <model>", reflectionflow.Score{}
	if err := f.Record(c, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(-1, reflectionflow.StoppedBudget); err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)
	if report := files(t, dir)["report.html"]; !strings.Contains(report, "broken &lt;model&gt;") {
		t.Error("the report does not say why there is no image")
	}
	closeFolder(t, open(t, dir))
}

func TestCreateRefusesOccupiedFolders(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string){
		"another file":  func(t *testing.T, dir string) { put(t, dir, "notes.txt", "mine") },
		"other images":  func(t *testing.T, dir string) { put(t, dir, "images/cat.png", "mine") },
		"other lines":   func(t *testing.T, dir string) { put(t, dir, "candidates.jsonl", "{}\n") },
		"already a run": func(t *testing.T, dir string) { closeFolder(t, create(t, dir)) },
		"in use": func(t *testing.T, dir string) {
			f := create(t, dir)
			t.Cleanup(func() { closeFolder(t, f) })
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			prepare(t, dir)
			before := files(t, dir)
			if _, err := run.Create(dir, manifest()); !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("got error %v, want invalid", err)
			}
			if !reflect.DeepEqual(files(t, dir), before) {
				t.Error("the folder was changed")
			}
		})
	}
}

func TestCreateInPlacesThatCannotHoldARun(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "")
	if _, err := run.Create(filepath.Join(dir, "file", "run"), manifest()); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("below a file: got error %v, want invalid", err)
	}
	if _, err := run.Create(filepath.Join(dir, "file"), manifest()); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a file: got error %v, want invalid", err)
	}
	m := manifest()
	m.Prompt.Text = " "
	if _, err := run.Create(filepath.Join(dir, "run"), m); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("empty prompt: got error %v, want invalid", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
		t.Error("an invalid manifest left a folder behind")
	}
}

func TestCreateAfterAnInterruptedCreation(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "candidates.jsonl", "")
	put(t, dir, "run.json.tmp", "{")
	if err := os.Mkdir(filepath.Join(dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Open(dir); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("open: got error %v, want invalid", err)
	}
	closeFolder(t, create(t, dir))
	closeFolder(t, open(t, dir))
}

func TestOpenRefuses(t *testing.T) {
	edit := func(name, old, replacement string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), old, replacement, 1)
			if changed == string(data) {
				t.Fatalf("%s has no %q", name, old)
			}
			put(t, dir, name, changed)
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		damage func(*testing.T, string)
		want   string
	}{
		"no manifest":            {remove("run.json"), "is not a run folder"},
		"another version":        {edit("run.json", `"format": 1`, `"format": 9`), "has format 9, this program reads format 1"},
		"no version":             {edit("run.json", `"format"`, `"formal"`), "not a run's manifest"},
		"manifest cut off":       {edit("run.json", "}\n", ""), "damaged"},
		"unknown field":          {edit("run.json", `"program"`, `"programme"`), "damaged"},
		"no candidates":          {remove("candidates.jsonl"), "has no candidates.jsonl"},
		"line damaged":           {edit("candidates.jsonl", `"parent":-1`, `"parent":`), "line 1 is damaged"},
		"parent unborn":          {edit("candidates.jsonl", `"parent":-1`, `"parent":5`), "line 1 is damaged"},
		"line missing":           {edit("candidates.jsonl", `{"id":0`, `{"id":1`), "line 1 is damaged"},
		"path out of the folder": {edit("candidates.jsonl", `images/0000.png`, `../../../etc/p`), "line 1 is damaged"},
		"image missing":          {remove("images/0001.png"), "images/0001.png is missing"},
		"image is text":          {func(t *testing.T, dir string) { put(t, dir, "images/0001.png", "hello") }, "images/0001.png is not a PNG image"},
		"image of another":       {swapImages, "images/0001.png is not the image that was recorded"},
		"images missing":         {func(t *testing.T, dir string) { remove("images/0000.png")(t, dir); remove("images/0001.png")(t, dir) }, "images/0000.png is missing, images/0001.png is missing; to generate the run again: reflectionflow generate --replay "},
		"result damaged":         {func(t *testing.T, dir string) { put(t, dir, "result.json", `{"worst":1}`) }, "result.json is damaged"},
		"best unknown":           {func(t *testing.T, dir string) { put(t, dir, "result.json", `{"best":7}`) }, "has 2 candidates, and candidate 7, the best, is not among them"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := create(t, dir)
			record(t, f, 0, 2)
			closeFolder(t, f)
			test.damage(t, dir)
			_, err := run.Open(dir)
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want invalid with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
		})
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	if _, err := run.Open(dir); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got error %v, want in use", err)
	}
	closeFolder(t, f)
	closeFolder(t, open(t, dir))
}

// A full disk is not ErrInvalid, and the run resumes when there is space.
func TestFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	for _, full := range []string{"images/0001.png.tmp", "timing.jsonl"} {
		t.Run(full, func(t *testing.T) {
			dir := t.TempDir()
			f := create(t, dir)
			if full != "timing.jsonl" {
				record(t, f, 0, 1)
			}
			if err := os.Symlink("/dev/full", filepath.Join(dir, full)); err != nil {
				t.Fatal(err)
			}
			n := f.Len()
			err := f.Record(candidate(n), testImage(n))
			if err == nil || errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "no space left") {
				t.Fatalf("got error %v, want no space left", err)
			}
			closeFolder(t, f)
			_ = os.Remove(filepath.Join(dir, full))
			f = open(t, dir)
			if f.Len() != n {
				t.Fatalf("%d candidates after the failure, want %d", f.Len(), n)
			}
			record(t, f, n, 3)
			finish(t, f, 3)
		})
	}
}

func TestRecordOutOfOrder(t *testing.T) {
	f := create(t, t.TempDir())
	defer closeFolder(t, f)
	if err := f.Record(candidate(1), testImage(1)); err == nil {
		t.Error("recorded candidate 1 before 0")
	}
	bad := candidate(0)
	bad.Score.Value = math.NaN()
	if err := f.Record(bad, testImage(0)); err == nil {
		t.Error("recorded a score that is not a number")
	}
	if err := f.Record(candidate(0), nil); err == nil {
		t.Error("recorded a candidate without its image")
	}
}

func swapImages(t *testing.T, dir string) {
	data, err := os.ReadFile(filepath.Join(dir, "images/0000.png"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "images/0001.png", string(bytes.Clone(data)))
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
