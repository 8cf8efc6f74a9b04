package assemble

import (
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

// MakeVerifier returns a verifier, given the embedded one, which is nil where nothing
// embedded is in use.
type MakeVerifier func(embedded reflectionflow.Verifier) (reflectionflow.Verifier, error)

// ready makes a verifier that needs nothing embedded.
func ready(v reflectionflow.Verifier) MakeVerifier {
	return func(reflectionflow.Verifier) (reflectionflow.Verifier, error) { return v, nil }
}

// verifierTypes lists the types of verifiers.
func verifierTypes() []partType[config.Verifier, MakeVerifier] {
	embedded := embeddedType[config.Verifier, MakeVerifier](config.Verifiers, "a detector and a reward network")
	embedded.Findings, embedded.Keys = "at_least, exactly, absent, position", []string{"calibration"}
	embedded.build = func(*Builder, string, config.Verifier) (MakeVerifier, error) { return embeddedVerifier, nil }
	return []partType[config.Verifier, MakeVerifier]{
		chatVerifier(), yesNoVerifier(), ensembleVerifier(), cocoVerifier(), owlv2Verifier(), clipVerifier(config.CLIP), clipVerifier(config.SigLIP), rewardVerifier(), fleetVerifier(), embedded,
	}
}

func embeddedVerifier(embedded reflectionflow.Verifier) (reflectionflow.Verifier, error) {
	return embedded, nil
}

// verifier builds a verifier, with its calibration if it has one.
func (b *Builder) verifier(name string) (MakeVerifier, error) {
	raw, calibration, err := b.single(name)
	if err != nil || calibration == nil {
		return raw, err
	}
	return func(embedded reflectionflow.Verifier) (reflectionflow.Verifier, error) {
		v, err := raw(embedded)
		if err != nil {
			return nil, err
		}
		return verifier.Calibrated(v, *calibration), nil
	}, nil
}

// single builds a verifier without its calibration, and reads the calibration, nil where
// there is none.
func (b *Builder) single(name string) (MakeVerifier, *verifier.Calibration, error) {
	v, at := b.config.Verifiers[name], "verifiers."+name
	var calibration *verifier.Calibration
	if v.Calibration != "" {
		c, err := readCalibration(v.Calibration)
		if err != nil {
			return nil, nil, b.config.Errorf(at+".calibration", "%v", err)
		}
		calibration = &c
	}
	if calibration != nil && calibration.Thresholds != nil {
		v = withThresholds(v, *calibration.Thresholds)
	}
	made, err := b.raw(name, v)
	return made, calibration, err
}

// withThresholds are settings with the fitted thresholds that they do not set.
func withThresholds(v config.Verifier, t verifier.Thresholds) config.Verifier {
	if v.Threshold == 0 && v.Slope == 0 {
		v.Threshold, v.Slope = t.Threshold, t.Slope
	}
	if v.Met == 0 && v.NotMet == 0 {
		v.Met, v.NotMet = t.Met, t.NotMet
	}
	return v
}

// RawVerifier builds a verifier without its calibration, and with the thresholds that the
// configuration sets.
func (b *Builder) RawVerifier(name string) (MakeVerifier, error) {
	return b.raw(name, b.config.Verifiers[name])
}

func (b *Builder) raw(name string, v config.Verifier) (MakeVerifier, error) {
	if name == config.Embedded {
		return embeddedVerifier, nil
	}
	return build(b, verifierTypes(), name, v.Type, v)
}

func readCalibration(path string) (verifier.Calibration, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return verifier.Calibration{}, err
	}
	defer f.Close()
	return verifier.ReadCalibration(f)
}
