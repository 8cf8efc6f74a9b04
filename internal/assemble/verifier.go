package assemble

import (
	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

// MakeVerifier makes a verifier once the embedded one is there, which is nil where
// nothing embedded is in use.
type MakeVerifier func(embedded reflectionflow.Verifier) (reflectionflow.Verifier, error)

// verifier builds a verifier, calibrated where it has a calibration.
func (b *Builder) verifier(name string) (func(reflectionflow.Verifier) (reflectionflow.Verifier, error), error) {
	if b.config.Verifiers[name].Type == config.Ensemble {
		return b.ensemble(name)
	}
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

// single builds a verifier that is no ensemble, and reads its calibration, nil where
// it has none.
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
	made, err := b.RawVerifier(name)
	return made, calibration, err
}

// RawVerifier builds a verifier that is no ensemble, without its calibration.
func (b *Builder) RawVerifier(name string) (MakeVerifier, error) {
	v := b.config.Verifiers[name]
	if name == config.Embedded || v.Type == config.Embedded {
		return func(embedded reflectionflow.Verifier) (reflectionflow.Verifier, error) { return embedded, nil }, nil
	}
	made, err := b.asking("verifiers."+name, v)
	if err != nil {
		return nil, err
	}
	return func(reflectionflow.Verifier) (reflectionflow.Verifier, error) { return made, nil }, nil
}

// asking builds a verifier that asks a language model.
func (b *Builder) asking(at string, v config.Verifier) (made reflectionflow.Verifier, err error) {
	client, prompt, err := b.ask(at, v.Endpoint, v.Prompt)
	if err != nil {
		return nil, err
	}
	if v.Type == config.YesNo {
		made, err = verifier.NewYesNo(client, verifier.YesNoOptions{
			Wording: v.Wording, Prompt: prompt, PerRequirement: v.PerRequirement, Met: v.Met, NotMet: v.NotMet,
		})
	} else {
		made, err = verifier.NewChat(client, verifier.ChatOptions{Prompt: prompt, Temperature: v.Temperature, Seed: v.Seed})
	}
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	return made, nil
}

// ensemble builds an ensemble. Its mean is of calibrated values; ranks and
// tournaments go by the members' own values and the reference values of their
// calibrations.
func (b *Builder) ensemble(name string) (MakeVerifier, error) {
	v, at := b.config.Verifiers[name], "verifiers."+name
	method := verifier.Method(v.Method)
	if method == "" {
		method = verifier.Mean
	}
	members, makers := make([]verifier.Member, len(v.Members)), make([]MakeVerifier, len(v.Members))
	for i, m := range v.Members {
		members[i] = verifier.Member{Name: m.Verifier, Weight: m.Weight}
		var calibration *verifier.Calibration
		var err error
		if method == verifier.Mean {
			makers[i], err = b.verifier(m.Verifier)
		} else {
			makers[i], calibration, err = b.single(m.Verifier)
		}
		if err != nil {
			return nil, err
		}
		if calibration != nil {
			members[i].Reference = calibration.Reference
		}
		members[i].Verifier = absent{} // until the embedded one is there
	}
	if _, err := verifier.NewEnsemble(method, members); err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	return func(embedded reflectionflow.Verifier) (reflectionflow.Verifier, error) {
		for i, maker := range makers {
			var err error
			if members[i].Verifier, err = maker(embedded); err != nil {
				return nil, err
			}
		}
		return verifier.NewEnsemble(method, members)
	}, nil
}

// absent takes the place of a verifier while an ensemble's settings are checked.
type absent struct{ reflectionflow.Verifier }
