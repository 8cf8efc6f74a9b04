package tuning

import (
	"cmp"
	"context"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
)

// detectionScenes is the number of held-out scenes for measuring a detector: half meet their
// prompt, half are flawed. detectionShown of them are on the sample sheet.
const (
	detectionScenes = 192
	detectionShown  = 32
)

// matchOverlap is the smallest intersection over union of a detection and its object.
const matchOverlap = 0.5

// heldOutSet is a set of held-out images with measures of its own; suffix is appended to the
// names of its measures.
type heldOutSet struct {
	suffix string
	images []heldOut
}

// heldOutSets returns rendered scenes of the validation split, degraded as in training, and
// redrawn scenes, if there are any.
func heldOutSets(w World, d Degrade, redrawn redrawnScenes) ([]heldOutSet, error) {
	rendered, err := heldOutScenes(w, d, detectionScenes)
	if err != nil || redrawn.count() == 0 {
		return []heldOutSet{{"", rendered}}, err
	}
	regenerated, err := heldOutRedrawn(redrawn)
	return []heldOutSet{{"", rendered}, {"_redrawn", regenerated}}, err
}

// read runs the detector on the images.
func (s heldOutSet) read(ctx context.Context, detector *detect.Detector) ([][]detect.Detection, error) {
	detections := make([][]detect.Detection, len(s.images))
	return detections, detect.ForEach(ctx, len(s.images), func(i int) (err error) {
		detections[i], err = detector.Read(s.images[i].image)
		return err
	})
}

// listed returns the objects in each image at the configuration's threshold.
func listed(cfg detect.Config, detections [][]detect.Detection) [][]reflectionflow.Object {
	found := make([][]reflectionflow.Object, len(detections))
	for i, d := range detections {
		found[i] = cfg.Objects(d)
	}
	return found
}

// detectionSample measures a detector on sets of held-out images and saves some of the last
// set with the detected boxes.
func detectionSample(backend compute.Backend, prefix string, cfg detect.Config, sets []heldOutSet) func(context.Context, *nn.Store, string) (map[string]float64, error) {
	return func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
		detector, err := detect.New(backend, cfg, averaged, prefix)
		if err != nil {
			return nil, err
		}
		defer detector.Close() //nolint:errcheck // the weights stay in the store
		measured := map[string]float64{}
		var shown []image.Image
		for _, set := range sets {
			detections, err := set.read(ctx, detector)
			if err != nil {
				return nil, err
			}
			found := listed(cfg, detections)
			for name, value := range detectionMeasures(set.images, found) {
				measured[name+set.suffix] = value
			}
			measured["map"+set.suffix] = meanAveragePrecision(cfg.Classes, set.images, detections)
			shown = nil
			for i, objects := range found[:min(detectionShown, len(found))] {
				shown = append(shown, outlined(set.images[i].image, objects))
			}
		}
		return measured, saveGrid(path, shown, 8)
	}
}

// heldOut is an image of the validation split.
type heldOut struct {
	image   image.Image
	prompt  reflectionflow.Prompt
	objects []reflectionflow.Object
}

// heldOutScenes renders n scenes of validation prompts, every second one flawed.
func heldOutScenes(w World, d Degrade, n int) ([]heldOut, error) {
	data, err := newScenes(w)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(validationSeed, 2))
	var held []heldOut
	for i := range n {
		scene, prompt := data.sampler.SampleMixed(clipart.Validation, rng)
		if i%2 == 1 {
			if flawed, _, err := data.sampler.Flaw(scene, prompt, rng); err == nil {
				scene = flawed
			}
		}
		truth, err := scene.Truth(w.Size, w.Size)
		if err != nil {
			return nil, err
		}
		pixels := make([]uint8, w.Size*w.Size*3)
		if err := scene.RenderInto(pixels, w.Size, w.Size); err != nil {
			return nil, err
		}
		if err := d.apply(pixels, w.Size, rng); err != nil {
			return nil, err
		}
		held = append(held, heldOut{split(pixels, w.Size, w.Size)[0], prompt, truth})
	}
	return held, nil
}

