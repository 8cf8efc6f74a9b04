package tuning

import (
	"context"
	"math"

	"reflectionflow/verifier/detect"
)

// fitThreshold returns the confidence above which a detection counts as an object: the one
// with the highest F1 on held-out images, averaged over the sets, and of several the nearest
// to 0.5. Verdicts do not serve as a measure, as most of them do not depend on additional
// objects.
func fitThreshold(ctx context.Context, detector *detect.Detector, sets []heldOutSet) (float64, error) {
	cfg, detections := detector.Config(), make([][][]detect.Detection, len(sets))
	for i, set := range sets {
		var err error
		if detections[i], err = set.read(ctx, detector); err != nil {
			return 0, err
		}
	}
	return bestThreshold(cfg, sets, detections), nil
}

// bestThreshold is [fitThreshold] on given detections.
func bestThreshold(cfg detect.Config, sets []heldOutSet, detections [][][]detect.Detection) float64 {
	best, highest := 0.0, -1.0
	for percent := 10; percent <= 90; percent += 5 {
		cfg.Threshold = float64(percent) / 100
		f1 := 0.0
		for i, set := range sets {
			f1 += detectionMeasures(set.images, listed(cfg, detections[i]))["f1"]
		}
		nearer := math.Abs(cfg.Threshold-0.5) < math.Abs(best-0.5)
		if f1 > highest || (f1 == highest && nearer) {
			best, highest = cfg.Threshold, f1
		}
	}
	return best
}
