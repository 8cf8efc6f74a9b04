package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tables of the page about models have no empty cell, and the tests that the page
// names exist, in the package that is named before them.
func TestModelsPageNamesTests(t *testing.T) {
	const page = "../../docs/reference/models.md"
	tests := map[string]string{} // what the files of a package's tests say
	named := 0
	for line := range strings.Lines(read(t, page)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "|") {
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				if cell = strings.TrimSpace(cell); cell == "" || cell == "–" || cell == "the same" {
					t.Errorf("an empty cell: %s", line)
				}
			}
		}
		in := ""
		for _, m := range regexp.MustCompile("`([A-Za-z0-9_/]+)`").FindAllStringSubmatch(line, -1) {
			if info, err := os.Stat(filepath.Join("../..", m[1])); err == nil && info.IsDir() {
				in = m[1]
			}
			if !strings.HasPrefix(m[1], "Test") {
				continue
			}
			if in == "" {
				t.Errorf("%s: its package is not named before it: %s", m[1], line)
				continue
			}
			if _, ok := tests[in]; !ok {
				tests[in] = sources(t, filepath.Join("../..", in))
			}
			if !strings.Contains(tests[in], "func "+m[1]+"(") {
				t.Errorf("package %s has no %s", in, m[1])
			}
			named++
		}
	}
	if named < 30 {
		t.Errorf("only %d tests are named", named)
	}
}

// sources joins the test files of a package.
func sources(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		all.WriteString(read(t, file))
	}
	return all.String()
}
