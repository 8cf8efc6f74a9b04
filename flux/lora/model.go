package lora

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
)

// adapted is a model with LoRAs.
type adapted struct {
	flux.Model
	adapters *Adapters
}

// Adapt returns the model with LoRAs on its text encoders and its denoiser. A corrector of the model acts beside them.
// Errors are those of [Load]; the store is that of the model.
func Adapt(model flux.Model, networks []Network, files []File) (flux.Model, error) {
	adapters, err := Load(model.Spec().Store, "lora", networks, files)
	if err != nil {
		return nil, err
	}
	return adapted{model, adapters}, nil
}

// Embed implements [flux.TextEncoder].
func (m adapted) Embed(s nn.Scope, tokens []*Node) []*Node {
	return m.Model.Embed(s.WithAdapter(m.adapters.Adapter(s)), tokens)
}

// Velocity implements [flux.Denoiser].
func (m adapted) Velocity(s nn.Scope, in flux.Inputs) *Node {
	return m.Model.Velocity(s.WithAdapter(m.adapters.Adapter(s)), in)
}

// Texts implements [flux.TextEncoder].
func (m adapted) Texts(r reflectionflow.Request) (flux.Texts, error) {
	texts, err := m.Model.Texts(r)
	texts.Warnings = append(texts.Warnings, m.adapters.warnings...)
	return texts, err
}
