package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// The commands that README.md and docs/start.md print work in this order, in the folder
// of a fresh clone. Only the evaluation has fewer prompts here.
func TestPrintedCommandsRun(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a Unix shell")
	}
	readme, _, _ := strings.Cut(section(t, "../../README.md", "## Two commands"), "\n## ")
	makefile := read(t, "../../Makefile")
	home := t.TempDir()
	writeFile(t, filepath.Join(home, "bin", "reflectionflow"), "#!/bin/sh\nexec reflectionflow-embedded \"$@\"\n")
	run := func(line string) (string, error) {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = home
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	ran := 0
	for _, line := range append(printed(readme), printed(read(t, "../../docs/start.md"))...) {
		words := strings.Fields(line)
		switch words[0] {
		case "git":
		case "make":
			if !regexp.MustCompile(`(?m)^` + words[1] + `:`).MatchString(makefile) {
				t.Errorf("%q: the Makefile has no such target", line)
			}
		case "printf":
			if out, err := run(line); err != nil {
				t.Errorf("%q: %v\n%s", line, err, out)
			}
		case "bin/reflectionflow":
			if words[1] == "evaluate" && testing.Short() {
				continue
			}
			out, err := run(strings.Replace(line, "--limit 30", "--limit 6 --difficulty 0", 1))
			if strings.Contains(line, "config check") || strings.Contains(line, "--model black-forest-labs/") { // of a model that is not here
				if err == nil || !strings.Contains(out, "no model black-forest-labs/FLUX.2-klein-4B") || !strings.Contains(out, "reflectionflow models list") {
					t.Errorf("%q: %v, want a line that names the missing model\n%s", line, err, out)
				}
			} else if err != nil {
				t.Errorf("%q: %v\n%s", line, err, out)
			}
			ran++
		default:
			t.Errorf("%q: an unknown program", line)
		}
	}
	if ran < 5 {
		t.Errorf("only %d commands were found", ran)
	}
}

// printed lists the indented commands of a page, without comments.
func printed(page string) []string {
	var lines []string
	for line := range strings.Lines(page) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			command, _, _ = strings.Cut(command, " # ")
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// section returns a page from a heading on.
func section(t *testing.T, path, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, path), heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", path, heading)
	}
	return text
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
