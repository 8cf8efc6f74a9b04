package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// A server that names its model by the key that it was sent, in plain or in base64,
// has it in no file of the run, no cache and no output.
func TestModelNameThatEchoesTheKey(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("Bearer " + key))
	for _, model := range []string{key, encoded, "a\x1b[31m" + key} {
		double := testserver.NewChat(t, testserver.ChatOptions{Key: key, Answer: func(q testserver.Question) testserver.Answer {
			a := testserver.DefaultAnswer(q)
			a.Model = model
			return a
		}})
		home := deployed(t, fmt.Sprintf(judgedByChat, double.URL))
		t.Chdir(home)
		_, table, said := here(t, "config", "check", "config.yaml")
		_, printed, complained := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "run")
		all := table + said + printed + complained
		keepsSecret(t, home)
		err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				data, _ := os.ReadFile(path)
				all += string(data)
			}
			return err
		})
		if err != nil || strings.Contains(all, encoded[10:len(encoded)-4]) || strings.Contains(table, "\x1b[31m") || !strings.Contains(all, "[secret]") {
			t.Errorf("model %q: %v, the key shows in %s", model, err, all)
		}
	}
}
