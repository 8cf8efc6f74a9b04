package tuning

import (
	"context"
	"math"

	"reflectionflow/verifier/detect"
)

// fitThreshold returns the confidence from which a detection is best called an
// object: that of the highest F1 on held-out pictures, averaged over the sets; the
// nearest to a half where several have it. Verdicts are no measure for it: most of
// them do not mind what else is seen.
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

// bestThreshold is [fitThreshold] on what was detected in the sets.
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
