// Command module renames the module throughout the tree:
//
//	go run ./tools/module github.com/owner/name
//
// It rewrites go.mod, imports, the import rules of .golangci.yml, and every mention
// of a package's path in Go files, scripts and documents. It prints the files that
// it changed, and writes none before all are rewritten.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "module:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("usage: make module PATH=host/owner/name")
	}
	changed, err := rename(".", args[0])
	for _, path := range changed {
		fmt.Println(path)
	}
	return err
}

// modulePath matches what may be a module's path: a host with a dot, an owner, a name.
var modulePath = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// rename renames the module in folder root and returns the files that it changed.
func rename(root, to string) ([]string, error) {
	if !modulePath.MatchString(to) {
		return nil, fmt.Errorf("%q is no module path: give host/owner/name, such as github.com/owner/name", to)
	}
	r, err := newRewriter(root, to)
	if err != nil {
		return nil, err
	}
	return r.apply(root)
}

// apply rewrites the files of a folder and returns those that it changed. An error
// in reading leaves all as they were.
func (r *rewriter) apply(root string) ([]string, error) {
	contents := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(root, path):
			return filepath.SkipDir
		case !d.Type().IsRegular() || !rewritten(path):
			return nil
		}
		before, err := os.ReadFile(path) //nolint:gosec // the tree is the developer's own
		if err != nil {
			return err
		}
		after, err := r.rewrite(path, before)
		if err == nil && !bytes.Equal(before, after) {
			contents[path] = after
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var changed []string
	for path, data := range contents {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return changed, err
		}
		changed = append(changed, path)
	}
	slices.Sort(changed)
	return changed, nil
}

// skipped reports whether a folder holds nothing of the source: results of builds
// and runs, and what git keeps.
func skipped(root, folder string) bool {
	relative, err := filepath.Rel(root, folder)
	return err != nil || slices.Contains([]string{".git", "bin", "dist", "runs", "out", "checkpoints"}, relative)
}

// rewritten reports whether a file may mention the module's path.
func rewritten(path string) bool {
	switch filepath.Base(path) {
	case "go.mod", "Makefile", "Dockerfile":
		return true
	case "CHANGELOG.md": // history
		return false
	}
	return slices.Contains([]string{".go", ".md", ".yml", ".yaml", ".sh", ".py", ".txtar", ".mod"}, filepath.Ext(path))
}

// rewriter replaces one module path by another.
type rewriter struct {
	from, to string
	packages *regexp.Regexp   // the path of a package below the root, anywhere
	roots    []*regexp.Regexp // the root's own path, where the context leaves no doubt: it may be the program's name
}

func newRewriter(root, to string) (*rewriter, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	m := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(mod)
	if m == nil {
		return nil, errors.New("go.mod names no module")
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !skipped(root, filepath.Join(root, e.Name())) {
			folders = append(folders, regexp.QuoteMeta(e.Name()))
		}
	}
	old := regexp.QuoteMeta(string(m[1]))
	r := &rewriter{from: string(m[1]), to: to}
	r.packages = regexp.MustCompile(`(^|[^\w./-])` + old + `(/(?:` + strings.Join(folders, "|") + `)\b)`)
	for _, context := range []string{
		`(?m)^(module )` + old + `()$`,                       // go.mod
		`([\[ ])` + old + `(\$)`,                             // import rules
		`(?m)(\bmodule-path: )` + old + `()$`,                // formatters
		`(?m)^(\s*(?:import )?(?:\w+ )?")` + old + `("\s*)$`, // imports in documents
		`((?:\b|-)(?:replace|require|get)[ =])` + old + `( =>|=| v\d|@)`,
	} {
		r.roots = append(r.roots, regexp.MustCompile(context))
	}
	return r, nil
}

// rewrite replaces the module's path in a file's text.
func (r *rewriter) rewrite(path string, text []byte) ([]byte, error) {
	if strings.HasSuffix(path, ".go") {
		var err error
		if text, err = r.imports(path, text); err != nil {
			return nil, err
		}
	} else {
		for _, root := range r.roots {
			text = root.ReplaceAll(text, []byte("${1}"+r.to+"${2}"))
		}
	}
	return r.packages.ReplaceAll(text, []byte("${1}"+r.to+"${2}")), nil
}

// imports replaces the root package's path in the import declarations of a Go file.
func (r *rewriter) imports(path string, text []byte) ([]byte, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var out []byte
	last := 0
	for _, spec := range f.Imports {
		if spec.Path.Value != `"`+r.from+`"` {
			continue
		}
		at := files.Position(spec.Path.Pos()).Offset
		out = append(append(out, text[last:at]...), `"`+r.to+`"`...)
		last = at + len(spec.Path.Value)
	}
	return append(out, text[last:]...), nil
}
