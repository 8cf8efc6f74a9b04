package tuning

import (
	"context"
	"math"

	"reflectionflow/verifier/detect"
)

// fitThreshold returns the confidence from which a detection is best called an
// object: that at which the verdicts on held-out pictures, averaged over the sets,
// agree most often with the truth; the nearest to a half where several do.
func fitThreshold(ctx context.Context, detector *detect.Detector, sets []heldOutSet) (float64, error) {
	cfg, detections := detector.Config(), make([][][]detect.Detection, len(sets))
	for i, set := range sets {
		var err error
		if detections[i], err = set.read(ctx, detector); err != nil {
			return 0, err
		}
	}
	best, most := 0.0, -1.0
	for percent := 10; percent <= 90; percent += 5 {
		cfg.Threshold = float64(percent) / 100
		agreed := 0.0
		for i, set := range sets {
			agreed += detectionMeasures(set.pictures, listed(cfg, detections[i]))["verdicts"]
		}
		nearer := math.Abs(cfg.Threshold-0.5) < math.Abs(best-0.5)
		if agreed > most || (agreed == most && nearer) {
			best, most = cfg.Threshold, agreed
		}
	}
	return best, nil
}
