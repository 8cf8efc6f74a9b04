package tokenizer

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/made.json anew")

// madeTokenizer is the tokenizer of testdata/made.json.
func madeTokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	made, err := NewWordLevel([]string{
		"<pad>", "</s>", "<unk>", "[Reflexion]", "a", "photo", "of", "two", "red", "blue", "clocks",
		"cats", "cat", "dog", "left", "the", "move", ",", ".", "!", "'", "$", "=", "é", "café", "“", "…", "i̇stanbul", "ß", "it", "\"", "\\",
	},
		Options{Suffix: []string{"</s>"}, Special: []string{"<pad>", "[Reflexion]"}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestSaveWritesWhatTheReferenceImplementationReads(t *testing.T) {
	const golden = "testdata/made.json"
	if *update {
		if err := madeTokenizer(t).Save(golden); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := madeTokenizer(t).Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("saved %s, want %s", got, want)
	}
}

func TestEncodesAsTheReferenceImplementation(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string][]struct {
		Text      string
		IDs, Four []int32
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"made.json", "reference.json"} {
		tokenizer, err := Load(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if len(golden[name]) == 0 {
			t.Fatalf("there are no encodings of %s", name)
		}
		for _, row := range golden[name] {
			if got, truncated := tokenizer.Encode(row.Text, 0); !slices.Equal(got, row.IDs) || truncated {
				t.Errorf("%s: %q gives %v, want %v", name, row.Text, got, row.IDs)
			}
			got, truncated := tokenizer.Encode(row.Text, 4)
			if !slices.Equal(got, row.Four) || truncated != (len(row.IDs) > 4) {
				t.Errorf("%s: %q cut to four gives %v (truncated %t), want %v", name, row.Text, got, truncated, row.Four)
			}
		}
	}
}
