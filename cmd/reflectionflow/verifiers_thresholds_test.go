package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/visiontest"
	"reflectionflow/verifier"
)

// One command, without labels, fits the thresholds of what takes them, and writes them where
// the configuration reads them. Networks of random weights know nothing, which is found.
func TestCalibrateByComposites(t *testing.T) {
	text := fmt.Sprintf("verifiers:\n  photo: {type: coco, calibration: photo.json}\n  boxes: {type: owlv2, path: %q, calibration: boxes.json}\n  fit: {type: clip, path: %q, calibration: fit.json}\nuse: {verifier: photo}\n",
		visiontest.Folder(t, "owlv2", nil), visiontest.Folder(t, "clip", nil))
	t.Chdir(deployed(t, text))
	code, table, said := here(t, "verifiers", "calibrate", "--config", "config.yaml", "--verifier", "photo,boxes,fit", "--composites", "24")
	if code != 0 || !strings.Contains(said, "boxes, thresholds: image 1 of 24") {
		t.Fatalf("exit code %d:\n%s%s", code, table, said)
	}
	calibrations := map[string]verifier.Calibration{}
	for _, name := range []string{"photo", "boxes", "fit"} {
		c, err := calibrationIn(name + ".json")
		if err != nil || c.Examples != 24 {
			t.Fatalf("%s: %+v, %v", name, c, err)
		}
		calibrations[name] = c
	}
	th := calibrations["photo"].Thresholds
	if th == nil || th.Threshold != 0 || !(th.NotMet > 0 && th.NotMet < th.Met && th.Met < 1) || th.Findings < 24 {
		t.Errorf("thresholds of the photo detector: %+v", th)
	}
	if !strings.Contains(table, "Thresholds of photo, used with its calibration where the configuration sets none: met 0.") {
		t.Errorf("they are not shown:\n%s", table)
	}
	// The file is taken as it is, and the command repeats itself.
	if code, _, said := here(t, "generate", "a cat", "--config", "config.yaml", "--generator", "sdcpp+http://127.0.0.1:1", "--budget", "1", "--strategy", "noise", "--out", "x"); code != 1 || strings.Contains(said, "calibration") {
		t.Errorf("exit code %d: %s", code, said)
	}
	before, err := os.ReadFile("photo.json")
	if err != nil {
		t.Fatal(err)
	}
	if code, _, said := here(t, "verifiers", "calibrate", "--config", "config.yaml", "--verifier", "photo", "--composites", "24", "--quiet"); code != 0 || said != "" {
		t.Errorf("exit code %d: %s", code, said)
	}
	if after, err := os.ReadFile("photo.json"); err != nil || string(after) != string(before) {
		t.Errorf("the same command gives another file: %v", err)
	}
	for says, args := range map[string][]string{"give one of them": {"--labels", "x", "--composites", "3"}, "--composites -1": {"--composites", "-1"}} {
		if code, _, said := here(t, append([]string{"verifiers", "calibrate"}, args...)...); code != 2 || !strings.Contains(said, says) {
			t.Errorf("%v: exit code %d: %s", args, code, said)
		}
	}
}
