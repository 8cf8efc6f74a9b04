package flux1

import (
	"fmt"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
)

func TestT5AgreesWithTransformers(t *testing.T) {
	f := fluxtest.OpenFixture(t, "t5")
	var cfg T5Config
	f.Config(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	got := f.Run(func(s nn.Scope, in []*Node) []*Node { return []*Node{T5Encode(s, cfg, in[0])} }, f.IDs("ids"))
	fluxtest.Compare(t, "hidden", got[0], f.Output("hidden"))
}

func TestT5BucketsAgreeWithTransformers(t *testing.T) {
	f := fluxtest.OpenFixture(t, "t5_buckets")
	distances, err := f.File.Int64("input.distances")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]int{{32, 128}, {8, 12}, {16, 64}, {64, 1000}} {
		want, err := f.File.Int64(fmt.Sprintf("output.%d_%d", c[0], c[1]))
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range distances {
			if got := t5Bucket(int(d), c[0], c[1]); int64(got) != want[i] {
				t.Errorf("%d buckets to %d: distance %d is in %d, want %d", c[0], c[1], d, got, want[i])
			}
		}
	}
}
