package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/disk"
	"reflectionflow/search"
	"reflectionflow/tuning"
	"reflectionflow/verifier"
)

// policyStage fits the policy of the adaptive strategy to a model. It comes after all
// stages of package tuning, and needs all networks but the judge.
const policyStage = "policy"

// A policy is fitted on over a thousand images. Fits on a quarter of them differed by more
// than actions do (docs/experiments/08).
const (
	policyPrompts = 288
	policyBudget  = 6  // images per prompt, with random actions
	policyScenes  = 20 // per task, right and flawed each, to calibrate confidences
	policySeed    = 1
)

// policySure is the probability that an image is right above which its prompt gets no more
// of the images that other prompts left over.
const policySure = 0.98

// trainPolicy fits the policy of the model in DIR/model on training prompts and
// writes it beside the networks. The judge has no part in it.
func (p *program) trainPolicy(ctx context.Context, o trainOptions) error {
	dir := filepath.Join(o.out, "model")
	model, err := assemble.FolderModel(dir, os.DirFS(dir))
	if err != nil {
		return err
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	e, err := model.Open(ctx, o.compute())
	if err != nil {
		return fmt.Errorf("open model %s: %w", dir, err)
	}
	if e.Closer != nil {
		defer e.Close()
	}
	policy, err := p.fitPolicy(ctx, model, e, o.quiet)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := policy.Write(&text); err != nil {
		return err
	}
	path := filepath.Join(dir, assemble.PolicyFile)
	if err := disk.WriteFile(path, text.Bytes()); err != nil {
		return err
	}
	if err := flux.WriteChecksums(ctx, dir); err != nil {
		return err
	}
	if o.quiet {
		return nil
	}
	return printTo(p.stdout, fmt.Sprintf("%s: fitted on %s\n", path, policy.FittedOn))
}

// policyTasks are the kinds of prompts that a policy is fitted on.
func policyTasks() []clipart.Task { return slices.Concat(clipart.Tasks(), clipart.Compound()) }

func (p *program) fitPolicy(ctx context.Context, model assemble.Model, e *assemble.Engine, quiet bool) (search.Policy, error) {
	list, err := geneval.Builtin(policyTasks(), clipart.Train, model.Classes, policyPrompts, policySeed)
	if err != nil {
		return search.Policy{}, err
	}
	prompts := make([]reflectionflow.Prompt, len(list))
	for i, m := range list {
		if prompts[i], err = m.AsPrompt(); err != nil {
			return search.Policy{}, err
		}
	}
	cfg := search.Default(search.Adaptive)
	cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Guidance = model.Width, model.Height, model.Steps, model.Guidance
	cfg.Seed, cfg.Budget.Images, cfg.Batch = policySeed, policyBudget, 4
	say := func(format string, args ...any) {
		if !quiet {
			_, _ = fmt.Fprintf(p.stderr, "policy: "+format+"\n", args...)
		}
	}
	say("calibrating the verifier on rendered scenes")
	stop, err := fitStop(ctx, model, e, prompts, cfg)
	if err != nil {
		return search.Policy{}, fmt.Errorf("calibrate the verifier: %w", err)
	}
	over := 0
	loop := search.Search{
		Generator: e.Generator, Verifier: e.Verifier, Reflector: e.Reflector, Refiner: e.Refiner,
		Notify: func(ev search.Event) {
			if ev.Kind == search.Stopped {
				if over++; over%12 == 0 {
					say("%d of %d training prompts searched for", over, len(prompts))
				}
			}
			if over == len(prompts) && ev.Kind == search.Stopped {
				say("fitting when to abandon a noise")
			}
		},
	}
	return loop.Fit(ctx, prompts, cfg, stop)
}

// fitStop calibrates the joint confidence of all findings, on rendered
// scenes of the training split, half of them flawed. Then it corrects for how often
// the model's own images look right: a claim that is seldom true needs more
// evidence (Bayes' rule on the odds). The probability that ends a search is not fitted:
// one half, and policySure where images are left over
// (docs/experiments/15).
func fitStop(ctx context.Context, model assemble.Model, e *assemble.Engine, prompts []reflectionflow.Prompt, cfg search.Config) (search.Stop, error) {
	stop := search.DefaultPolicy().Stop
	examples, err := labelledScenes(model)
	if err != nil {
		return stop, err
	}
	images := make([]reflectionflow.PromptedImage, len(examples))
	right := make([]bool, len(examples))
	for i, x := range examples {
		images[i], right[i] = x.Image, x.Right
	}
	scores, err := e.Verify(ctx, images)
	if err != nil {
		return stop, err
	}
	values := make([]float64, len(scores))
	for i, s := range scores {
		values[i] = search.LogOdds(s)
	}
	calibration, err := verifier.Fit("log odds of all findings", values, right, verifier.Platt)
	if err != nil || calibration.Curve.A == 0 { // a verifier that says nothing is taken at its word
		return stop, err
	}
	cfg.Adaptive.Survey, cfg.Adaptive.Rollover, cfg.Budget.Images = true, false, 1
	tasks := make([]search.Task, len(prompts))
	for i, prompt := range prompts {
		tasks[i] = search.Task{Prompt: prompt, Seed: uint64(i) + 1, Journal: search.Discard}
	}
	loop := search.Search{Generator: e.Generator, Verifier: e.Verifier, Reflector: e.Reflector, Refiner: e.Refiner}
	results, err := loop.RunMany(ctx, tasks, cfg)
	if err != nil {
		return stop, err
	}
	looksRight := 0
	for _, res := range results {
		if res.Candidates[res.Best].Score.Right() {
			looksRight++
		}
	}
	stop.A, stop.B, stop.Sure = calibration.Curve.A, calibration.Curve.B, policySure
	stop.Correct(float64(looksRight+1) / float64(len(results)+2))
	return stop, nil
}

// labelledScenes renders scenes that are what was asked for, and as many that are
// not by one fault.
func labelledScenes(model assemble.Model) ([]verifier.Example, error) {
	sampler, err := clipart.NewSampler(model.Classes...)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(policySeed, 2))
	var examples []verifier.Example
	for _, task := range policyTasks() {
		for range policyScenes {
			scene, prompt := sampler.SamplePrompt(task, clipart.Train, rng)
			flawed, _, err := sampler.Flaw(scene, prompt, rng)
			if err != nil {
				continue // no fault can be put into this one
			}
			for i, s := range []clipart.Scene{scene, flawed} {
				img, err := s.Render(model.Width, model.Height)
				if err != nil {
					return nil, err
				}
				examples = append(examples, verifier.Example{
					Image: reflectionflow.PromptedImage{Prompt: prompt, Image: img}, Right: i == 0,
				})
			}
		}
	}
	return examples, nil
}

// stageNames lists all stages of train.
func stageNames() string {
	var names []string
	for _, stage := range tuning.Stages() {
		names = append(names, stage.Name)
	}
	return strings.Join(append(names, policyStage), ", ")
}
