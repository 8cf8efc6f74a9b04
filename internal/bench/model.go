package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// ModelOptions select a model whose parts are measured.
type ModelOptions struct {
	Backend   *cpu.Backend
	Precision string     // of Backend
	Model     flux.Model // with its weights; nil for the shapes of Name with random weights
	Name      string     // of the model; one of [Shapes] if Model is nil
	// Weights is the type of random weights: bf16, q8_0 or q4_k; "" and random are bf16.
	Weights string
	Quick   bool // one execution of everything
	Notify  func(what string, done float64)
}

// ModelReport says where the time of a model goes. Its JSON keys are documented in
// docs/reference/bench-engine.md.
type ModelReport struct {
	Model     string  `json:"model"`
	Backend   string  `json:"backend"`
	Precision string  `json:"precision"` // of products
	Weights   string  `json:"weights"`   // as stored; "its own" for a model with weights
	Size      int     `json:"size"`      // of the image, in pixels; the text has as many tokens as the model reads
	Machine   Machine `json:"machine"`
	// Scaled tells that one block of each kind was measured, with random weights, and counts
	// as often as the model has such blocks.
	Scaled bool        `json:"scaled"`
	Parts  []ModelPart `json:"parts"`
	// Step, Text and Decode are seconds of a denoising step, of encoding a text and of decoding an
	// image.
	Step   float64 `json:"step_seconds"`
	Text   float64 `json:"text_seconds"`
	Decode float64 `json:"decode_seconds"`
}

// ModelPart is a part of a model that is measured alone.
type ModelPart struct {
	Name    string  `json:"name"`
	Count   int     `json:"count"`   // how many the model has
	Seconds Spread  `json:"seconds"` // of one
	FLOP    float64 `json:"flop"`    // of one
	GFLOPS  float64 `json:"gflops"`
	Share   float64 `json:"share_of_peak"` // of the machine's fastest product at this precision
	Bytes   int     `json:"weight_bytes"`  // of one, as stored
	// Bound is what bounds it from below: "arithmetic", or "memory" where reading the weights
	// takes longer than the products at the peak.
	Bound string `json:"bound"`
	// Kernels are the shares of its time by kernel: see [kernelOf].
	Kernels map[string]float64 `json:"kernels"`
}

// modelSize is the side of the measured image.
const modelSize = 512

// part is what is measured: a graph on random inputs.
type part struct {
	name   string
	count  int
	total  *float64 // where its time counts
	inputs []shapes.Shape
	build  nn.Func
}

// modelSession is one measurement of a model.
type modelSession struct {
	ModelOptions
	effort
	kind   gguf.Type
	oracle compute.Backend
	report ModelReport
	done   int
}

// RunModel measures a model's parts, which takes about a minute. It ends early with ctx's error. The machine should be
// otherwise idle.
func RunModel(ctx context.Context, opts ModelOptions) (ModelReport, error) {
	s := &modelSession{ModelOptions: opts, effort: full}
	s.workload = pace{turn: 200 * time.Millisecond, budget: 4 * time.Second, least: 3, most: 9}
	if opts.Quick {
		s.effort = quick
	}
	var err error
	if s.oracle, err = gobackend.New("ops_sequential"); err != nil {
		return ModelReport{}, err
	}
	defer s.oracle.Finalize()
	s.report = ModelReport{Model: opts.Name, Backend: opts.Backend.Description(), Precision: opts.Precision, Weights: "its own", Size: modelSize, Machine: describe()}
	model, counts := opts.Model, map[string]int(nil)
	var texts []part
	if model == nil {
		shape, err := shapeNamed(opts.Name)
		if err != nil {
			return ModelReport{}, err
		}
		if s.kind, err = weightsNamed(opts.Weights); err != nil {
			return ModelReport{}, err
		}
		s.report.Weights, s.report.Scaled = s.kind.String(), true
		model, counts, texts = shape.model, shape.counts, shape.texts(&s.report.Text)
	} else if texts, err = embedder(model, &s.report.Text); err != nil {
		return ModelReport{}, err
	}
	s.notify("the machine")
	if err := s.machine(ctx); err != nil {
		return ModelReport{}, fmt.Errorf("measure the machine: %w", err)
	}
	if err := s.step(ctx, model, counts); err != nil {
		return ModelReport{}, err
	}
	spec := model.Spec()
	grid := flux.Grid{Rows: modelSize / spec.Unit, Cols: modelSize / spec.Unit}
	decode := part{"decoder", 1, &s.report.Decode, []shapes.Shape{floats(1, grid.Tokens(), spec.Channels)}, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{model.Decode(s, flux.Packed{Tokens: in[0], Grid: grid})}, nil
	}}
	for _, p := range append(texts, decode) {
		if _, err := s.measure(ctx, spec.Store, p); err != nil {
			return ModelReport{}, err
		}
	}
	return s.report, nil
}

