package bench

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// Layouts of a product's operands, in the terms of BLAS: n plain, t transposed.
const (
	plainLayout  = "nn" // [M, K]·[K, N]
	weightLayout = "nt" // [M, K]·[N, K]ᵀ, the layout of weights in PyTorch and here
	gradLayout   = "tn" // [K, M]ᵀ·[K, N], the gradient of weights
)

// Product is B matrix products [M, K] by [K, N].
type Product struct {
	Name    string `json:"name"`
	Batch   int    `json:"batch"`
	M       int    `json:"m"`
	N       int    `json:"n"`
	K       int    `json:"k"`
	Layout  string `json:"layout"`  // nn, nt or tn
	Weights string `json:"weights"` // of the second operand: f32 or bf16; all else is f32
}

// flop is the work of one execution.
func (p Product) flop() float64 {
	return 2 * float64(p.Batch) * float64(p.M) * float64(p.N) * float64(p.K)
}

// Matmul is the speed of a product on both backends.
type Matmul struct {
	Product
	CPU   float64 `json:"cpu_gflops"`
	Go    float64 `json:"go_gflops"`
	Ratio Spread  `json:"ratio"` // cpu's speed divided by go's
}

// cubes returns products of square matrices.
func cubes(sizes ...int) []Product {
	var products []Product
	for _, n := range sizes {
		name := fmt.Sprintf("%d³", n)
		products = append(products,
			Product{name, 1, n, n, n, plainLayout, "f32"},
			Product{name + ", x·Wᵀ", 1, n, n, n, weightLayout, "f32"},
			Product{name + ", x·Wᵀ", 1, n, n, n, weightLayout, "bf16"})
	}
	return products
}

// modelProducts returns products of the model's denoising and training steps.
func modelProducts(m *flux1.Model, batch int) []Product {
	p, s := m.Folder.Transformer, m.Settings
	unit := 2 * m.Folder.VAE.Factor()
	length := s.TextLength + s.Width/unit*s.Height/unit
	hidden, heads, width := p.Hidden(), p.NumAttentionHeads, p.AttentionHeadDim
	return []Product{
		{"step: projection", 1, 2 * length, hidden, hidden, weightLayout, "f32"},
		{"step: MLP", 1, 2 * length, 4 * hidden, hidden, weightLayout, "f32"},
		{"step: MLP", 1, 2 * length, 4 * hidden, hidden, weightLayout, "bf16"},
		{"training: projection", 1, batch * length, hidden, hidden, weightLayout, "f32"},
		{"training: MLP", 1, batch * length, 4 * hidden, hidden, weightLayout, "f32"},
		{"training: weight gradient", 1, 4 * hidden, hidden, batch * length, gradLayout, "f32"},
		{"attention: Q·Kᵀ", batch * heads, length, length, width, weightLayout, "f32"},
		{"attention: P·V", batch * heads, length, width, length, plainLayout, "f32"},
	}
}

// Open compiles the product on a backend and gives it random inputs.
func (p Product) Open(b compute.Backend) (Job, error) {
	x, y, xAxis, yAxis := []int{p.M, p.K}, []int{p.K, p.N}, 1, 0
	switch p.Layout {
	case weightLayout:
		y, yAxis = []int{p.N, p.K}, 1
	case gradLayout:
		x, xAxis = []int{p.K, p.M}, 0
	}
	dtype := dtypes.Float32
	if p.Weights == "bf16" {
		dtype = dtypes.BFloat16
	}
	given := []shapes.Shape{shapes.Make(dtypes.Float32, append([]int{p.Batch}, x...)...), shapes.Make(dtype, append([]int{p.Batch}, y...)...)}
	program, err := nn.Compile(b, nn.NewStore(), given, func(_ nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		weights := graph.ConvertDType(in[1], dtypes.Float32)
		return []*graph.Node{graph.DotGeneral(in[0], []int{1 + xAxis}, []int{0}, weights, []int{1 + yAxis}, []int{0})}, nil
	}, nn.Options{Name: p.Name})
	return programJob(program, err)
}

// matmul measures a product on both backends.
func matmul(ctx context.Context, p Product, long pace, cpu, oracle compute.Backend) (Matmul, error) {
	var jobs []contestant
	for _, b := range []compute.Backend{cpu, oracle} {
		j, err := p.Open(b)
		if err != nil {
			return Matmul{}, err
		}
		defer j.Close()
		jobs = append(jobs, j.Run)
	}
	seconds, err := compete(ctx, long, jobs...)
	if err != nil {
		return Matmul{}, err
	}
	return Matmul{
		Product: p,
		CPU:     round(p.flop() / spread(seconds[0]).Median / 1e9),
		Go:      round(p.flop() / spread(seconds[1]).Median / 1e9),
		Ratio:   spread(quotients(seconds[1], seconds[0])).rounded(),
	}, nil
}
