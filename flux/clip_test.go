package flux

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"reflectionflow/nn"
)

func TestCLIPAgreesWithTransformers(t *testing.T) {
	for _, name := range []string{"clip_legacy", "clip_eos"} {
		t.Run(name, func(t *testing.T) {
			f := openFixture(t, name)
			var cfg CLIPConfig
			f.config(&cfg)
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			got := f.run(func(s nn.Scope, in []*Node) []*Node { return []*Node{CLIPPooled(s, cfg, in[0])} }, f.ids("ids"))
			compare(t, "pooled", got[0], f.output("pooled"))
		})
	}
}