// heldOutRedrawn returns redrawn scenes of the validation split.
func heldOutRedrawn(redrawn redrawnScenes) ([]heldOut, error) {
	var held []heldOut
	for i := range redrawn.count() {
		scene, prompt := redrawn.scene(i)
		truth, err := scene.Truth(redrawn.size, redrawn.size)
		if err != nil {
			return nil, err
		}
		held = append(held, heldOut{split(slices.Clone(redrawn.at(i)), redrawn.size, redrawn.size)[0], prompt, truth})
	}
	return held, nil
}

// detectionMeasures compares detections with objects. It returns the F1 of boxes with the
// right class at [matchOverlap], the shares of right classes and colors among matching boxes,
// and the share of images whose verdict on the prompt is the same.
func detectionMeasures(held []heldOut, found [][]reflectionflow.Object) map[string]float64 {
	var objects, detections, boxes, hits, classes, colors, agreed float64
	for i, h := range held {
		objects += float64(len(h.objects))
		detections += float64(len(found[i]))
		for _, m := range matches(h.objects, found[i]) {
			boxes++
			if m.truth.Class == m.found.Class {
				classes++
				hits++
			}
			if m.truth.Color == m.found.Color {
				colors++
			}
		}
		if clipart.CheckAll(h.prompt.Requirements, h.objects) == clipart.CheckAll(h.prompt.Requirements, found[i]) { //nolint:gosec // found has as many entries as held
			agreed++
		}
	}
	return map[string]float64{
		"f1": 2 * hits / max(objects+detections, 1), "found": boxes / max(objects, 1), "class": classes / max(boxes, 1), "color": colors / max(boxes, 1),
		"verdicts": agreed / float64(len(held)),
	}
}

type match struct{ truth, found reflectionflow.Object }

// matches pairs objects with detections, the largest overlap first.
func matches(truth, found []reflectionflow.Object) []match {
	type candidate struct {
		t, f    int
		overlap float64
	}
	var all []candidate
	for t := range truth {
		for f := range found {
			if overlap := detect.IoU(truth[t].Box, found[f].Box); overlap >= matchOverlap {
				all = append(all, candidate{t, f, overlap})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.overlap, a.overlap) })
	usedT, usedF := make([]bool, len(truth)), make([]bool, len(found))
	var pairs []match
	for _, c := range all {
		if !usedT[c.t] && !usedF[c.f] {
			usedT[c.t], usedF[c.f] = true, true
			pairs = append(pairs, match{truth[c.t], found[c.f]})
		}
	}
	return pairs
}

// foundColor is the color of detected boxes.
var foundColor = color.NRGBA{R: 230, B: 200, A: 255}

// outlined returns an image with the boxes of objects.
func outlined(m image.Image, objects []reflectionflow.Object) image.Image {
	for _, o := range objects {
		m = framed(m, o.Box, foundColor)
	}
	return m
}

// framed returns an image with the edge of a box.
func framed(m image.Image, box [4]float64, line color.NRGBA) image.Image {
	bounds := m.Bounds()
	boxed := image.NewNRGBA(bounds)
	draw.Draw(boxed, bounds, m, bounds.Min, draw.Src)
	w, h := float64(bounds.Dx()-1), float64(bounds.Dy()-1)
	x0, y0, x1, y1 := int(box[0]*w), int(box[1]*h), int(box[2]*w), int(box[3]*h)
	for x := x0; x <= x1; x++ {
		boxed.SetNRGBA(x, y0, line)
		boxed.SetNRGBA(x, y1, line)
	}
	for y := y0; y <= y1; y++ {
		boxed.SetNRGBA(x0, y, line)
		boxed.SetNRGBA(x1, y, line)
	}
	return boxed
}
