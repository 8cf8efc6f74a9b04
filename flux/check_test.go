package flux_test

import (
	"fmt"
	"slices"
	"testing"

	"reflectionflow/flux"
)

// A report has every problem; those of equal tensors of blocks are one line.
func TestReportNamesAllProblems(t *testing.T) {
	var problems flux.Problems
	missing := func(tensor, want string) {
		problems = append(problems, flux.Problem{Component: "transformer", Kind: flux.MissingTensor, Tensor: tensor, Want: want})
	}
	for i := range 19 {
		missing(fmt.Sprintf("transformer_blocks.%d.attn.to_q.weight", i), "[3072 3072] BF16")
		if i != 3 && i != 7 {
			missing(fmt.Sprintf("transformer_blocks.%d.attn.to_q.bias", i), "[3072] BF16")
		}
	}
	missing("x_embedder.weight", "[3072 64] BF16")
	missing("up_blocks.2.resnets.1.conv.weight", "[8 8 3 3] F32")
	missing("blocks.01.weight", "[1] F32")
	problems = append(problems,
		flux.Problem{Component: "vae", Kind: flux.WrongShape, Tensor: "a.0.b", Have: "[1]", Want: "[2]"},
		flux.Problem{Component: "vae", Kind: flux.WrongShape, Tensor: "a.1.b", Have: "[3]", Want: "[2]"},
		flux.Problem{Component: "vae", Kind: flux.UnexpectedTensor, Tensor: "a.4.b"},
		flux.Problem{Component: "vae", Kind: flux.UnexpectedTensor, Tensor: "a.6.b"})
	want := []string{
		`transformer: tensor "transformer_blocks.{0..18}.attn.to_q.weight" is missing: [3072 3072] BF16`,
		`transformer: tensor "transformer_blocks.{0..2,4..6,8..18}.attn.to_q.bias" is missing: [3072] BF16`,
		`transformer: tensor "x_embedder.weight" is missing: [3072 64] BF16`,
		`transformer: tensor "up_blocks.2.resnets.1.conv.weight" is missing: [8 8 3 3] F32`,
		`transformer: tensor "blocks.01.weight" is missing: [1] F32`,
		`vae: tensor "a.0.b" has shape [1], the model needs [2]`,
		`vae: tensor "a.1.b" has shape [3], the model needs [2]`,
		`vae: tensor "a.{4,6}.b" is unexpected`,
	}
	if got := problems.Report(); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
