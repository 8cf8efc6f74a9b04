package photo

import (
	"context"
	"image"
	"slices"

	"reflectionflow"
	"reflectionflow/vision/colorname"
	"reflectionflow/vision/ssdlite"
)

// Settings of the detector, fitted on composites of photographs (see models/coco/README.md).
const (
	// faint is the score of the network from which on a detection is considered at all, and faintest that of a class that a
	// prompt asks for.
	faint, faintest = 0.08, 0.02
	// overlap is the intersection over union from which on two detections of a class in one look are one object.
	overlap = 0.5
	// listed is the probability from which on an object is listed and counted.
	listed = 0.5
)

// Detector lists the objects of photographs with their colors. Classes are in GenEval's spelling and
// colors are GenEval's ten, so it can judge images by GenEval's rules. It is safe for concurrent use.
type Detector struct {
	network interface {
		Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error)
		Close() error
	}
}

// OpenDetector loads the network with the embedded weights; see [ssdlite.Open].
func OpenDetector(ctx context.Context, backend string) (*Detector, error) {
	network, err := ssdlite.Open(ctx, ssdlite.Options{Backend: backend, Threshold: faintest, Overlap: overlap})
	if err != nil {
		return nil, err
	}
	return &Detector{network: network}, nil
}

// Close frees the network. No Detect may run or follow.
func (d *Detector) Close() error { return d.network.Close() }

// Detect lists the objects of each image, the most confident first. A confidence is the calibrated
// probability that there is such an object; objects below a tenth are left out. The rules for images,
// errors and ctx are those of [ssdlite.Detector.Detect].
func (d *Detector) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found, err := d.objects(ctx, images, make([]reflectionflow.Prompt, len(images)))
	if err != nil {
		return nil, err
	}
	for i, img := range images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		kept := found[i][:0]
		for _, o := range found[i] {
			if o.Confidence < 0.1 {
				continue
			}
			o.Color = called(colorname.Object(img, o.Box), "gray") // GenEval has no gray
			kept = append(kept, o)
		}
		found[i] = kept
	}
	return found, nil
}

// Find implements [Finder]. Things that the prompt may be about are looked at first.
func (d *Detector) Find(ctx context.Context, images []reflectionflow.PromptedImage) ([][]reflectionflow.Object, error) {
	plain, prompts := make([]image.Image, len(images)), make([]reflectionflow.Prompt, len(images))
	for i, p := range images {
		plain[i], prompts[i] = p.Image, p.Prompt
	}
	return d.objects(ctx, plain, prompts)
}

// Class implements [Finder].
func (d *Detector) Class(noun string) (name string, whole, known bool) { return class(noun) }

// objects lists all objects with calibrated confidences, the most confident first, without colors.
func (d *Detector) objects(ctx context.Context, images []image.Image, prompts []reflectionflow.Prompt) ([][]reflectionflow.Object, error) {
	things, err := d.things(ctx, images, prompts)
	if err != nil {
		return nil, err
	}
	found := make([][]reflectionflow.Object, len(images))
	for i, list := range things {
		found[i] = objectsOf(list)
	}
	return found, nil
}

// things lists what the network sees in images, from all looks.
func (d *Detector) things(ctx context.Context, images []image.Image, prompts []reflectionflow.Prompt) ([][]*thing, error) {
	found, err := d.network.Detect(ctx, images)
	if err != nil {
		return nil, err
	}
	sights := make([]*sight, len(images))
	for i, img := range images {
		s := &sight{img: img, prompt: prompts[i], asked: asks(prompts[i])}
		s.things = newThings(first, s.relevant(found[i]), s.asked)
		sights[i] = s
	}
	for range rounds {
		if err := d.round(ctx, sights); err != nil {
			return nil, err
		}
	}
	things := make([][]*thing, len(images))
	for i, s := range sights {
		things[i] = s.things
	}
	return things, nil
}

// round gives the images that need some their next looks.
func (d *Detector) round(ctx context.Context, sights []*sight) error {
	var views []image.Image
	var of []*sight
	for _, s := range sights {
		for _, l := range s.next() {
			s.looks, views, of = append(s.looks, l), append(views, l.of(s.img)), append(of, s)
		}
	}
	if len(views) == 0 {
		return nil
	}
	found, err := d.network.Detect(ctx, views)
	if err != nil {
		return err
	}
	at := map[*sight]int{}
	for _, s := range of {
		at[s]++
	}
	for k, s := range of {
		s.add(s.looks[len(s.looks)-at[s]], found[k])
		at[s]--
	}
	return nil
}

// asks returns whether a prompt asks for a class of the network.
func asks(p reflectionflow.Prompt) asking {
	var asked []string
	for _, r := range p.Requirements {
		for _, noun := range []string{r.Object, r.Target, r.Second} {
			if name, _, known := class(noun); known {
				asked = append(asked, name)
			}
		}
	}
	return func(class string) bool { return slices.Contains(asked, geneval(class)) }
}

// geneval is GenEval's name of one of COCO's classes.
func geneval(class string) string {
	switch class {
	case "mouse":
		return "computer mouse"
	case "remote":
		return "tv remote"
	case "keyboard":
		return "computer keyboard"
	}
	return class
}
