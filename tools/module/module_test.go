package main

import (
	"bytes"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	sourceTree = "../.."
	elsewhere  = "example.org/somebody/flow"
)

// A renamed copy of the tree builds, and a program of another module that requires
// it through a replace directive generates images with it. No network is used.
func TestRenamedModuleWorksFromOutside(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the tree")
	}
	renamed, outside := filepath.Join(t.TempDir(), "flow"), t.TempDir()
	copyTree(t, sourceTree, renamed, everything)
	if _, err := rename(renamed, elsewhere); err != nil {
		t.Fatal(err)
	}
	goRun(t, renamed, "build", "./...")

	copyTree(t, filepath.Join(renamed, "tools", "module", "testdata", "outside"), outside, everything)
	copyFile(t, filepath.Join(renamed, "go.sum"), filepath.Join(outside, "go.sum"))
	mod := string(read(t, filepath.Join(renamed, "go.mod"))) // its requirements are those of a program that uses it
	mod = strings.Replace(mod, "module "+elsewhere, "module example.org/outside", 1)
	mod += "\nrequire " + elsewhere + " v0.0.0\n\nreplace " + elsewhere + " => " + renamed + "\n"
	write(t, filepath.Join(outside, "go.mod"), []byte(mod))
	want := "2 images, the best of (128,128)\n"
	if got := goRun(t, outside, "run", "."); got != want {
		t.Errorf("the program printed %q, want %q", got, want)
	}
	if _, err := png.DecodeConfig(bytes.NewReader(read(t, filepath.Join(outside, "best.png")))); err != nil {
		t.Errorf("best.png: %v", err)
	}

	snippet := filepath.Join(outside, "readme")
	if err := os.Mkdir(snippet, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(snippet, "main.go"), []byte(readmeProgram(t, sourceTree)))
	goRun(t, outside, "run", "./readme")
	if info, err := os.Stat(filepath.Join(outside, "best.png")); err != nil || info.Size() == 0 {
		t.Errorf("README's program saved no best.png: %v", err)
	}
}

// readmeProgram returns a program that calls the function that README shows.
func readmeProgram(t *testing.T, tree string) string {
	t.Helper()
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(read(t, filepath.Join(tree, "README.md"))), -1)
	if len(snippets) != 1 {
		t.Fatalf("README has %d Go snippets, want 1", len(snippets))
	}
	return `package main

import (
	"context"
	"errors"
	"image/png"
	"os"

	"` + elsewhere + `/models/clipart"
	"` + elsewhere + `/search"
)

` + snippets[0][1] + `
func main() {
	if err := saveBest(context.Background()); err != nil {
		panic(err)
	}
}
`
}

// A renamed tree mentions the old path nowhere that a tool reads, and renaming it back
// restores every byte.
func TestRenameLeavesNoOldPath(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "flow")
	copyTree(t, sourceTree, tree, rewritten)
	old := modulePathOf(t, tree)
	before := readTree(t, tree, rewritten)
	changed, err := rename(tree, elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if len(changed) < 100 {
		t.Errorf("%d files changed, want those of all packages", len(changed))
	}
	left := regexp.MustCompile(`(^|[^\w./-])` + regexp.QuoteMeta(old) + `/(search|cpu|flux|internal|models)\b`)
	for path, text := range readTree(t, tree, rewritten) {
		if left.MatchString(text) {
			t.Errorf("%s: still names a package by the old path: %q", path, left.FindString(text))
		}
	}
	if mod := modulePathOf(t, tree); mod != elsewhere {
		t.Errorf("go.mod names %s, want %s", mod, elsewhere)
	}
	lint := string(read(t, filepath.Join(tree, ".golangci.yml")))
	if strings.Contains(lint, " "+old+"$") || !strings.Contains(lint, elsewhere+"$") || !strings.Contains(lint, "module-path: "+elsewhere) {
		t.Error(".golangci.yml: the import rules name the old path")
	}
	if err := renameBack(tree, old); err != nil {
		t.Fatal(err)
	}
	for path, text := range readTree(t, tree, rewritten) {
		if before[path] != text {
			t.Errorf("%s: renaming there and back changes it", path)
		}
	}
}

func TestRenameRefusesBadPaths(t *testing.T) {
	for _, path := range []string{"flow", "flow/search", "https://example.org/a/b", "example.org", "example.org/a b/c", "example.org/../c", "example.org/a/"} {
		if _, err := rename(t.TempDir(), path); err == nil || !strings.Contains(err.Error(), "host/owner/name") {
			t.Errorf("%q: error %v, want one that shows the form", path, err)
		}
	}
}

func TestRewriteKeepsTheProgramsName(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), []byte("module flow\n"))
	if err := os.Mkdir(filepath.Join(dir, "search"), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := newRewriter(dir, elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ file, before, after string }{
		{"a.go", "package a\n\nimport f \"flow\"\n\nvar name = \"flow\" // [flow/search], cmd/flow/search\n", "package a\n\nimport f \"" + elsewhere + "\"\n\nvar name = \"flow\" // [" + elsewhere + "/search], cmd/flow/search\n"},
		{"README.md", "flow is a program.\n\n\timport (\n\t\t\"flow\"\n\t\t\"flow/search\"\n\t)\n\n    go mod edit -replace flow=../flow\n", "flow is a program.\n\n\timport (\n\t\t\"" + elsewhere + "\"\n\t\t\"" + elsewhere + "/search\"\n\t)\n\n    go mod edit -replace " + elsewhere + "=../flow\n"},
		{".golangci.yml", "allow: [$gostd, flow$, flow/search]\nmodule-path: flow\n", "allow: [$gostd, " + elsewhere + "$, " + elsewhere + "/search]\nmodule-path: " + elsewhere + "\n"},
	} {
		got, err := r.rewrite(test.file, []byte(test.before))
		if err != nil || string(got) != test.after {
			t.Errorf("%s: %q, error %v, want %q", test.file, got, err, test.after)
		}
	}
}

// renameBack restores a path that [rename] refuses, because it has no host.
func renameBack(tree, to string) error {
	r, err := newRewriter(tree, to)
	if err != nil {
		return err
	}
	_, err = r.apply(tree)
	return err
}

func modulePathOf(t *testing.T, tree string) string {
	t.Helper()
	first, _, _ := strings.Cut(string(read(t, filepath.Join(tree, "go.mod"))), "\n")
	return strings.TrimPrefix(first, "module ")
}

// goRun runs the go command offline in a folder and returns its standard output.
func goRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...) //nolint:noctx // the test's own time limit ends it
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func everything(string) bool { return true }

// copyTree copies the wanted files of a tree but for results of builds and runs.
func copyTree(t *testing.T, from, to string, wanted func(path string) bool) {
	t.Helper()
	for path, text := range readTree(t, from, wanted) {
		write(t, filepath.Join(to, path), []byte(text))
	}
}

// readTree returns the wanted files of a source tree by their paths in it.
func readTree(t *testing.T, root string, wanted func(path string) bool) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped(root, path) {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() && wanted(path) {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files[relative] = string(read(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	write(t, to, read(t, from))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