// weightsNamed returns the type of random weights.
func weightsNamed(name string) (gguf.Type, error) {
	switch name {
	case "", "random", "bf16":
		return gguf.BF16, nil
	case "q8_0":
		return gguf.Q8_0, nil
	case "q4_k":
		return gguf.Q4K, nil
	}
	return 0, fmt.Errorf("%w: weights %q: use random, bf16, q8_0 or q4_k", reflectionflow.ErrInvalid, name)
}

// AutoPrecision is [nn.AutoPrecision] for random weights of a name.
func AutoPrecision(backend, name string) (precision string, err error) {
	kind, err := weightsNamed(name)
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp("", "bench-engine-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "weights.gguf")
	if err := gguftest.Write(path, []gguftest.Tensor{{Name: "w", Type: kind, Shape: []int{1, 256}}}, 1); err != nil {
		return "", err
	}
	file, err := weights.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stored, err := weights.Find(file, "w")
	if err != nil {
		return "", err
	}
	return nn.AutoPrecision(backend, stored), nil
}

func floats(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }

// machine measures bandwidth and the fastest product at the backend's precision.
func (s *modelSession) machine(ctx context.Context) error {
	m := &s.report.Machine
	if err := m.bandwidth(ctx, s.buffer, s.tries); err != nil {
		return err
	}
	for _, p := range []Product{
		{"1024³, x·Wᵀ", 1, 1024, 1024, 1024, weightLayout, "bf16"},
		{"1536×3072×3072, x·Wᵀ", 1, 1536, 3072, 3072, weightLayout, "bf16"},
	} {
		j, err := p.Open(s.Backend)
		if err != nil {
			return err
		}
		seconds, err := compete(ctx, s.matmul, j.Run)
		j.Close()
		if err != nil {
			return err
		}
		if speed := round(p.flop() / spread(seconds[0]).Min / 1e9); speed > m.MatmulPeak {
			m.MatmulPeak, m.MatmulPeakOf = speed, p.Name
		}
	}
	return nil
}

// pieced is a model whose transformer comes in pieces.
type pieced interface{ Pieces() flux.Pieces }

// step measures the pieces of a denoising step: every kind of block once. counts says how many there are, if the model has
// fewer.
func (s *modelSession) step(ctx context.Context, model flux.Model, counts map[string]int) error {
	of, ok := model.(pieced)
	if !ok {
		return errors.New("the model does not come in pieces")
	}
	pieces, spec := of.Pieces(), model.Spec()
	if counts == nil {
		counts = map[string]int{}
		for _, piece := range pieces.List {
			counts[piece.Kind]++
		}
	}
	grid := flux.Grid{Rows: modelSize / spec.Unit, Cols: modelSize / spec.Unit}
	given := []shapes.Shape{floats(1, grid.Tokens(), spec.Channels), floats(1), floats(1)}
	for _, dims := range spec.Embedding {
		given = append(given, floats(append([]int{1}, dims...)...))
	}
	inputs := func(in []*graph.Node) flux.Inputs {
		return flux.Inputs{Image: flux.Packed{Tokens: in[0], Grid: grid}, Sigma: in[1], Guidance: in[2], Embedding: in[3:len(given)]}
	}
	ends := part{"noise level", 1, &s.report.Step, given, func(sc nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return pieces.Shared(sc, inputs(in)), nil
	}}
	shared, err := s.measure(ctx, spec.Store, ends)
	if err != nil {
		return err
	}
	names := []string{"embedders", "join", "last layer"}
	measured, state := map[string][]shapes.Shape{}, []shapes.Shape(nil)
	for _, piece := range pieces.List {
		if out, found := measured[piece.Kind]; found && piece.Kind != "" {
			state = out
			continue
		}
		p := part{piece.Kind + " block", counts[piece.Kind], &s.report.Step, slices.Concat(given, shared, state), func(sc nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			rest := in[len(given):]
			return piece.Run(sc, inputs(in[:len(given)]), rest[:len(shared)], rest[len(shared):]), nil
		}}
		if piece.Kind == "" {
			p.name, p.count, names = names[0], 1, names[1:]
		}
		if state, err = s.measure(ctx, spec.Store, p); err != nil {
			return err
		}
		measured[piece.Kind] = state
	}
	return nil
}

// measure measures a part and returns the shapes of its outputs. Without a store its weights are random.
func (s *modelSession) measure(ctx context.Context, store *nn.Store, p part) (out []shapes.Shape, err error) {
	s.notify(p.name)
	variables, err := nn.Variables(p.inputs, p.build)
	if err != nil {
		return nil, err
	}
	if s.Model == nil {
		random, free, err := s.random(variables)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, free()) }()
		store = random
	}
	program, err := nn.Compile(s.Backend, store, p.inputs, p.build, nn.Options{Name: p.name})
	if err != nil {
		return nil, err
	}
	defer program.Close()
	if len(variables) == 0 { // a view
		return program.Outputs(), nil
	}
	counting := &counter{Backend: s.oracle}
	counted, err := nn.Compile(counting, store, p.inputs, p.build, nn.Options{Name: p.name})
	if err != nil {
		return nil, err
	}
	counted.Close()
	row := ModelPart{Name: p.name, Count: p.count, FLOP: counting.flop}
	for _, v := range variables {
		mapped, allocated := store.Bytes(v.Name)
		row.Bytes += mapped + allocated
	}
	if err := s.time(ctx, program, &row); err != nil {
		return nil, fmt.Errorf("measure %s: %w", p.name, err)
	}
	*p.total = round(*p.total + float64(p.count)*row.Seconds.Median)
	s.report.Parts = append(s.report.Parts, row)
	return program.Outputs(), nil
}

