package main

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
	"reflectionflow/vision/composite"
)

const cropping = `
endpoints: {vlm: {url: "%s", model: double-1, cache: none}}
generators: {sd: {type: remote, url: "sdcpp+%s", size: 512, steps: 4}}
verifiers: {looking: {type: chat, endpoint: vlm, crops: coco}}
search: {strategy: noise, budget: 1}
`

// From a configuration file, a language model that judges a photograph is shown the whole
// image and then, enlarged, what the built-in detector located of the objects whose colors
// are asked for.
func TestCropsFromTheCommandLine(t *testing.T) {
	cuts := map[string]composite.CutOut{}
	for _, c := range composite.CutOuts() {
		cuts[c.Class] = c
	}
	scene := composite.Scene{Seed: 3, Items: []composite.Item{
		{CutOut: cuts["cat"], Center: [2]float64{.27, .6}, Height: .5}, {CutOut: cuts["cup"], Center: [2]float64{.75, .65}, Height: .36},
	}}
	photo, shown := scene.Render(512, 512)
	sd := testserver.NewSDCPP(t)
	sd.Paint = func(testserver.ImageRequest) image.Image { return photo }
	vlm := testserver.NewChat(t, testserver.ChatOptions{})
	t.Chdir(deployed(t, fmt.Sprintf(cropping, vlm.URL, sd.URL)))
	if code, _, complained := here(t, "generate", "a black cat and a red cup", "--config", "config.yaml", "--out", "run"); code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	asked := vlm.Questions()
	if len(asked) != 1 {
		t.Fatalf("%d questions", len(asked))
	}
	images := asked[0].Images
	if len(images) != 3 || images[0].Bounds().Dx() != 512 {
		t.Fatalf("%d images, the first one %v", len(images), images[0].Bounds())
	}
	lines := regexp.MustCompile(`picture \d+: "?(\w+)"?.*its box is ([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+)`).FindAllStringSubmatch(asked[0].Text, -1)
	if len(lines) != 2 {
		t.Fatalf("%d parts are named:\n%s", len(lines), asked[0].Text)
	}
	for i, line := range lines {
		var box [4]float64
		for k := range box {
			box[k], _ = strconv.ParseFloat(line[k+2], 64)
		}
		own := shown[i]
		if line[1] != own.Class || overlap(box, own.Box) < .5 {
			t.Errorf("part %d is of a %s at %v, want the %s at %v", i, line[1], box, own.Class, own.Box)
		}
		size := images[1+i].Bounds()
		if d := farFrom(images[1+i], photo, box); d > 12 || size.Dx() > 512 || size.Dy() > 512 || size.Dx() < 200 {
			t.Errorf("part %d, of %v, differs from the photograph there by %.1f", i, size, d)
		}
	}
}

// overlap is the intersection over union of two boxes.
func overlap(a, b [4]float64) float64 {
	w, h := max(min(a[2], b[2])-max(a[0], b[0]), 0), max(min(a[3], b[3])-max(a[1], b[1]), 0)
	return w * h / ((a[2]-a[0])*(a[3]-a[1]) + (b[2]-b[0])*(b[3]-b[1]) - w*h)
}

// farFrom is how much a part of a photograph differs from what is in a box of it, in shades
// of gray.
func farFrom(part, photo image.Image, box [4]float64) float64 {
	const n = 16
	b, whole := part.Bounds(), photo.Bounds()
	sum := 0.0
	for y := range n {
		for x := range n {
			u, v := (float64(x)+.5)/n, (float64(y)+.5)/n
			sx := box[0] + (box[2]-box[0])*u
			sy := box[1] + (box[3]-box[1])*v
			p := color.GrayModel.Convert(part.At(b.Min.X+int(u*float64(b.Dx())), b.Min.Y+int(v*float64(b.Dy())))).(color.Gray)
			q := color.GrayModel.Convert(photo.At(int(sx*float64(whole.Dx())), int(sy*float64(whole.Dy())))).(color.Gray)
			sum += math.Abs(float64(p.Y) - float64(q.Y))
		}
	}
	return sum / (n * n)
}

// What is wrong with a prompt is said before the first image is paid for.
func TestNotesComeBeforeTheImages(t *testing.T) {
	t.Chdir(t.TempDir())
	_, _, complained := here(t, "generate", "--generator", "sdcpp+"+testserver.NewSDCPP(t).URL, "--size", "64", "--budget", "1", "deux chats et un chien")
	note, first := strings.Index(complained, "warning: the prompt is not in English (it looks like French)"), strings.Index(complained, "image 0")
	if note < 0 || first < note {
		t.Errorf("it said: %s", complained)
	}
}
