package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"reflectionflow/internal/photocases"
	"reflectionflow/internal/testserver"
	"reflectionflow/vision/composite"
)

var keepPhotographs = flag.String("keep", "", "folder for the photographs that the double serves, to look at")

// Against an engine that returns photographs, searches without any configuration stop at the right ones. Wrong images
// come first, in a known order. These are some of the searches of TestSearches in package verifier/photo, which measures
// all of them.
func TestPhotographsWithoutConfiguration(t *testing.T) {
	double, cuts := testserver.NewSDCPP(t), composite.CutOuts()
	all := photocases.Cases(29, 2, cuts)
	var mu sync.Mutex
	served := map[string]int{}
	double.Paint = func(r testserver.ImageRequest) image.Image {
		mu.Lock()
		defer mu.Unlock()
		i := promptOf(all, r.Prompt)
		c := all[i]
		n := served[c.Prompt]
		served[c.Prompt]++
		shown := c.Wrong[n%len(c.Wrong)]
		if n == len(c.Wrong) {
			shown = c.Right
		}
		img, _ := shown.Render(uint64(100*i+n), cuts)
		keepPhotograph(t, img, fmt.Sprintf("%02d-%d.png", i, n))
		return img
	}
	t.Chdir(t.TempDir())
	args := []string{"generate", "--generator", "sdcpp+" + double.URL, "--size", strconv.Itoa(photocases.Side), "--steps", "4", "--width", "1", "--json", "--out", "run"}
	for _, c := range all {
		args = append(args, c.Prompt)
	}
	code, said, complained := here(t, args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	right, wrong := 0, 0
	decoder := json.NewDecoder(strings.NewReader(said))
	for i, c := range all {
		var summary struct {
			Best    int
			Stopped string
		}
		if err := decoder.Decode(&summary); err != nil {
			t.Fatal(err)
		}
		isRight, early := summary.Best == len(c.Wrong), summary.Stopped != "budget"
		switch {
		case isRight && early:
			right++
			continue
		case early:
			wrong++
		}
		t.Logf("%d, %s: %s: stopped: %s, best %d, right %d", i, c.Kind, c.Prompt, summary.Stopped, summary.Best, len(c.Wrong))
	}
	t.Logf("of %d searches %d stopped at the right image and %d at a wrong one", len(all), right, wrong)
	if 2*right < len(all) || wrong > 1 {
		t.Error("that is worse than it was")
	}
	if strings.Contains(complained, "clip-art") {
		t.Errorf("it said: %s", complained)
	}
}

func keepPhotograph(t *testing.T, img image.Image, name string) {
	if *keepPhotographs == "" {
		return
	}
	f, err := os.Create(filepath.Join(*keepPhotographs, name))
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Error(err)
	}
}

// promptOf is the number of the prompt that the text of a request is about.
func promptOf(all []photocases.Case, text string) int {
	best := -1
	for i, c := range all {
		if strings.Contains(text, c.Prompt) && (best < 0 || len(c.Prompt) > len(all[best].Prompt)) {
			best = i
		}
	}
	if best < 0 {
		panic("no prompt in " + text)
	}
	return best
}
