package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow/internal/testserver"
	"reflectionflow/vision/composite"
)

var keepPhotographs = flag.String("keep", "", "folder for the photographs that the double serves, to look at")

// group is some things of a class in an image.
type group struct {
	n            int
	class, color string
}

// view is what an image shows: groups from left to right, all of them on what on names, where it names something.
type view struct {
	groups []group
	on     group
}

// wish is a prompt, an image that shows what it asks for, and images that do not.
type wish struct {
	kind, prompt string
	right        view
	wrong        []view
}

// wishes are prompts of several kinds, six of each, drawn from a seed. What they are about, and the images,
// follow from rules that know nothing of what a detector sees.
func wishes(seed uint64) []wish {
	rng := rand.New(rand.NewPCG(seed, 4))
	classes := []string{"bird", "cat", "cup", "dog", "horse", "person"}
	nouns := map[string][2]string{
		"bird": {"a bird", "birds"}, "cat": {"a cat", "cats"}, "cup": {"a cup", "cups"}, "dog": {"a dog", "dogs"}, "horse": {"a horse", "horses"}, "person": {"a person", "people"}, "couch": {"a sofa", "sofas"},
	}
	two := func() (a, b string) {
		i := rng.Perm(len(classes))
		return classes[i[0]], classes[i[1]]
	}
	colors := func() (a, b string) {
		i := rng.Perm(len(composite.Tints()))
		return composite.Tints()[i[0]], composite.Tints()[i[1]]
	}
	one := func(class string) group { return group{1, class, ""} }
	row := func(groups ...group) view { return view{groups: groups} }
	article := func(color string) string {
		if strings.ContainsRune("aeiou", rune(color[0])) {
			return "an " + color
		}
		return "a " + color
	}
	draw := []func(i int) wish{
		func(i int) wish {
			a, b := two()
			n := 2 + i%2
			return wish{"count", []string{"two ", "three "}[i%2] + nouns[a][1], row(group{n, a, ""}), []view{row(group{n - 1, a, ""}), row(group{n, b, ""}), row(one(a), one(b))}}
		},
		func(i int) wish {
			class := []string{"cup", "couch"}[i%2]
			color, other := colors()
			a, b := two()
			if a == class {
				a = b
			}
			return wish{"color", article(color) + []string{" cup", " sofa"}[i%2], row(group{1, class, color}), []view{row(group{1, class, other}), row(one(a))}}
		},
		func(int) wish {
			a, b := two()
			return wish{"two objects", nouns[a][0] + " and " + nouns[b][0], row(one(a), one(b)), []view{row(one(a)), row(one(b))}}
		},
		func(i int) wish {
			a, b := two()
			words := []string{" to the left of ", " to the right of ", " next to "}[i%3]
			right, wrong := row(one(a), one(b)), row(one(b), one(a))
			switch i % 3 {
			case 1:
				right, wrong = wrong, right
			case 2:
				wrong = row(group{2, b, ""})
			}
			return wish{"relation", nouns[a][0] + words + nouns[b][0], right, []view{wrong, row(one(a)), row(one(b))}}
		},
		func(int) wish {
			a, b := two()
			color, other := colors()
			return sofa(1, a, b, color, other, nouns[a][0]+" on "+article(color)+" sofa")
		},
	}
	list := []wish{sofa(2, "dog", "cat", "red", "blue", "two dogs on a red sofa")}
	for _, next := range draw {
		for i := range 6 {
			w := next(i)
			for slices.ContainsFunc(list, func(other wish) bool { return other.prompt == w.prompt }) {
				w = next(i)
			}
			list = append(list, w)
		}
	}
	return list
}

// sofa is a wish for n things of a class on a sofa of a color.
func sofa(n int, class, otherClass, color, otherColor, prompt string) wish {
	on := func(n int, class, color string) view {
		return view{groups: []group{{n, class, ""}}, on: group{1, "couch", color}}
	}
	wrong := []view{on(n, class, otherColor), on(n, otherClass, color), {groups: []group{{n, class, ""}}}}
	if n > 1 {
		wrong = append(wrong, on(n-1, class, color))
	}
	return wish{"on a sofa", prompt, on(n, class, color), wrong}
}

