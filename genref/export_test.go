package genref

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// setOfPrompts writes a set without a manifest: one triplet per prompt, with distinct images.
func setOfPrompts(t *testing.T, prompts ...string) *Set {
	t.Helper()
	dir := t.TempDir()
	var entries []entry
	for i, prompt := range prompts {
		entries = append(entries, member5(fmt.Sprint("k", i), tintedImage(t, uint8(10*i)), tintedImage(t, uint8(10*i+5)), prompt)...)
	}
	if err := os.WriteFile(filepath.Join(dir, "genref_0.tar"), pack(t, entries...), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func tintedImage(t *testing.T, level uint8) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		m.SetRGBA(i%8, i/8, color.RGBA{R: level, G: level, A: 255})
	}
	data, err := EncodeImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// splitPrompts returns two prompts of each split.
func splitPrompts(t *testing.T) []string {
	t.Helper()
	found := make(map[clipart.Split]int)
	var list []string
	for i := 0; len(list) < 6; i++ {
		prompt := fmt.Sprintf("the year %d", 1000+i)
		if split := clipart.SplitOf(prompt); found[split] < 2 {
			found[split]++
			list = append(list, prompt)
		}
	}
	return list
}

// annotated adds annotations to a set.
func (s *Set) annotated(t *testing.T, list ...Annotation) *Set {
	t.Helper()
	log, err := openAnnotations(s.dir, func(Annotation) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(log.add(list), log.close()); err != nil {
		t.Fatal(err)
	}
	return s
}

// lines returns the rows of a split of an export, and decodes their images.
func lines(t *testing.T, dir string, split clipart.Split) []map[string]any {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, string(split)+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows []map[string]any
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var row map[string]any
		if err := json.Unmarshal(scanner.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		for _, name := range row["images"].([]any) {
			data, err := os.ReadFile(filepath.Join(dir, name.(string)))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := image.Decode(bytes.NewReader(data)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func export(t *testing.T, format Format, sets ...*Set) (string, ExportReport) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	report, err := Export(context.Background(), ExportOptions{Sets: sets, Out: dir, Format: format}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dir, report
}

// Every row is in the split of its prompt, so no prompt is in two splits.
func TestExportSplitsByPrompt(t *testing.T) {
	prompts := splitPrompts(t)
	set := setOfPrompts(t, prompts...)
	dir, report := export(t, ShareGPT, set)
	for _, split := range []clipart.Split{clipart.Train, clipart.Validation, clipart.Test} {
		rows := lines(t, dir, split)
		if len(rows) != 2 || report.Rows[split] != 2 {
			t.Fatalf("%s: %d rows, %d counted", split, len(rows), report.Rows[split])
		}
		for _, row := range rows {
			question := row["conversations"].([]any)[0].(map[string]any)["value"].(string)
			_, prompt, _ := strings.Cut(strings.TrimSuffix(question, `"`), `The prompt is: "`)
			if clipart.SplitOf(prompt) != split || !slices.Contains(prompts, prompt) {
				t.Errorf("%s: %q", split, question)
			}
		}
	}
	var info map[string]struct {
		File    string            `json:"file_name"`
		Columns map[string]string `json:"columns"`
	}
	data, err := os.ReadFile(filepath.Join(dir, "dataset_info.json"))
	if err != nil || json.Unmarshal(data, &info) != nil || len(info) != 3 || info["genref_test"].File != "test.jsonl" || info["genref_test"].Columns["messages"] != "conversations" {
		t.Errorf("dataset_info.json: %s, %v", data, err)
	}
}

// An interrupted export leaves the earlier one unchanged. The same call completes it and
// leaves no other files.
func TestExportResumes(t *testing.T) {
	set := setOfPrompts(t, "two dogs", "two dogs", "two dogs", "two dogs", "two dogs")
	for _, format := range Formats() {
		dir, _ := export(t, format, set)
		before := files(t, dir)
		again := ExportOptions{Sets: []*Set{set}, Out: dir, Format: format}
		if _, err := Export(context.Background(), again, nil); err != nil || !maps.Equal(files(t, dir), before) {
			t.Errorf("%s: again, and it differs (%v)", format, err)
		}
		with := setOfPrompts(t, "two dogs", "two dogs", "two dogs", "two dogs", "two dogs").annotated(t,
			Annotation{Key: "k1", Annotator: "critic", Better: BetterFlawed})
		want, _ := export(t, format, with)
		again.Sets = []*Set{with}
		ctx, stop := context.WithCancel(context.Background())
		if _, err := Export(ctx, again, func(rows int) {
			if rows == 2 {
				stop()
			}
		}); !errors.Is(err, context.Canceled) || !maps.Equal(files(t, dir), before) {
			t.Errorf("%s: stopped, and it differs (%v)", format, err)
		}
		// Files that a kill leaves.
		for _, name := range []string{"test.jsonl.tmp", "train.csv.tmp", "images/00/00000000000000000000000000000000-flawed.jpg.tmp"} {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("ha"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Export(context.Background(), again, nil); err != nil || !maps.Equal(files(t, dir), files(t, want)) {
			t.Errorf("%s: resumed, and it differs (%v)", format, err)
		}
	}
}

// An image that does not decode is counted and listed. An incomplete file of an earlier
// export is written again.
func TestExportSkipsDamagedImages(t *testing.T) {
	dir := t.TempDir()
	entries := member5("k0", tintedImage(t, 1), tintedImage(t, 9), "two dogs")
	entries = append(entries, member5("k1", tintedImage(t, 2)[:200], tintedImage(t, 8), "two dogs")...)
	if err := os.WriteFile(filepath.Join(dir, "genref_0.tar"), pack(t, entries...), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	out, report := export(t, TRL, set)
	if report.Skipped[SkippedBadImage] != 1 || len(report.Problems.Listed) != 1 || !strings.HasPrefix(report.Problems.Listed[0], "k1: flawed image: ") {
		t.Errorf("skipped %v, problems %q", report.Skipped, report.Problems.Listed)
	}
	want := files(t, out)
	for name := range want {
		if strings.HasSuffix(name, ".jpg") {
			if err := os.Truncate(filepath.Join(out, name), 100); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Export(context.Background(), ExportOptions{Sets: []*Set{set}, Out: out, Format: TRL}, nil); err != nil || !maps.Equal(files(t, out), want) {
		t.Errorf("the images were not repaired (%v)", err)
	}
}

// An image of two splits is exported in one of them.
func TestExportLeaksNoImage(t *testing.T) {
	prompts := splitPrompts(t)
	dir := t.TempDir()
	shared := tintedImage(t, 200)
	var entries []entry
	for i, prompt := range prompts {
		entries = append(entries, member5(fmt.Sprint("k", i), shared, tintedImage(t, uint8(10*i)), prompt)...)
	}
	if err := os.WriteFile(filepath.Join(dir, "genref_0.tar"), pack(t, entries...), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, report := export(t, TRL, set)
	if len(report.Rows) != 1 || report.Skipped[SkippedLeak] != 4 {
		t.Errorf("rows %v, skipped %v", report.Rows, report.Skipped)
	}
}

// The annotator's instructions replace the reflection, and a triplet that it disagrees with
// is skipped. The annotations need not be in the order of the set.
func TestExportUsesAnnotations(t *testing.T) {
	said := func(key, better string, instructions ...string) Annotation {
		return Annotation{Key: key, Annotator: "critic", Better: better, Instructions: instructions}
	}
	set := setOfPrompts(t, "two dogs", "two dogs", "two dogs", "two dogs <image>", "two dogs").annotated(t,
		said("k3", BetterEnhanced, "add a dog <image>", "Move the dog."), said("k0", BetterNeither), said("k1", BetterFlawed, "x"),
		Annotation{Key: "k2", Annotator: "critic", Skipped: "refused"})
	dir, report := export(t, ShareGPT, set)
	rows := lines(t, dir, clipart.SplitOf("two dogs"))
	if other := clipart.SplitOf("two dogs <image>"); other != clipart.SplitOf("two dogs") {
		rows = append(rows, lines(t, dir, other)...)
	}
	words := make(map[string]string)
	for _, row := range rows {
		turns := row["conversations"].([]any)
		words[row["id"].(string)] = turns[1].(map[string]any)["value"].(string)
		text := turns[0].(map[string]any)["value"].(string) + words[row["id"].(string)]
		if strings.Count(text, imageTag) != len(row["images"].([]any)) {
			t.Errorf("%q must have one tag per image", text)
		}
	}
	if len(words) != 3 || words["k3"] != "Add a dog image. Move the dog." || words["k2"] != "add a dog" || words["k4"] != "add a dog" || report.Skipped[SkippedDisagreed] != 2 {
		t.Errorf("rows %q, skipped %v", words, report.Skipped)
	}
}

// Preferences name the better image in either position.
func TestExportOfPreferences(t *testing.T) {
	set := setOfPrompts(t, "two dogs", "two dogs", "two dogs", "two dogs", "two dogs", "two dogs")
	dir, _ := export(t, Preferences, set)
	split := clipart.SplitOf("two dogs")
	data, err := os.ReadFile(filepath.Join(dir, string(split)+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(records) != 7 || strings.Join(records[0], " ") != "image1 image2 prompt VQ" {
		t.Fatal(records, err)
	}
	seen := make(map[string]int)
	for i, row := range lines(t, dir, split) {
		images := row["images"].([]any)
		text := func(column string) string {
			content := row[column].([]any)[0].(map[string]any)["content"].([]any)
			return content[len(content)-1].(map[string]any)["text"].(string)
		}
		at := map[string]int{"first": 0, "second": 1}
		if !strings.HasSuffix(images[at[text("chosen")]].(string), "enhanced.jpg") || !strings.HasSuffix(images[at[text("rejected")]].(string), "flawed.jpg") {
			t.Errorf("row %v", row)
		}
		if want := []string{images[0].(string), images[1].(string), "two dogs", []string{"A", "B"}[at[text("chosen")]]}; !slices.Equal(records[i+1], want) {
			t.Errorf("record %q, want %q", records[i+1], want)
		}
		seen[text("chosen")]++
	}
	if seen["first"] == 0 || seen["second"] == 0 {
		t.Errorf("the better image is always in one position: %v", seen)
	}
}

// A triplet of two sets is exported once.
func TestExportSkipsDuplicates(t *testing.T) {
	set := setOfPrompts(t, "two dogs", "three dogs")
	_, once := export(t, Preferences, set)
	_, twice := export(t, Preferences, set, setOfPrompts(t, "a cat"), set)
	if once.Skipped[SkippedRepeated] != 0 || twice.Skipped[SkippedRepeated] != 2 {
		t.Errorf("skipped %v and %v", once.Skipped, twice.Skipped)
	}
}

// An export without rows leaves no files.
func TestExportWithoutRowsLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	set := setOfPrompts(t, "a photo of a dog")
	out := filepath.Join(dir, "new", "export")
	set = set.annotated(t, Annotation{Key: samples(t, set.dir)[0].Key, Annotator: "x", Better: BetterFlawed})
	if _, err := Export(t.Context(), ExportOptions{Sets: []*Set{set}, Out: out, Format: TRL}, nil); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "nothing to export (1 triplets whose annotator") {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestExportRefusesInvalidInput(t *testing.T) {
	set := setOfPrompts(t, "two dogs")
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	other, _ := export(t, TRL, set)
	nothing := setOfPrompts(t, "two dogs").annotated(t, Annotation{Key: "k0", Annotator: "critic", Better: BetterFlawed})
	for name, e := range map[string]ExportOptions{
		"format":  {[]*Set{set}, filepath.Join(t.TempDir(), "x"), "alpaca"},
		"folder":  {[]*Set{set}, full, TRL},
		"another": {[]*Set{set}, other, ShareGPT},
		"nothing": {[]*Set{nothing}, filepath.Join(t.TempDir(), "x"), TRL},
	} {
		if _, err := Export(context.Background(), e, nil); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A key with path elements does not leave the folder.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "genref_0.tar"), pack(t, member5("../../k", tintedImage(t, 1), tintedImage(t, 9), "two dogs")...), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	out, report := export(t, ShareGPT, foreign)
	if report.Rows[clipart.SplitOf("two dogs")] != 1 || len(lines(t, out, clipart.SplitOf("two dogs"))) != 1 {
		t.Errorf("rows %v", report.Rows)
	}
}
