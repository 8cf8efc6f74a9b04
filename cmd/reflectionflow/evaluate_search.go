package main

import (
	"context"

	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
	"reflectionflow/search"
)

// searchStrategy lets an evaluation run a strategy of the search. Candidates of a
// search depend on earlier ones and not on the budget, as geneval.Strategy demands.
func searchStrategy(a arm, e *assemble.Engine, shown progress.Evaluation) geneval.Strategy {
	return geneval.Strategy{Arm: a.Arm, Search: func(ctx context.Context, job geneval.Job) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		cfg := a.cfg
		cfg.Budget.Images = job.Budget
		var failure error // of judging and recording
		trajectories := make([]geneval.Trajectory, len(job.Tasks))
		loop := search.Search{
			Generator: e.Generator,
			Verifier:  e.Verifier,
			Reflector: e.Reflector,
			Refiner:   e.Refiner,
			Notify: func(ev search.Event) {
				t := &trajectories[ev.Task]
				switch ev.Kind {
				case search.Scored:
					t.Candidates = append(t.Candidates, ev.Candidate)
					t.Images = append(t.Images, ev.Image)
				case search.Stopped:
					if failure == nil {
						failure = job.Done(ev.Task, *t)
					}
					if failure != nil {
						cancel()
					}
					*t = geneval.Trajectory{} // releases its images
				}
				shown.Event(cfg, ev)
			},
		}
		tasks := make([]search.Task, len(job.Tasks))
		for i, task := range job.Tasks {
			tasks[i] = search.Task{Prompt: task.Prompt, Seed: task.Seed, Journal: search.Discard}
		}
		_, err := loop.RunMany(ctx, tasks, cfg)
		if failure != nil {
			return failure
		}
		return err
	}}
}
