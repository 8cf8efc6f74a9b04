package photo

import (
	"bufio"
	"bytes"
	"flag"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/vision/colorname"
	"reflectionflow/vision/composite"
	"reflectionflow/vision/ssdlite"
)

var (
	stamps = flag.String("stamps", "", "folder usr/share/tuxpaint/stamps of the Debian package tuxpaint-stamps-default")
	keep   = flag.String("keep", "", "folder for the composites, to look at")
)

// firstCuts is how many of the embedded cut-outs were there first; the others are harder.
const firstCuts = 13

// cutOuts are those of a set: "fit" and "measure" are of the stamps, "embedded" those of package
// composite, and "first" those of them that were embedded first.
func cutOuts(t testing.TB, set string) []composite.CutOut {
	t.Helper()
	switch set {
	case "embedded":
		return composite.CutOuts()
	case "first":
		return composite.CutOuts()[:firstCuts]
	}
	if *stamps == "" {
		t.Skip("needs -stamps")
	}
	data, err := os.ReadFile("testdata/stamps.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var list []composite.CutOut
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if f[3] != set {
			continue
		}
		folder := *stamps
		if strings.HasPrefix(f[0], "testdata/") {
			folder = "."
		}
		c, err := composite.Read(os.DirFS(folder), composite.CutOut{Name: f[0], Class: f[1], Color: f[2]})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// photograph is a composite and what is in it.
type photograph struct {
	img   *image.NRGBA
	truth []reflectionflow.Object
}

// photographs renders n composites of the cut-outs: one to five objects of one or two classes. Most
// things that are made in any color are tinted.
func photographs(t testing.TB, list []composite.CutOut, n int, seed uint64) []photograph {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	var all []photograph
	for i := range n {
		var chosen []composite.CutOut
		for range 1 + rng.IntN(2) {
			first := list[rng.IntN(len(list))]
			for range 1 + min(rng.IntN(5), rng.IntN(5)) {
				if len(chosen) < 5 {
					chosen = append(chosen, first)
				}
			}
		}
		items := composite.Arrange(rng, chosen)
		color := composite.Tints()[rng.IntN(len(composite.Tints()))]
		tint := rng.IntN(4) > 0
		for k := range items {
			c := items[k].CutOut
			// The volleyball has several colors.
			if tint && c.Tintable() && c.Name != "ball" && slices.Contains([]string{"cup", "car", "truck", "bus", "sports ball"}, c.Class) {
				items[k].Color = color
			}
		}
		var p photograph
		p.img, p.truth = composite.Scene{Items: items, Seed: seed<<20 + uint64(i)}.Render(320, 320)
		all = append(all, p)
		keepImage(t, p.img)
	}
	return all
}

var kept int

func keepImage(t testing.TB, img image.Image) {
	t.Helper()
	if *keep == "" {
		return
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	kept++
	if err := os.WriteFile(filepath.Join(*keep, strings.ReplaceAll(t.Name(), "/", "-")+"-"+string(rune('a'+kept/26%26))+string(rune('a'+kept%26))+".png"), buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// question is a requirement on a photograph, and whether it is met.
type question struct {
	group string
	r     reflectionflow.Requirement
	want  bool
}

// questions asks about the objects of some classes in a photograph, with right and wrong requirements of each group, and
// about two of those that are absent.
func questions(p photograph, others []string, rng *rand.Rand) []question {
	var list []question
	ask := func(group string, want bool, r reflectionflow.Requirement) {
		list = append(list, question{group, r, want})
	}
	number := map[string]int{}
	for _, o := range p.truth {
		number[o.Class]++
	}
	rng.Shuffle(len(others), func(i, k int) { others[i], others[k] = others[k], others[i] })
	absent := 0
	for _, class := range others {
		n := number[class]
		if n == 0 {
			if absent++; absent > 2 {
				continue
			}
		}
		ask("object", n > 0, reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: class, Count: 1})
		ask("absent", n == 0, reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: class})
		if n == 0 {
			continue
		}
		ask("count", true, reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: class, Count: n})
		other := n + 1 - 2*rng.IntN(2)
		if other == 0 || other > maxCount {
			other = n%maxCount + 1
		}
		ask("count", false, reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: class, Count: other})
		list = append(list, askColor(p, class, rng)...)
	}
	return append(list, askPlaces(p, number, func(class string) bool { return slices.Contains(others, class) })...)
}

// askColor asks for the color of a class whose objects have one color.
func askColor(p photograph, class string, rng *rand.Rand) (list []question) {
	color, one := "", true
	for _, o := range p.truth {
		if o.Class == class {
			one = one && (color == "" || color == o.Color)
			color = o.Color
		}
	}
	if color == "" || !one {
		return nil
	}
	wrong := slices.DeleteFunc(colorname.Terms(), func(c string) bool { return c == color })
	list = append(list, question{"color", reflectionflow.Requirement{Kind: reflectionflow.Color, Object: class, Color: color}, true})
	for _, i := range rng.Perm(len(wrong))[:2] {
		list = append(list, question{"color", reflectionflow.Requirement{Kind: reflectionflow.Color, Object: class, Color: wrong[i]}, false})
	}
	return list
}

// askPlaces asks where single objects are, where that is clear.
func askPlaces(p photograph, number map[string]int, asks func(class string) bool) (list []question) {
	for _, o := range p.truth {
		if number[o.Class] != 1 || !asks(o.Class) {
			continue
		}
		for _, place := range reflectionflow.Places() {
			if clear := inPlace(place, o.Box); clear > 0.8 || clear < 0.2 {
				list = append(list, question{"place", reflectionflow.Requirement{Kind: reflectionflow.Place, Object: o.Class, Value: place}, clear > 0.5})
			}
		}
		for _, target := range p.truth {
			if target.Class == o.Class || number[target.Class] != 1 || !asks(target.Class) {
				continue
			}
			for _, relation := range reflectionflow.Relations()[:4] {
				if clear := clipart.RelationStrength(relation, o.Box, target.Box); clear > 0.6 || clear < 0.4 {
					list = append(list, question{"relation", reflectionflow.Requirement{Kind: reflectionflow.Position, Object: o.Class, Relation: relation, Target: target.Class}, clear > 0.5})
				}
			}
		}
	}
	return list
}

// classesOf lists the classes of cut-outs.
func classesOf(list []composite.CutOut) []string {
	var names []string
	for _, c := range list {
		if !slices.Contains(names, c.Class) {
			names = append(names, c.Class)
		}
	}
	return names
}

// Every line of the list of stamps has four fields and a known class.
func TestStamps(t *testing.T) {
	f, err := os.Open("testdata/stamps.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 4 || !slices.Contains(ssdlite.Classes(), fields[1]) || fields[2] != "" && !slices.Contains(colorname.Terms(), fields[2]) {
			t.Errorf("%q", lines.Text())
		}
	}
}
