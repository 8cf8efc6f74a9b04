package assemble

import (
	"testing"

	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

// Fitted thresholds are used where the configuration sets none.
func TestFittedThresholds(t *testing.T) {
	fitted := verifier.Thresholds{Threshold: .1, Slope: 2, Met: .7, NotMet: .3}
	if v := withThresholds(config.Verifier{}, fitted); v.Threshold != .1 || v.Slope != 2 || v.Met != .7 || v.NotMet != .3 {
		t.Errorf("%+v", v)
	}
	if v := withThresholds(config.Verifier{Threshold: .4, Met: .9}, fitted); v.Threshold != .4 || v.Slope != 0 || v.Met != .9 || v.NotMet != 0 {
		t.Errorf("the configuration's are replaced: %+v", v)
	}
}
