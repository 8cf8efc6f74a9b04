package main

import (
	"encoding/json"
	"image"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"reflectionflow/internal/testserver"
	"reflectionflow/vision/composite"
)

// photographs of things that cut-outs exist of: what each prompt asks for, and images that do not show
// it. Objects are large enough for the detector. An image is a list of objects: class or class:color, its place from left to right in percent, its
// height, and how far down it stands if that is not on the ground.
var photographs = []struct {
	prompt string
	right  string
	wrong  []string
}{
	{"two cats", "cat@24,32 cat@76,32", []string{"cat@40,50", "person@50,80", "cup:red@25,40 cat@70,40"}},
	{"a person and a red cup", "person@28,70 cup:red@76,50", []string{"person@30,70 cup:blue@78,42", "cup:red@50,50", "person@50,80"}},
	{"a blue cup to the left of a cat", "cup:blue@20,32 cat@70,45", []string{"cat@25,45 cup:blue@80,32", "cup:red@20,32 cat@70,45", "cup:blue@50,40"}},
	{"three cups", "cup:blue@18,38 cup:blue@50,38 cup:blue@82,38", []string{"cup:blue@25,40 cup:blue@75,40", "cup:blue@50,40", "cat@30,50"}},
	{"a person and a cat", "person@25,75 cat@72,40", []string{"person@50,80", "cat@50,60", "cup:red@50,40"}},
	{"a cat, no person", "cat@50,55", []string{"cat@72,40 person@25,75", "person@40,75", "cup:white@50,40"}},
	{"two purple cups", "cup:purple@26,45 cup:purple@74,45", []string{"cup:purple@50,40", "cup:red@25,45 cup:red@75,45", "cup:purple@25,36 cat@70,40"}},
	{"a cat on the right and a cup on the left", "cup:orange@22,42 cat@72,40", []string{"cat@25,40 cup:orange@80,32", "cat@60,50", "cup:orange@22,32"}},
	{"exactly one cat", "cat@45,55", []string{"cat@20,40 cat@70,40", "person@50,80", "cup:black@50,50"}},
	{"a purple cup", "cup:purple@50,45", []string{"cup:blue@50,45", "cat@50,50", "cup:orange@40,40"}},
	{"two people", "person@25,75 person:2@75,75", []string{"person@50,75", "cat@50,50", "person@25,75 cat@75,40"}},
	{"an orange cup", "cup:orange@50,45", []string{"cup:purple@50,45", "cat@50,50", "cup:blue@40,40"}},
	{"a photo of a blue cup", "cup:blue@50,50", []string{"cup:orange@50,50", "person@50,80", "cup:pink@50,45"}},
	{"a person to the right of a cat", "cat@27,40 person:2@75,70", []string{"person:2@25,70 cat@73,40", "cat@40,50", "person@60,75"}},
	{"no cats, just a cup", "cup:blue@50,45", []string{"cat@30,45 cup:blue@78,40", "cat@50,50", "person@50,80"}},
	{"a cat next to a blue cup", "cat@35,45 cup:blue@78,32", []string{"cat@40,50", "cup:blue@40,40", "cat@35,45 cup:red@78,32"}},
}

// picture renders a description in a room.
func picture(description string, seed uint64) image.Image {
	cuts, people := map[string]composite.CutOut{}, []composite.CutOut{}
	for _, c := range composite.CutOuts() {
		cuts[c.Class] = c
		if c.Class == "person" {
			people = append(people, c)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 5))
	scene := composite.Scene{Seed: seed}
	for item := range strings.FieldsSeq(description) {
		name, at, _ := strings.Cut(item, "@")
		class, color, _ := strings.Cut(name, ":")
		place := strings.Split(at+",90", ",") // the ground is at 90% of the height
		x, height, ground := place[0], place[1], place[2]
		percent := func(text string) float64 {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				panic(err)
			}
			return v / 100
		}
		i := composite.Item{CutOut: cuts[class], Color: color, Height: percent(height) * (0.94 + 0.12*rng.Float64()), Mirror: rng.IntN(2) == 0}
		if class == "person" {
			i.CutOut, i.Color = people[0], ""
			if color == "2" {
				i.CutOut = people[1]
			}
		}
		i.Center = [2]float64{percent(x) + 0.03*(rng.Float64()-0.5), percent(ground) - i.Height/2 - 0.06*rng.Float64()}
		scene.Items = append(scene.Items, i)
	}
	img, _ := scene.Render(256, 256)
	return img
}

// Against an engine that returns photographs, searches without any configuration stop at the right ones:
// at least nine of ten. Wrong images come first, in a known order.
func TestPhotographsWithoutConfiguration(t *testing.T) {
	double := testserver.NewSDCPP(t)
	var mu sync.Mutex
	served := map[string]int{}
	double.Paint = func(r testserver.ImageRequest) image.Image {
		mu.Lock()
		defer mu.Unlock()
		i := promptOf(r.Prompt)
		p := photographs[i]
		n := served[p.prompt]
		served[p.prompt]++
		if n == len(p.wrong) {
			return picture(p.right, uint64(1000+i))
		}
		return picture(p.wrong[n%len(p.wrong)], uint64(10*i+n))
	}
	t.Chdir(t.TempDir())
	args := []string{"generate", "--generator", "sdcpp+" + double.URL, "--size", "256", "--steps", "4", "--width", "1", "--json", "--out", "run"}
	for _, p := range photographs {
		args = append(args, p.prompt)
	}
	code, said, complained := here(t, args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	stopped := 0
	decoder := json.NewDecoder(strings.NewReader(said))
	for _, p := range photographs {
		var summary struct {
			Best    int
			Stopped string
		}
		if err := decoder.Decode(&summary); err != nil {
			t.Fatal(err)
		}
		if summary.Best == len(p.wrong) && summary.Stopped != "budget" {
			stopped++
		} else {
			t.Logf("%s: stopped: %s, best %d", p.prompt, summary.Stopped, summary.Best)
		}
	}
	t.Logf("%d of %d searches stopped at the right image", stopped, len(photographs))
	if 10*stopped < 9*len(photographs) {
		t.Error("these are less than nine of ten")
	}
	if strings.Contains(complained, "clip-art") {
		t.Errorf("it said: %s", complained)
	}
}

// promptOf is the prompt that the text of a request is about.
func promptOf(text string) int {
	best := -1
	for i, p := range photographs {
		if strings.Contains(text, p.prompt) && (best < 0 || len(p.prompt) > len(photographs[best].prompt)) {
			best = i
		}
	}
	if best < 0 {
		panic("no prompt in " + text)
	}
	return best
}
