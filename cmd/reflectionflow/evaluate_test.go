package main

import (
	"context"
	"image"
	"image/draw"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
)

// judged gives the fake model a third object, all colours and a judge.
func judged(m modelEntry) modelEntry {
	m.Classes, m.Colors = []string{"clock", "cup", "dog"}, clipart.Colors()
	m.OpenJudge = func(context.Context, string) (geneval.Detector, error) {
		if os.Getenv("FAKE_JUDGE") == "blind" {
			return fakeJudge{}, nil
		}
		scenes, err := geneval.KnownScenes(m.Classes, image.Pt(m.Width, m.Height))
		return fakeJudge{classes: m.Classes, scenes: scenes}, err
	}
	return m
}

// fakeJudge knows the scenes of the self-test. In stripes of high quality it sees
// one of each object.
type fakeJudge struct {
	classes []string
	scenes  []geneval.KnownScene
}

func (j fakeJudge) Detect(_ context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	for i, img := range images {
		found[i] = j.look(img)
	}
	return found, nil
}

func (j fakeJudge) look(img image.Image) []reflectionflow.Object {
	pixels := pixelsOf(img)
	for _, s := range j.scenes {
		if pixelsOf(s.Picture) == pixels {
			return s.Truth
		}
	}
	var seen []reflectionflow.Object
	for i, class := range j.classes {
		if quality := pixels[0]; quality > 80 {
			x := 0.3 * float64(i)
			seen = append(seen, reflectionflow.Object{Class: class, Color: "red", Box: [4]float64{x, 0.4, x + 0.2, 0.6}, Confidence: 0.95})
		}
	}
	return seen
}

func pixelsOf(img image.Image) string {
	m := image.NewNRGBA(img.Bounds())
	draw.Draw(m, m.Rect, img, m.Rect.Min, draw.Src)
	return string(m.Pix)
}

// Ctrl-C keeps what was judged, and the same command goes on to the same results.
func TestEvaluateInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupt signal to send")
	}
	home := t.TempDir()
	args := []string{"evaluate", "--limit", "12", "--budgets", "1,4", "--out"}
	t.Setenv("FAKE_JUDGE", "good")
	if out, err := command(t, home, append(args, "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := command(t, home, append(args, "cut")...)
	cmd.Env = append(cmd.Env, "FAKE_DELAY=40ms")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(home, "cut", "noise-1", "00001", "samples", "0000.png"))
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd.Wait()); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if !strings.Contains(said.String(), "of 24 searches kept in cut; the same command goes on\n") || strings.Contains(said.String(), "context") {
		t.Errorf("it said %q", said.String())
	}
	if _, err := os.Stat(filepath.Join(home, "cut", "summary.json")); err == nil {
		t.Error("there is a summary of what was not finished")
	}
	if out, err := command(t, home, append(args, "cut")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cut, whole := record(t, filepath.Join(home, "cut")), record(t, filepath.Join(home, "whole"))
	for _, timed := range []string{"results.jsonl", "summary.json", "report.md"} { // seconds differ, and who came first
		if cut[timed] == "" {
			t.Errorf("no %s", timed)
		}
		delete(cut, timed)
		delete(whole, timed)
	}
	sameFiles(t, cut, whole)
}
