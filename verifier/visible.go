package verifier

import (
	"image"

	"reflectionflow"
	"reflectionflow/clipart/template"
	"reflectionflow/verifier/detect"
)

// visible is a detector without the detections that nobody can see ([template.Visible]).
type visible struct{ Detector }

// Read implements [Detector].
func (v visible) Read(img image.Image) ([]detect.Detection, error) {
	detections, err := v.Detector.Read(img)
	if err != nil {
		return nil, err
	}
	objects := make([]reflectionflow.Object, len(detections))
	for i, d := range detections {
		objects[i] = v.Config().Object(d)
	}
	seen, err := template.Visible(img, objects)
	if err != nil {
		return nil, err
	}
	var kept []detect.Detection
	for i, d := range detections {
		if seen[i] {
			kept = append(kept, d)
		}
	}
	return kept, nil
}
