package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
)

// hostile clears the screen, sets the window title and reverses text.
const hostile = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202e"

func checkTerminalSafe(t *testing.T, what, text string) {
	t.Helper()
	for _, r := range text {
		if (unicode.IsControl(r) && r != '\n' && r != '\t') || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("%s: %q has the control character %q", what, text, r)
			return
		}
	}
}

// Prompts, paths, server replies and mistyped arguments reach the terminal escaped.
func TestOutputEscapesControlSequences(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		message, _ := json.Marshal(map[string]string{"error": hostile})
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(message)
	}))
	defer server.Close()
	t.Chdir(t.TempDir())
	for what, args := range map[string][]string{
		"prompt":         {"generate", "a " + hostile + " clock"},
		"flag":           {"generate", "--" + hostile},
		"command":        {hostile},
		"missing path":   {"models", "check", "./" + hostile},
		"configuration":  {"config", "check", hostile + ".yaml"},
		"server's reply": {"generate", "a clock", "--generator", "sdcpp+" + server.URL, "--strategy", "noise", "--budget", "1", "--size", "64", "--steps", "4", "--guidance", "1"},
	} {
		code, stdout, stderr := here(t, args...)
		if code == 0 {
			t.Errorf("%s: accepted", what)
		}
		checkTerminalSafe(t, what, stdout+stderr)
		if what != "prompt" && !strings.Contains(stderr, "[2J") { // the parser quotes one word
			t.Errorf("%s: not shown in %q", what, stderr)
		}
		if strings.Count(stderr, "\n") > 3 {
			t.Errorf("%s: more than one line: %s", what, stderr)
		}
	}
	code, stdout, stderr := here(t, "generate", "a clock", "--out", hostile, "--budget", "1")
	if code != 0 {
		t.Fatal(stderr)
	}
	checkTerminalSafe(t, "path", stdout)

	code, stdout, stderr = here(t, "generate", "a clock", "--out", "json"+hostile, "--budget", "1", "--json", "--quiet")
	checkTerminalSafe(t, "JSON", stdout)
	var got summary
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || got.Folder != "json"+hostile {
		t.Errorf("%v, folder %q, %s", err, got.Folder, stderr)
	}
}
