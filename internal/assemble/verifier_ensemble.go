package assemble

import (
	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

func ensembleVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.Ensemble, Summary: "several verifiers combined: mean, rank, tournament or reliability",
			Findings: "those of its members", Keys: []string{"method", "members"},
		},
		build: (*Builder).ensemble,
	}
}

// ensemble builds an ensemble. Its mean is over calibrated values; rank and tournament
// use the members' raw values and the reference values of their calibrations, reliability
// their raw findings and their calibrations by kind.
func (b *Builder) ensemble(name string, v config.Verifier) (MakeVerifier, error) {
	at := "verifiers." + name
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
			members[i].Reference, members[i].Calibration = calibration.Reference, calibration
		}
		members[i].Verifier = absent{} // replaced when the embedded one is loaded
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

// absent is a verifier that is not loaded: it declares its abilities.
type absent struct {
	reflectionflow.Verifier
	abilities reflectionflow.Abilities
}

// Abilities implements [reflectionflow.DeclaringVerifier].
func (a absent) Abilities() reflectionflow.Abilities { return a.abilities }
