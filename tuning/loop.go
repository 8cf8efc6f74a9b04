package tuning

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
)

// Job sets where and how a task is trained.
type Job struct {
	Backend compute.Backend
	Config  Config
	// Dir gets the checkpoint, metrics.jsonl, the loss curve and the samples.
	Dir string
	// Resume continues from the checkpoint in Dir. Without it, Dir must have none.
	Resume bool
	// Notify, if set, is called after every step.
	Notify func(Progress)
}

// Run trains a task on the weights of store, which may have some or all of them already. It
// leaves the moving averages of the weights in store, under their plain names. When ctx ends,
// Run saves a checkpoint and returns ctx.Err(). Errors wrap [reflectionflow.ErrInvalid] for
// an invalid configuration and for a checkpoint that is not to be resumed or has another task.
func Run(ctx context.Context, store *nn.Store, task Task, job Job) error {
	c := job.Config.withDefaults()
	if err := c.Validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(job.Dir, 0o755); err != nil {
		return err
	}
	done, err := restore(store, task, job)
	if err != nil {
		return err
	}
	st, err := newStepper(job.Backend, store, task, c)
	if err != nil {
		return err
	}
	defer st.close()
	record, err := openMetrics(job.Dir, done)
	if err != nil {
		return err
	}
	defer record.close()
	r := &runner{task: task, job: job, config: c, store: store, stepper: st, record: record}
	if err := r.loop(ctx, done); err != nil {
		return err
	}
	return useAverage(store, st.trainable)
}

// restore loads the checkpoint to resume from and returns the number of steps done.
func restore(store *nn.Store, task Task, job Job) (int, error) {
	info, found, err := loadCheckpoint(job.Dir, store)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, nil
	case !job.Resume:
		return 0, fmt.Errorf("%w: %s already has a checkpoint: add --resume to continue from it, or choose another folder", reflectionflow.ErrInvalid, job.Dir)
	case info.Task != task.Name:
		return 0, fmt.Errorf("%w: the checkpoint in %s trains %q, not %q", reflectionflow.ErrInvalid, job.Dir, info.Task, task.Name)
	case cmp.Or(info.Config.Precision, "f32") != cmp.Or(job.Config.Precision, "f32"):
		return 0, fmt.Errorf("%w: the checkpoint in %s computes in %s, not in %s: resume with the same precision", reflectionflow.ErrInvalid, job.Dir,
			cmp.Or(info.Config.Precision, "f32"), cmp.Or(job.Config.Precision, "f32"))
	}
	return info.Step, nil
}

// runner is a run in progress.
type runner struct {
	task    Task
	job     Job
	config  Config
	store   *nn.Store
	stepper *stepper
	record  *metrics
}

func (r *runner) loop(ctx context.Context, done int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c := r.config
	batches := prefetch(ctx, r.task, uint64(done*c.Accumulate), uint64(c.Steps*c.Accumulate))
	for step := done; step < c.Steps; step++ {
		group, err := collect(ctx, batches, c.Accumulate)
		if err != nil {
			return r.interrupted(ctx, step, err)
		}
		means, norm, err := r.stepper.run(ctx, step, group)
		if err != nil {
			return r.interrupted(ctx, step, err)
		}
		if err := r.after(ctx, step, means, norm); err != nil {
			return r.interrupted(ctx, step+1, err)
		}
	}
	return nil
}

// after reports a step, and saves samples and checkpoints when they are due.
func (r *runner) after(ctx context.Context, step int, means []float64, norm float64) error {
	c, done := r.config, step+1
	p := Progress{Step: done, Steps: c.Steps, Loss: means[0], Norm: norm, Rate: c.rate(step), Watched: map[string]float64{}}
	for i, name := range r.task.Watched {
		p.Watched[name] = means[1+i]
	}
	last := done == c.Steps
	if r.task.Sample != nil && (last || (c.SampleEvery > 0 && done%c.SampleEvery == 0)) {
		var err error
		if p.Sampled, err = r.sample(ctx, done); err != nil {
			return err
		}
	}
	if err := r.record.add(p); err != nil {
		return err
	}
	if r.job.Notify != nil {
		r.job.Notify(p)
	}
	if last || done%c.SaveEvery == 0 {
		return r.save(done)
	}
	return nil
}

func (r *runner) sample(ctx context.Context, done int) (map[string]float64, error) {
	path := filepath.Join(r.job.Dir, fmt.Sprintf("sample-%06d.png", done))
	return r.task.Sample(ctx, r.averaged(), path)
}

// averaged returns a store with the moving averages under their plain names, and the weights
// that are not trained.
func (r *runner) averaged() *nn.Store {
	averaged := nn.NewStore()
	for _, name := range r.store.Names("") {
		if name != plainName(name) {
			continue
		}
		averaged.Share(r.store, name, name)
	}
	for _, name := range r.stepper.trainable {
		averaged.Share(r.store, emaPrefix+name, name)
	}
	return averaged
}

func (r *runner) save(done int) error {
	if err := r.record.sync(); err != nil {
		return err
	}
	info := checkpointInfo{Task: r.task.Name, Step: done, Config: r.config}
	if err := saveCheckpoint(r.job.Dir, r.store, r.stepper.trainable, info); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	return r.record.plot(filepath.Join(r.job.Dir, "loss.png"), r.task.Name)
}

// interrupted saves a checkpoint if ctx ended.
func (r *runner) interrupted(ctx context.Context, done int, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if saveErr := r.save(done); saveErr != nil {
		return saveErr
	}
	return ctx.Err()
}

// batchResult is a batch or the error of making it.
type batchResult struct {
	inputs []*tensors.Tensor
	err    error
}

// prefetch makes the batches from first to last-1 in order, as many in parallel as there are
// processors.
func prefetch(ctx context.Context, task Task, first, last uint64) <-chan batchResult {
	batches := make(chan batchResult)
	ahead := make(chan chan batchResult, runtime.GOMAXPROCS(0))
	go func() {
		defer close(ahead)
		for index := first; index < last; index++ {
			made := make(chan batchResult, 1)
			select {
			case ahead <- made:
			case <-ctx.Done():
				return
			}
			go func() {
				inputs, err := task.Batch(index)
				made <- batchResult{inputs, err}
			}()
		}
	}()
	go func() {
		defer close(batches)
		for made := range ahead {
			batch := <-made
			select {
			case batches <- batch:
			case <-ctx.Done():
				return
			}
			if batch.err != nil {
				return
			}
		}
	}()
	return batches
}

func collect(ctx context.Context, batches <-chan batchResult, n int) ([][]*tensors.Tensor, error) {
	var group [][]*tensors.Tensor
	for range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, ok := <-batches
		switch {
		case !ok:
			return nil, context.Cause(ctx)
		case batch.err != nil:
			return nil, fmt.Errorf("make batch: %w", batch.err)
		}
		group = append(group, batch.inputs)
	}
	return group, nil
}

// useAverage replaces the weights by their moving averages and deletes the training state.
func useAverage(store *nn.Store, trainable []string) error {
	for _, name := range trainable {
		store.Share(store, emaPrefix+name, name)
	}
	for _, prefix := range []string{emaPrefix, statePrefix} {
		store.Delete(prefix)
	}
	return nil
}

// metricsLine returns the line of a step in metrics.jsonl.
func metricsLine(p Progress) ([]byte, error) {
	line, err := json.Marshal(p)
	return append(line, '\n'), err
}