// photograph renders a view in a room: n things share the width, each as large as its share and three fifths of
// the height allow. What stands on a sofa stands on its seat, in the middle three quarters of its width.
func photograph(v view, seed uint64) image.Image {
	rng := rand.New(rand.NewPCG(seed, 5))
	cuts := composite.CutOuts()
	scene := composite.Scene{Seed: seed}
	put := func(g group, x, ground, width, height float64) (top, h float64) {
		of := slices.Clone(cuts)
		of = slices.DeleteFunc(of, func(c composite.CutOut) bool { return c.Class != g.class })
		c := of[rng.IntN(len(of))]
		size := c.Image.Bounds().Size()
		h = min(height, width*float64(size.Y)/float64(size.X))
		scene.Items = append(scene.Items, composite.Item{CutOut: c, Color: g.color, Center: [2]float64{x, ground - h/2}, Height: h, Mirror: rng.IntN(2) == 0})
		return ground - h, h
	}
	left, width, ground, height := 0.02, 0.96, 0.95, 0.6
	if v.on.n > 0 {
		top, h := put(v.on, 0.5, ground, 0.9, 0.6)
		left, width, ground, height = 0.5-0.75*0.9/2, 0.75*0.9, top+0.6*h, 0.45
	}
	n := 0
	for _, g := range v.groups {
		n += g.n
	}
	share, at := width/float64(n), 0
	for _, g := range v.groups {
		for range g.n {
			x := left + (float64(at)+0.5)*share + 0.04*share*(rng.Float64()-0.5)
			put(g, x, ground-0.03*rng.Float64(), 0.92*share, height)
			at++
		}
	}
	img, _ := scene.Render(256, 256)
	return img
}

// Against an engine that returns photographs, searches without any configuration choose the right ones. Wrong
// images come first, in a known order. The scenes are as hard as the rules make them, and the bounds are what the
// detector reaches: models/coco/README.md has the numbers.
func TestPhotographsWithoutConfiguration(t *testing.T) {
	double := testserver.NewSDCPP(t)
	all := wishes(29)
	var mu sync.Mutex
	served := map[string]int{}
	double.Paint = func(r testserver.ImageRequest) image.Image {
		mu.Lock()
		defer mu.Unlock()
		i := promptOf(all, r.Prompt)
		w := all[i]
		n := served[w.prompt]
		served[w.prompt]++
		shown := w.wrong[n%len(w.wrong)]
		if n == len(w.wrong) {
			shown = w.right
		}
		img := photograph(shown, uint64(100*i+n))
		keepPhotograph(t, img, fmt.Sprintf("%02d-%d.png", i, n))
		return img
	}
	t.Chdir(t.TempDir())
	args := []string{"generate", "--generator", "sdcpp+" + double.URL, "--size", "256", "--steps", "4", "--width", "1", "--json", "--out", "run"}
	for _, w := range all {
		args = append(args, w.prompt)
	}
	code, said, complained := here(t, args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	right, best, wrong := 0, 0, 0
	decoder := json.NewDecoder(strings.NewReader(said))
	for i, w := range all {
		var summary struct {
			Best    int
			Stopped string
		}
		if err := decoder.Decode(&summary); err != nil {
			t.Fatal(err)
		}
		isRight, early := summary.Best == len(w.wrong), summary.Stopped != "budget"
		if isRight {
			best++
		}
		switch {
		case isRight && early:
			right++
			continue
		case early:
			wrong++
		}
		t.Logf("%d, %s: %s: stopped: %s, best %d, right %d", i, w.kind, w.prompt, summary.Stopped, summary.Best, len(w.wrong))
	}
	t.Logf("of %d searches %d stopped at the right image and %d at a wrong one; the best one is right in %d", len(all), right, wrong, best)
	if n := len(all); n < 24 || 2*right < n || 3*best < 2*n || 10*wrong > n {
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
func promptOf(all []wish, text string) int {
	best := -1
	for i, w := range all {
		if strings.Contains(text, w.prompt) && (best < 0 || len(w.prompt) > len(all[best].prompt)) {
			best = i
		}
	}
	if best < 0 {
		panic("no prompt in " + text)
	}
	return best
}
