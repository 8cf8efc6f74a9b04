package assemble

import (
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

func yesNoVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.YesNo,
			Summary:  `a vision-language model, by its probability of the answer "yes"`,
			Findings: "every kind with `per_requirement: true`, else none",
			Keys:     []string{"endpoint", "prompt", "wording", "per_requirement", "met", "not_met", "calibration"},
		},
		build: func(b *Builder, name string, v config.Verifier) (MakeVerifier, error) {
			at := "verifiers." + name
			client, prompt, err := b.ask(at, v.Endpoint, v.Prompt)
			if err != nil {
				return nil, err
			}
			made, err := verifier.NewYesNo(client, verifier.YesNoOptions{
				Wording: v.Wording, Prompt: prompt, PerRequirement: v.PerRequirement, Met: v.Met, NotMet: v.NotMet,
			})
			if err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return ready(made), nil
		},
	}
}
