package assemble

import (
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

func chatVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.Chat,
			Summary:  "a vision-language model that judges each requirement",
			Findings: "every kind",
			Keys:     []string{"endpoint", "prompt", "temperature", "seed", "calibration"},
		},
		build: func(b *Builder, name string, v config.Verifier) (MakeVerifier, error) {
			at := "verifiers." + name
			client, prompt, err := b.ask(at, v.Endpoint, v.Prompt)
			if err != nil {
				return nil, err
			}
			made, err := verifier.NewChat(client, verifier.ChatOptions{Prompt: prompt, Temperature: v.Temperature, Seed: v.Seed})
			if err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return ready(made), nil
		},
	}
}
