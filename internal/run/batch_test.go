package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
)

var errInterrupted = errors.New("interrupted")

func batchOf(n int) (names []string, manifests []Manifest) {
	for i := range n {
		names = append(names, fmt.Sprintf("%03d-cup", i+1))
		manifests = append(manifests, Manifest{
			Program: "v0.1.0",
			Prompt:  reflectionflow.Prompt{Text: fmt.Sprintf("a photo of %d cups", i+1)},
			Search:  json.RawMessage(`{"strategy":"noise"}`),
			Model:   Model{Name: "fake", Fingerprint: strings.Repeat("ab", 32)},
		})
	}
	return names, manifests
}

// contents reads all files of a folder and notes its folders.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err != nil || d.IsDir() {
			all[name] = "folder"
			return err
		}
		data, err := os.ReadFile(path)
		all[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// After an interruption at any step of its creation, a batch folder can be created again
// or resumed, with the files of an uninterrupted one.
func TestInterruptedBatchCreationResumes(t *testing.T) {
	const runs = 4
	names, manifests := batchOf(runs)
	whole := filepath.Join(t.TempDir(), "batch")
	folders, err := CreateBatch(whole, names, manifests)
	if err != nil {
		t.Fatal(err)
	}
	_ = closeAll(folders)
	want := contents(t, whole)

	// What a crash in the middle of creating one run folder leaves.
	halves := map[string][]string{
		"nothing": nil, "folder": {"/"}, "lock": {"candidates.jsonl"},
		"images": {"candidates.jsonl", "images/"}, "manifest": {"candidates.jsonl", "images/", "run.json.tmp"},
	}
	for stop := range runs + 2 {
		for half, paths := range halves {
			t.Run(fmt.Sprintf("step %d, %s", stop, half), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "batch")
				steps := 0
				_, err := createBatch(dir, names, manifests, func() error {
					if steps++; steps > stop {
						return errInterrupted
					}
					return nil
				})
				if !errors.Is(err, errInterrupted) {
					t.Fatalf("got error %v after %d steps", err, steps)
				}
				if stop == 0 { // batch.json is not in place: the command is given again
					put(t, filepath.Join(dir, batchFile+".tmp"), `{"format`)
					folders, err = CreateBatch(dir, names, manifests)
				} else {
					for _, path := range paths {
						if stop <= runs {
							put(t, filepath.Join(dir, names[stop-1])+"/"+path, "")
						}
					}
					folders, err = OpenAll(dir)
				}
				if err != nil {
					t.Fatal(err)
				}
				if len(folders) != runs || folders[runs-1].Manifest().Prompt.Text != manifests[runs-1].Prompt.Text {
					t.Errorf("%d runs", len(folders))
				}
				_ = closeAll(folders)
				if got := contents(t, dir); !reflect.DeepEqual(got, want) {
					t.Errorf("got files %v, want %v", got, want)
				}
			})
		}
	}
}

// put writes a file, or makes a folder where the path ends with a slash.
func put(t *testing.T, path, content string) {
	t.Helper()
	folder := filepath.Dir(path)
	if strings.HasSuffix(path, "/") {
		folder = path
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if folder == path {
		return
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Calls can be charged to a run of a batch whose creation is not complete.
func TestChargedOfAnInterruptedBatch(t *testing.T) {
	names, manifests := batchOf(3)
	dir := filepath.Join(t.TempDir(), "batch")
	steps := 0
	_, err := createBatch(dir, names, manifests, func() error {
		if steps++; steps > 2 {
			return errInterrupted
		}
		return nil
	})
	if !errors.Is(err, errInterrupted) {
		t.Fatal(err)
	}
	if _, finished, err := Charged(dir); err != nil || finished {
		t.Errorf("finished %t, error %v", finished, err)
	}
	if home := Home(filepath.Join(dir, names[0])); home != dir {
		t.Errorf("home %q, want %q", home, dir)
	}
}

func TestInvalidBatchLeavesNothing(t *testing.T) {
	names, manifests := batchOf(3)
	manifests[2].Prompt.Text = " "
	dir := filepath.Join(t.TempDir(), "batch")
	if _, err := CreateBatch(dir, names, manifests); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("got error %v, want invalid", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder exists: %v", err)
	}
}

func TestDamagedBatch(t *testing.T) {
	for name, text := range map[string]string{
		"cut off":            `{"format": 1, "runs": ["a"`,
		"another format":     `{"format": 7, "runs": ["a"]}`,
		"no runs":            `{"format": 1, "runs": []}`,
		"path":               `{"format": 1, "runs": ["../a"]}`,
		"too few manifests":  `{"format": 1, "runs": ["a", "b"], "manifests": [{}]}`,
		"manifest not valid": `{"format": 1, "runs": ["a"], "manifests": [{}]}`,
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, batchFile), text)
		if _, err := OpenAll(dir); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got error %v, want invalid", name, err)
		}
	}
}
