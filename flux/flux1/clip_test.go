package flux1

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
)

func TestCLIPAgreesWithTransformers(t *testing.T) {
	for _, name := range []string{"clip_legacy", "clip_eos"} {
		t.Run(name, func(t *testing.T) {
			f := fluxtest.OpenFixture(t, name)
			var cfg CLIPConfig
			f.Config(&cfg)
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			got := f.Run(func(s nn.Scope, in []*Node) []*Node { return []*Node{CLIPPooled(s, cfg, in[0])} }, f.IDs("ids"))
			fluxtest.Compare(t, "pooled", got[0], f.Output("pooled"))
		})
	}
}
