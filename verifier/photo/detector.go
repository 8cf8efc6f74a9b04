package photo

import (
	"context"
	"image"

	"reflectionflow"
	"reflectionflow/vision/colorname"
	"reflectionflow/vision/ssdlite"
)

// Settings of the detector, fitted on composites of photographs (see models/coco/README.md).
const (
	// faint is the score of the network from which on a detection is considered at all.
	faint = 0.08
	// overlap is the intersection over union from which on two detections of a class are one object.
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
	network, err := ssdlite.Open(ctx, ssdlite.Options{Backend: backend, Threshold: faint, Overlap: overlap})
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
	found, err := d.candidates(ctx, images)
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

// Find implements [Finder]: all detections, whatever the prompts say.
func (d *Detector) Find(ctx context.Context, images []reflectionflow.PromptedImage) ([][]reflectionflow.Object, error) {
	plain := make([]image.Image, len(images))
	for i, p := range images {
		plain[i] = p.Image
	}
	return d.candidates(ctx, plain)
}

// Class implements [Finder].
func (d *Detector) Class(noun string) (name string, whole, known bool) { return class(noun) }

// candidates lists all detections with calibrated confidences, without colors.
func (d *Detector) candidates(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found, err := d.network.Detect(ctx, images)
	if err != nil {
		return nil, err
	}
	for _, objects := range found {
		for i, o := range objects {
			objects[i].Class = geneval(o.Class)
			objects[i].Confidence = presence.of(o.Confidence)
		}
	}
	return found, nil
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
