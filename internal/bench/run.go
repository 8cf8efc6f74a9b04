package bench

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"

	"reflectionflow/cpu"
	"reflectionflow/tuning"
)

// Options select what is measured.
type Options struct {
	Model  fs.FS         // the model's folder
	Recipe tuning.Recipe // how it is trained
	Quick  bool          // one round of everything, which takes seconds: a smoke test
	// Notify, if not nil, is called with the name of each part before it begins, and the
	// share of the run that is done.
	Notify func(what string, done float64)
}

// effort is the extent of the measurements.
type effort struct {
	matmul, workload, growth pace
	cubes                    []int
	batches                  []int // of forward and decode
	smallest                 int   // training's batch is halved down to it
	buffer, tries            int
	rounds                   int // of arithmetic
	profile                  time.Duration
}

var (
	full = effort{
		matmul:   pace{turn: 30 * time.Millisecond, budget: 700 * time.Millisecond, least: 3, most: 9},
		workload: pace{turn: 60 * time.Millisecond, budget: 9 * time.Second, least: 5, most: 21},
		growth:   pace{turn: 60 * time.Millisecond, budget: 4 * time.Second, least: 3, most: 7},
		cubes:    []int{256, 512, 1024, 2048}, batches: []int{1, 2, 4, 8}, smallest: 8,
		buffer: 256 << 20, tries: 5, rounds: 10_000_000, profile: 3 * time.Second,
	}
	quick = effort{
		matmul: pace{least: 1, most: 1}, workload: pace{least: 1, most: 1}, growth: pace{least: 1, most: 1},
		cubes: []int{256}, batches: []int{1, 2}, smallest: 1,
		buffer: 8 << 20, tries: 3, rounds: 1_000_000, profile: 50 * time.Millisecond,
	}
)

// session is one run.
type session struct {
	effort
	subject
	cpu, oracle compute.Backend
	report      Report
	notify      func(what string)
	peak        Product
}

// Run measures everything, which takes about two minutes. It ends early with
// ctx's error. The machine should be otherwise idle.
func Run(ctx context.Context, opts Options) (Report, error) {
	begin := time.Now()
	s, err := newSession(opts)
	if err != nil {
		return Report{}, err
	}
	defer s.cpu.Finalize()
	defer s.oracle.Finalize()
	if err := s.measureMachine(ctx); err != nil {
		return Report{}, fmt.Errorf("measure the machine: %w", err)
	}
	r := &s.report
	for _, part := range []struct {
		workload
		into         *Workload
		ratio, share *float64
	}{
		{s.forward(), &r.Forward, &r.Summary.ForwardRatio, &r.Summary.ForwardShare},
		{s.decode(), &r.Decode, &r.Summary.DecodeRatio, &r.Summary.DecodeShare},
		{s.trainAt(opts.Quick), &r.Train, &r.Summary.TrainRatio, &r.Summary.TrainShare},
	} {
		if *part.into, err = s.measure(ctx, part.workload); err != nil {
			return Report{}, fmt.Errorf("measure %s: %w", part.name, err)
		}
		*part.ratio, *part.share = part.into.Ratio.Median, part.into.CPU.ShareOfPeak.Median
	}
	r.Fallbacks = map[string]int64{}
	for op, n := range s.cpu.(*cpu.Backend).Fallbacks() {
		r.Fallbacks[op.String()] = n
	}
	r.Seconds = round(time.Since(begin).Seconds())
	return *r, nil
}

func newSession(opts Options) (*session, error) {
	s := &session{effort: full, subject: subject{opts.Model, opts.Recipe}, notify: func(string) {}}
	if opts.Quick {
		s.effort = quick
	}
	if opts.Notify != nil {
		const parts = 15 // notifications in total
		done := 0
		s.notify = func(what string) {
			opts.Notify(what, float64(done)/parts)
			done++
		}
	}
	var err error
	if s.cpu, err = cpu.New(""); err != nil {
		return nil, err
	}
	if s.oracle, err = gobackend.New("ops_sequential"); err != nil {
		return nil, err
	}
	s.report.Quick = opts.Quick
	s.report.Machine = describe()
	s.report.Backends = Both[string]{s.cpu.Description(), s.oracle.Description() + ", ops_sequential"}
	s.report.Versions = versions()
	return s, nil
}

// versions returns those of the modules that the speed depends on.
func versions() map[string]string {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if slices.Contains([]string{"github.com/gomlx/gomlx", "github.com/gomlx/compute"}, dep.Path) {
				found[dep.Path] = dep.Version
			}
		}
	}
	return found
}

// trainAt is the training workload, small for a quick run.
func (s *session) trainAt(quick bool) workload {
	w := s.train()
	if quick {
		w.batch = 2 * s.smallest
	}
	return w
}

// measureMachine measures bandwidth, arithmetic and products, and finds the peak.
func (s *session) measureMachine(ctx context.Context) error {
	m := &s.report.Machine
	s.notify("memory bandwidth")
	if err := m.bandwidth(ctx, s.buffer, s.tries); err != nil {
		return err
	}
	if err := m.arithmetic(ctx, s.rounds, s.tries); err != nil {
		return err
	}
	model, err := s.load()
	if err != nil {
		return err
	}
	for i, group := range [][]Product{cubes(s.cubes...), modelProducts(model, s.trainAt(s.report.Quick).batch)} {
		s.notify([]string{"matrix products by size", "matrix products of the model"}[i])
		for _, p := range group {
			row, err := matmul(ctx, p, s.matmul, s.cpu, s.oracle)
			if err != nil {
				return err
			}
			s.report.Matmul = append(s.report.Matmul, row)
			if best := max(row.CPU, row.Go); p.Weights == "f32" && best > m.MatmulPeak {
				m.MatmulPeak, m.MatmulPeakOf, s.peak = best, p.Name, p
			}
		}
	}
	return nil
}

