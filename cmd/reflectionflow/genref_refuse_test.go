package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A source with nothing that can be used leaves no folder behind.
func TestGenrefOfNothing(t *testing.T) {
	home := t.TempDir()
	shard := filepath.Join(home, "empty.tar")
	if err := os.WriteFile(shard, make([]byte, 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	prose := filepath.Join(home, "prose.tar")
	if err := os.WriteFile(prose, []byte(strings.Repeat("no archive ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(home, "prose.parquet")
	if err := os.WriteFile(table, []byte("no table"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, said := range map[string]string{
		shard: "the source gave no triplets",
		prose: "1 damaged files), such as prose.tar: ",
		table: "1 damaged files), such as prose.parquet: ",
	} {
		out := filepath.Join(home, "some", "set")
		code, stdout, stderr := genrefRun(t.Context(), fake{}, "build", "--source", "editing", "--from", from, "--out", out)
		if code != exitInvalid || stdout != "" || !strings.Contains(stderr, said) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, %q, %q", from, code, stdout, stderr)
		}
		if _, err := os.Stat(filepath.Dir(out)); err == nil {
			t.Errorf("%s: a folder is left behind", from)
		}
	}
}
