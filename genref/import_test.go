package genref

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
)

// damageShard truncates a shard.
func damageShard(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, ShardName(n)), 2048); err != nil {
		t.Fatal(err)
	}
}

// colorPNG returns a PNG of one color.
func colorPNG(t testing.TB, c color.Color) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 24, 24))
	for i := range 24 * 24 {
		m.Set(i%24, i/24, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// editRow returns the members of a row of an editing set.
func editRow(t testing.TB, key string, n int) []entry {
	t.Helper()
	return []entry{
		{key + ".edited_img.png", colorPNG(t, color.RGBA{uint8(20 * n), 200, 0, 255})},
		{key + ".json", `{"caption": "a picture", "instruction_list": [], "edited_prompt_list": ["first", "second"]}`},
		{key + ".src_img.png", colorPNG(t, color.RGBA{0, uint8(20 * n), 90, 255})},
	}
}

// editSet writes a folder with two shards of an editing set, with unusable rows.
func editSet(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	var first, second []entry
	for i := range 5 {
		first = append(first, editRow(t, "a"+string(rune('0'+i)), i)...)
		second = append(second, editRow(t, "b"+string(rune('0'+i)), 5+i)...)
	}
	broken := editRow(t, "x", 11)
	broken[0].text = broken[0].text[:60]
	silent := editRow(t, "y", 12)
	silent[1].text = `{"caption": "a picture"}`
	lost := editRow(t, "z", 13)[:2]
	double := editRow(t, "w", 1)
	for name, entries := range map[string][]entry{
		"part-0.tar": append(append(append(append(first, broken...), silent...), lost...), double...), "part-1.tar": second,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pack(t, entries...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func importSet(t *testing.T, dir, from string, end int) (Manifest, error) {
	t.Helper()
	all, err := ImportFiles(from)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := 0
	return Build(ctx, dir, Plan{Source: "editing", Count: MaxCount, ShardSize: 2}, &Import{Files: all, Licence: "CC-BY-4.0"}, func(Progress) {
		if seen++; seen == end {
			cancel()
		}
	})
}

func TestImportWebDataset(t *testing.T) {
	from, dir := editSet(t), t.TempDir()
	m, err := importSet(t, dir, from, 0)
	if err != nil {
		t.Fatal(err)
	}
	if m.Triplets() != 10 || !m.Ended() {
		t.Errorf("%d triplets, ended is %v", m.Triplets(), m.Ended())
	}
	want := map[string]int{SkippedNoImage: 2, SkippedNoWords: 1, SkippedDuplicate: 1}
	if got := m.Effort().Skipped; !maps.Equal(got, want) {
		t.Errorf("skipped %v, want %v", got, want)
	}
	var faults []string
	for _, s := range m.Shards {
		faults = append(faults, s.Faults...)
	}
	if text := strings.Join(faults, "\n"); len(faults) != 3 || !strings.Contains(text, "part-0.tar#5: the enhanced image: it is") || !strings.Contains(text, "part-0.tar#7: the flawed image: it is missing") {
		t.Errorf("faults %q", faults)
	}
	for _, s := range samples(t, dir) {
		if s.Prompt != "a picture" || s.Reflection != "second" || s.Subset != "editing" || s.Provenance.Licence != "CC-BY-4.0" || s.Provenance.Origin == "" {
			t.Errorf("%s: %+v", s.Key, s.Provenance)
		}
	}
	stopped := t.TempDir()
	for end := 5; ; end += 3 {
		if _, err := importSet(t, stopped, from, end); err == nil {
			break
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if !maps.Equal(files(t, stopped), files(t, dir)) {
		t.Error("an interrupted import gives other files")
	}
}

func TestImportContinuesAfterATruncatedShard(t *testing.T) {
	from, dir := editSet(t), t.TempDir()
	if err := os.Truncate(filepath.Join(from, "part-0.tar"), 5000); err != nil {
		t.Fatal(err)
	}
	m, err := importSet(t, dir, from, 0)
	if err != nil || m.Effort().Skipped[SkippedDamaged] != 1 || m.Triplets() < 6 {
		t.Errorf("%d triplets, skipped %v, %v", m.Triplets(), m.Effort().Skipped, err)
	}
}

func TestImportParquet(t *testing.T) {
	dir := t.TempDir()
	m, err := importSet(t, dir, filepath.Join("testdata", "edits.parquet"), 0)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, s := range samples(t, dir) {
		words = append(words, s.Reflection)
		if s.Prompt != s.Reflection || s.Provenance.Enhanced.Width != 16 {
			t.Errorf("%s: %q, %+v", s.Key, s.Prompt, s.Provenance)
		}
	}
	if got := strings.Join(words, ", "); got != "turn the picture blue, make it black, paint it orange, make it pink" {
		t.Errorf("instructions %s", got)
	}
	if want := map[string]int{SkippedSamePair: 1, SkippedNoImage: 1, SkippedNoWords: 1}; !maps.Equal(m.Effort().Skipped, want) {
		t.Errorf("skipped %v, want %v", m.Effort().Skipped, want)
	}
}

func TestImportRefusesInvalidFiles(t *testing.T) {
	for name, path := range map[string]string{"nowhere": "no/where", "no sets": "."} {
		if _, err := ImportFiles(path); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.parquet")
	if err := os.WriteFile(bad, []byte("PAR1 and nothing more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := importSet(t, t.TempDir(), bad, 0); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "1 damaged files") {
		t.Errorf("error %v", err)
	}
}

// A damaged Parquet file gives an error, not a panic.
func FuzzParquet(f *testing.F) {
	good, err := os.ReadFile(filepath.Join("testdata", "edits.parquet"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-9])
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.parquet")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range parquetRows(path, 0) {
			if err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatalf("error %v does not wrap ErrInvalid", err)
			}
			if n++; n > 100 {
				break
			}
		}
	})
}