// measure takes all measurements of one workload.
func (s *session) measure(ctx context.Context, w workload) (Workload, error) {
	out := Workload{What: w.what, Batch: w.batch}
	var err error
	s.notify(w.name + ": memory")
	if out.CPU.PeakMemory, err = s.memory(ctx, s.cpu, w); err != nil {
		return out, err
	}
	if out.Go.PeakMemory, err = s.memory(ctx, s.oracle, w); err != nil {
		return out, err
	}
	_, peak := resident()
	s.report.ProcessPeak = max(s.report.ProcessPeak, peak)
	if out.FLOP, err = s.flop(w, s.oracle, w.batch); err != nil {
		return out, err
	}
	s.notify(w.name + ": cpu against go")
	if err := s.compare(ctx, w, &out); err != nil {
		return out, err
	}
	s.notify(w.name + ": by batch")
	if out.Batches, err = s.byBatch(ctx, w); err != nil {
		return out, err
	}
	s.notify(w.name + ": by threads")
	out.Threads, err = s.byThreads(ctx, w, out.FLOP)
	return out, err
}

// memory returns the peak of loading, compiling and two executions in bytes.
func (s *session) memory(ctx context.Context, b compute.Backend, w workload) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return peakMemory(func() error {
		j, err := s.open(b, w, w.batch)
		if err != nil {
			return err
		}
		defer j.Close()
		for range 2 {
			if err := j.Run(); err != nil {
				return err
			}
		}
		return nil
	})
}

// open loads the model and compiles a workload.
func (s *session) open(b compute.Backend, w workload, batch int) (Job, error) {
	model, err := s.load()
	if err != nil {
		return Job{}, err
	}
	return w.open(b, model, batch)
}

// compare times a workload on both backends and the peak product, in turn, and then
// measures what cpu allocates.
func (s *session) compare(ctx context.Context, w workload, out *Workload) error {
	peak := s.cpu
	if row := s.report.Matmul[slices.IndexFunc(s.report.Matmul, func(m Matmul) bool { return m.Product == s.peak })]; row.Go > row.CPU {
		peak = s.oracle
	}
	reference, err := s.peak.Open(peak)
	if err != nil {
		return err
	}
	defer reference.Close()
	own, err := s.open(s.cpu, w, w.batch)
	if err != nil {
		return err
	}
	defer own.Close()
	other, err := s.open(s.oracle, w, w.batch)
	if err != nil {
		return err
	}
	defer other.Close()
	seconds, err := compete(ctx, s.workload, own.Run, other.Run, reference.Run)
	if err != nil {
		return err
	}
	out.Ratio = spread(quotients(seconds[1], seconds[0])).rounded()
	for i, speed := range []*Speed{&out.CPU, &out.Go} {
		speed.Seconds = spread(seconds[i]).rounded()
		speed.GFLOPS = round(out.FLOP / spread(seconds[i]).Median / 1e9)
		speed.ShareOfPeak = spread(scaled(quotients(seconds[2], seconds[i]), out.FLOP/s.peak.flop())).rounded()
	}
	out.Allocation, err = allocation(own.Run, s.profile)
	return err
}

// byBatch times cpu at several batches.
func (s *session) byBatch(ctx context.Context, w workload) ([]Growth, error) {
	batches := s.batches
	if w.batch > 1 {
		batches = nil
		for batch := w.batch; batch >= s.smallest; batch /= 2 {
			batches = slices.Insert(batches, 0, batch)
		}
	}
	model, err := s.load()
	if err != nil {
		return nil, err
	}
	var runs []contestant
	var flops []float64
	for _, batch := range batches {
		flop, err := s.flop(w, s.oracle, batch)
		if err != nil {
			return nil, err
		}
		j, err := w.open(s.cpu, model, batch)
		if err != nil {
			return nil, err
		}
		defer j.Close()
		runs, flops = append(runs, j.Run), append(flops, flop)
	}
	rows, err := grow(ctx, s.growth, runs, flops)
	for i := range rows {
		rows[i].Batch, rows[i].Threads = batches[i], runtime.GOMAXPROCS(0)
	}
	return rows, err
}

// byThreads times cpu at 1, 2, 4 … threads up to GOMAXPROCS.
func (s *session) byThreads(ctx context.Context, w workload, flop float64) ([]Growth, error) {
	all := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(all)
	var threads []int
	for n := 1; n < all; n *= 2 {
		threads = append(threads, n)
	}
	threads = append(threads, all)
	j, err := s.open(s.cpu, w, w.batch)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	var runs []contestant
	for _, n := range threads {
		runs = append(runs, func() error {
			if runtime.GOMAXPROCS(0) != n { // which stops the world
				runtime.GOMAXPROCS(n)
			}
			return j.Run()
		})
	}
	rows, err := grow(ctx, s.growth, runs, slices.Repeat([]float64{flop}, len(runs)))
	for i := range rows {
		rows[i].Batch, rows[i].Threads = w.batch, threads[i]
	}
	return rows, err
}

// grow times jobs of growing work or threads, in turn.
func grow(ctx context.Context, p pace, runs []contestant, flops []float64) ([]Growth, error) {
	seconds, err := compete(ctx, p, runs...)
	if err != nil {
		return nil, err
	}
	rows := make([]Growth, len(runs))
	for i, s := range seconds {
		median := spread(s).Median
		rows[i] = Growth{
			Seconds: round(median), GFLOPS: round(flops[i] / median / 1e9),
			Speedup: round(spread(quotients(seconds[0], s)).Median * flops[i] / flops[0]),
		}
	}
	return rows, nil
}
