package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// An image server that fails for a while costs a run nothing but time. One that fails
// an image in all attempts costs the run that image alone.
func TestFailingImageServer(t *testing.T) {
	oom := testserver.WithStatus(500, `{"error":"CUDA out of memory"}`)
	for name, tt := range map[string]struct {
		faults []testserver.Fault
		failed int
	}{
		"once":         {[]testserver.Fault{oom}, 0},
		"all attempts": {[]testserver.Fault{oom, oom, oom, oom}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			double := testserver.NewSDCPP(t)
			double.Fail("POST /sdcpp/v1/img_gen", tt.faults...)
			t.Chdir(t.TempDir())
			code, said, complained := here(t, "generate", "a clock and a cup", "--generator", "sdcpp+"+double.URL, "--strategy", "reflection",
				"--size", "64", "--steps", "4", "--guidance", "1", "--budget", "4", "--width", "1", "--early-stop=false", "--out", "run")
			record, err := os.ReadFile("run/candidates.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			failed, images := 0, 0
			for line := range strings.Lines(string(record)) {
				var c struct {
					Error string `json:"error"`
				}
				if err := json.Unmarshal([]byte(line), &c); err != nil {
					t.Fatal(err)
				}
				if c.Error != "" {
					failed++
				} else {
					images++
				}
			}
			if code != 0 || failed != tt.failed || images != 4-tt.failed || len(double.Generated()) != images {
				t.Errorf("exit code %d, %d failed, %d images, %d generated\n%s%s%s", code, failed, images, len(double.Generated()), record, said, complained)
			}
		})
	}
}
