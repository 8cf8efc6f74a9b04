package tuning

import (
	"context"
	"fmt"
	"math/rand/v2"
	gometrics "runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/nn"
)

// Plan is what training a corrector on a given model takes.
type Plan struct {
	Trained int   // numbers that are trained
	Mapped  int64 // bytes of weights that stay in their files, each read several times per step
	// Allocated is the memory in bytes at the peak of a step: one block with its gradient, what
	// every block hands to the next, small weights, the LoRA with its gradients, averages and
	// optimizer state, and the garbage that GOGC allows. 0 on a backend that does not say.
	Allocated int64
	Free      int64 // bytes
	// Blocks and Step are measured by a dry run: the seconds of every kind of block, forward and
	// backward, and those of a step by them.
	Blocks []BlockTime
	Step   time.Duration
}

// BlockTime is how long a kind of block takes.
type BlockTime struct {
	Kind              string
	Count             int
	Forward, Backward time.Duration
	Memory            int64 // bytes of the block with its gradient
}

// String describes the plan in a line, and the blocks in one each.
func (p Plan) String() string {
	const gb = 1e9
	var b strings.Builder
	fmt.Fprintf(&b, "%d numbers are trained; the base has %.1f GB, which stay in the files; ", p.Trained, float64(p.Mapped)/gb)
	if p.Allocated == 0 {
		b.WriteString("this backend does not say what memory a step takes")
	} else {
		fmt.Fprintf(&b, "a step takes %.1f GB of memory beside them, and %.1f GB are free", float64(p.Allocated)/gb, float64(p.Free)/gb)
	}
	for _, t := range p.Blocks {
		fmt.Fprintf(&b, "\n%d × %s block: forward %.1f s, again with gradient %.1f s, %.2f GB", t.Count, t.Kind, t.Forward.Seconds(), t.Backward.Seconds(), float64(t.Memory)/gb)
	}
	if p.Step > 0 {
		fmt.Fprintf(&b, "\na gradient takes about %s, beside texts and images", p.Step.Round(time.Second/10))
	}
	return b.String()
}

// announce reports the plan, and what does not fit into memory as an error wrapping
// [reflectionflow.ErrInvalid].
func (g *givenRun) announce(p *pieced, opts StageOptions) error {
	plan := g.plan(p)
	if opts.Planned != nil {
		opts.Planned(plan)
	}
	return plan.check()
}

func (p Plan) check() error {
	if p.Allocated <= p.Free {
		return nil
	}
	return fmt.Errorf("%w: a training step takes %.1f GB of memory beside the weights, and %.1f GB are free: lower size, batch or rank in the recipe", reflectionflow.ErrInvalid, float64(p.Allocated)/1e9, float64(p.Free)/1e9)
}

func (g *givenRun) plan(p *pieced) Plan {
	store, c := g.denoising.store, g.c.Train.withDefaults()
	plan := Plan{Free: cpu.FreeMemory()}
	for _, name := range p.trainable {
		n := 1
		for _, d := range store.Dims(name) {
			n *= d
		}
		plan.Trained += n
	}
	mapped, small := store.Bytes("")
	plan.Mapped = int64(mapped)
	if bytes, ok := p.memory(); ok {
		// Weights and averages, two moments of the optimizer and Prodigy's start, gradients, and
		// the update's results.
		copies := 2 + 2 + c.Accumulate + 4
		if c.Optimizer == "prodigy" {
			copies += 2
		}
		plan.Allocated = withGarbage(int64(bytes + small + 4*copies*plan.Trained))
	}
	return plan
}

// withGarbage adds what the garbage collector lets accumulate before it frees it.
func withGarbage(live int64) int64 {
	s := []gometrics.Sample{{Name: "/gc/gogc:percent"}}
	gometrics.Read(s)
	if percent := s[0].Value.Uint64(); percent <= 100 { // it is off, or bounded by GOMEMLIMIT, otherwise
		live += live / 100 * int64(percent) //nolint:gosec // at most 100
	}
	return live
}

// dry measures a block of every kind on random inputs, and reports the plan.
func (g *givenRun) dry(ctx context.Context, opts StageOptions) error {
	p, err := g.compile()
	if err != nil {
		return err
	}
	defer p.Close()
	plan := g.plan(p)
	if err := plan.check(); err != nil {
		return err
	}
	if plan.Blocks, err = p.measure(ctx); err != nil {
		return err
	}
	for _, t := range plan.Blocks {
		plan.Step += time.Duration(t.Count) * (t.Forward + t.Backward)
	}
	if opts.Planned != nil {
		opts.Planned(plan)
	}
	return nil
}

// measure times the last piece of every kind, whose gradient is whole, on random inputs.
func (p *pieced) measure(ctx context.Context) ([]BlockTime, error) {
	var kinds []BlockTime
	at := map[string]int{}
	for _, piece := range p.pieces {
		if piece.kind == "" {
			continue
		}
		i, seen := at[piece.kind]
		if !seen {
			i = len(kinds)
			at[piece.kind] = i
			kinds = append(kinds, BlockTime{Kind: piece.kind})
		}
		kinds[i].Count++
	}
	for i := range kinds {
		for _, piece := range slices.Backward(p.pieces) {
			if piece.kind != kinds[i].Kind || piece.backward == nil {
				continue
			}
			var err error
			kinds[i].Memory = int64(max(piece.forward.Memory(), piece.backward.Memory()))
			if kinds[i].Forward, err = timeOf(ctx, piece.forward); err != nil {
				return nil, err
			}
			if kinds[i].Backward, err = timeOf(ctx, piece.backward); err != nil {
				return nil, err
			}
			break
		}
	}
	return kinds, nil
}

// timeOf runs a program on random inputs.
func timeOf(ctx context.Context, program *nn.Program) (time.Duration, error) {
	var inputs []*tensors.Tensor
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range program.Inputs() {
		if s.DType != dtypes.Float32 {
			return 0, fmt.Errorf("an input is %s", s)
		}
		inputs = append(inputs, normal(rng, s.Dimensions...))
	}
	begun := time.Now()
	var all pool
	out, err := all.run(ctx, program, inputs)
	took := time.Since(begun)
	all.release(out...)
	return took, err
}