// time measures a compiled part on random inputs.
func (s *modelSession) time(ctx context.Context, program *nn.Program, row *ModelPart) error {
	var inputs []*tensors.Tensor
	for i, shape := range program.Inputs() {
		inputs = append(inputs, modelInput(uint64(i), shape))
	}
	run := func() error {
		outputs, err := program.Run(inputs...)
		return free(outputs, err)
	}
	seconds, err := compete(ctx, s.workload, run)
	if err != nil {
		return err
	}
	row.Seconds = spread(seconds[0]).rounded()
	row.GFLOPS = round(row.FLOP / row.Seconds.Median / 1e9)
	row.Share = round(row.GFLOPS / s.report.Machine.MatmulPeak)
	row.Bound = "arithmetic"
	if float64(row.Bytes)/s.report.Machine.ReadRate > row.FLOP/s.report.Machine.MatmulPeak {
		row.Bound = "memory"
	}
	times, err := s.Backend.TimeSteps(run)
	row.Kernels = map[string]float64{}
	all := 0.0
	for name, d := range times {
		row.Kernels[kernelOf(name)] += d.Seconds()
		all += d.Seconds()
	}
	for name, t := range row.Kernels {
		row.Kernels[name] = round(t / all)
	}
	return err
}

// modelInput is random numbers, or ones for tokens and their number.
func modelInput(seed uint64, shape shapes.Shape) *tensors.Tensor {
	if shape.DType != dtypes.Int32 {
		return randomTensor(seed, shape)
	}
	values := make([]int32, shape.Size())
	for i := range values {
		values[i] = 1
	}
	return tensors.FromFlatDataAndDimensions(values, shape.Dimensions...)
}

// kernelOf returns the group of a kernel of package cpu.
func kernelOf(step string) string {
	switch step {
	case "DotGeneral", "DotGeneral+tape":
		return "products"
	case "ConvGeneral":
		return "convolutions"
	case "attention", "online attention":
		return "attention"
	case "tape":
		return "norms and elementwise"
	}
	return "copies and others"
}

// random writes random weights to a temporary file and opens it.
func (s *modelSession) random(variables []nn.Variable) (store *nn.Store, free func() error, err error) {
	store = nn.NewStore()
	if len(variables) == 0 {
		return store, func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "bench-engine-")
	if err != nil {
		return nil, nil, err
	}
	free = func() error { return os.RemoveAll(folder) }
	var list []gguftest.Tensor
	for _, v := range variables {
		t := gguftest.Tensor{Name: v.Name, Type: s.kind, Shape: v.Shape, Std: 0.02}
		elements, _ := s.kind.Block()
		switch {
		case len(v.Shape) == 1:
			t.Type, t.Data = gguf.F32, onesF32(v.Shape[0]) // scales and variances that keep numbers finite
		case len(v.Shape) > 2 || v.Shape[1]%elements != 0: // as in files of quantized weights
			t.Type = gguf.BF16
		}
		list = append(list, t)
	}
	path := filepath.Join(folder, "weights.gguf")
	if err := gguftest.Write(path, list, 1); err != nil {
		return nil, nil, errors.Join(err, free())
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, nil, errors.Join(err, free())
	}
	remove := free
	free = func() error { return errors.Join(file.Close(), remove()) }
	if err := store.AddSource("", file); err != nil {
		return nil, nil, errors.Join(err, free())
	}
	return store, free, nil
}

// onesF32 returns n ones in F32.
func onesF32(n int) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1)), n)
}

func (s *modelSession) notify(what string) {
	if s.Notify != nil {
		s.Notify(what, min(1, float64(s.done)/10))
	}
	s.done++
}

// Shapes returns the names of the models that can be measured with random weights.
func Shapes() []string { return slices.Sorted(maps.Keys(modelShapes)) }
