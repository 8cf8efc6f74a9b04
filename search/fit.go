package search

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"reflectionflow"
)

// Fit fits a [Policy] to the parts of s on prompts. The prompts should cover all kinds
// and be of the training split, so that no evaluation uses them. The configuration is
// that of an adaptive search; its seed, sizes and budget count. The stop is not fitted
// here, for that needs images whose truth is known: the caller gives it.
//
// Each prompt is searched with random actions. The policy takes the mean gain of every
// action in every situation, shrunk toward the action's mean where there are few
// images. Then, where the parts can preview, noises are previewed after a quarter and
// half of their steps and finished. The policy takes the share and the threshold with
// the most right images per second, if that is clearly more than without previews. The
// same arguments give the same policy except for the times.
func (s *Search) Fit(ctx context.Context, prompts []reflectionflow.Prompt, cfg Config, stop Stop) (Policy, error) {
	p := DefaultPolicy()
	p.Stop = stop
	if cfg.Adaptive == nil {
		return p, invalid("a policy is fitted for an adaptive strategy, not for %q", cfg.Strategy)
	}
	cfg.EarlyStop = true
	cfg.Adaptive = &AdaptiveConfig{Survey: true, Policy: p}
	tasks := make([]Task, len(prompts))
	for i, prompt := range prompts {
		tasks[i] = Task{Prompt: prompt, Journal: Discard, Seed: seedOf(cfg.Seed, forSurvey, 0, i)}
	}
	if err := s.Check(cfg, prompts...); err != nil {
		return p, err // the parts are wrapped below, so it must be here
	}
	surveyed := *s
	timed := &timed{Reflector: s.Reflector, Refiner: s.Refiner}
	surveyed.Reflector, surveyed.Refiner = timed, timed
	results, err := surveyed.RunMany(ctx, tasks, cfg)
	if err != nil {
		return p, err
	}
	p.fitGains(results)
	p.fitSeconds(results, cfg.Steps, timed)
	images := 0
	for _, res := range results {
		images += len(res.Candidates)
	}
	if parts, ok := s.previewing(); ok {
		e := &previewFit{previewing: parts, verifier: s.Verifier, cfg: cfg, stop: stop}
		if err := e.collect(ctx, tasks); err != nil {
			return p, err
		}
		p.Early = e.choose(p.Seconds)
		images += len(e.final)
	}
	p.FittedOn = fmt.Sprintf("%d images of %d training prompts", images, len(prompts))
	return p, p.validate()
}

// tally is a running mean.
type tally struct{ sum, n float64 }

func (t *tally) add(v float64) { t.sum, t.n = t.sum+v, t.n+1 }

// toward is the mean after n more values of mean.
func (t tally) toward(mean, n float64) float64 { return (t.sum + n*mean) / (t.n + n) }

// Priors, where there are few images.
const (
	priorGain      = 0.1 // gain of an action that was never tried
	actionPrior    = 2   // images that priorGain counts as
	situationPrior = 8   // images that an action's mean counts as in each situation
)

// fitGains averages the gains of the surveyed images.
func (p *Policy) fitGains(results []reflectionflow.Result) {
	type cell struct {
		action reflectionflow.Action
		situation
	}
	cells, means := map[cell]*tally{}, map[reflectionflow.Action]*tally{}
	byPrompt := map[reflectionflow.Action][][]float64{}
	actions := []reflectionflow.Action{reflectionflow.Explore, reflectionflow.Rewrite, reflectionflow.Reflect}
	situations := []situation{{}, {global: true}, {stuck: true}, {global: true, stuck: true}}
	for _, a := range actions {
		means[a] = &tally{}
		for _, s := range situations {
			cells[cell{a, s}] = &tally{}
		}
	}
	for _, res := range results {
		own := map[reflectionflow.Action][]float64{}
		for i, c := range res.Candidates {
			h := history{policy: p, candidates: res.Candidates[:i]}
			best := h.best(i)
			if best < 0 {
				continue
			}
			s := h.situation(best)
			h.candidates = res.Candidates[:i+1]
			g := h.gain(i)
			cells[cell{c.Action, s}].add(g)
			means[c.Action].add(g)
			own[c.Action] = append(own[c.Action], g)
		}
		for _, a := range actions {
			byPrompt[a] = append(byPrompt[a], own[a])
		}
	}
	for _, a := range actions {
		mean := means[a].toward(priorGain, actionPrior)
		for _, s := range situations {
			*p.gains(a).in(s) = rounded(cells[cell{a, s}].toward(mean, situationPrior))
		}
	}
	p.Weight = rounded(weight(actions, byPrompt))
}

// weight is the number of images after which a prompt's own gains predict as well as the
// mean over prompts: the variance within prompts over that between them (one-way
// analysis of variance), from 1 to 32.
func weight(actions []reflectionflow.Action, byPrompt map[reflectionflow.Action][][]float64) float64 {
	var within, between tally
	for _, a := range actions {
		var all tally
		for _, gains := range byPrompt[a] {
			for _, g := range gains {
				all.add(g)
			}
		}
		for _, gains := range byPrompt[a] {
			n := float64(len(gains))
			if n < 2 {
				continue
			}
			var own, squares tally
			for _, g := range gains {
				own.add(g)
			}
			for _, g := range gains {
				squares.add((g - own.sum/n) * (g - own.sum/n))
			}
			variance := squares.sum / (n - 1)
			within.add(variance)
			apart := own.sum/n - all.sum/all.n
			between.add(apart*apart - variance/n)
		}
	}
	if between.sum <= 0 {
		return 32
	}
	return min(32, max(1, within.sum/between.sum))
}

// fitSeconds takes the medians of the times that the parts report; without times, the
// defaults stay.
func (p *Policy) fitSeconds(results []reflectionflow.Result, steps int, t *timed) {
	made := map[reflectionflow.Action][]float64{}
	var verified []float64
	for _, res := range results {
		for _, c := range res.Candidates {
			if usable(c) {
				made[c.Action] = append(made[c.Action], c.Cost.Seconds-c.Score.Cost.Seconds)
				verified = append(verified, c.Score.Cost.Seconds)
			}
		}
	}
	reflected, refined := median(t.reflected), median(t.refined)
	whole := median(made[reflectionflow.Explore])
	if whole <= 0 {
		return
	}
	p.Seconds.Step, p.Seconds.Verify = rounded(whole/float64(steps)), rounded(median(verified))
	p.Seconds.Reflect, p.Seconds.Rewrite = rounded(reflected), rounded(refined)
	p.Seconds.CorrectedStep = p.Seconds.Step
	if corrected := median(made[reflectionflow.Reflect]) - reflected; corrected > 0 {
		p.Seconds.CorrectedStep = rounded(corrected / float64(steps))
	}
}

// median is the middle value, 0 without any. It sorts values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// rounded keeps three significant digits.
func rounded(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return short
}

// timed records the times of reflections and refinements.
type timed struct {
	reflectionflow.Reflector
	reflectionflow.Refiner
	reflected, refined []float64 // only the plan stage writes them
}

func (t *timed) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	out, err := t.Reflector.Reflect(ctx, observations)
	for _, r := range out {
		t.reflected = append(t.reflected, r.Cost.Seconds)
	}
	return out, err
}

func (t *timed) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	out, err := t.Refiner.Refine(ctx, observations)
	for _, r := range out {
		t.refined = append(t.refined, r.Cost.Seconds)
	}
	return out, err
}

// earlyShares are the shares of the steps at which previews are tried.
var earlyShares = []float64{0.25, 0.5}

// noisesPerPrompt is the number of noises that are previewed and finished.
const noisesPerPrompt = 4

// previewFit compares previews with the finished images.
type previewFit struct {
	previewing
	verifier reflectionflow.Verifier
	cfg      Config
	stop     Stop
	early    [][]float64 // by share: the mean logarithm of the confidences
	final    []float64   // the probability that the finished image is right
}

// collect previews and finishes noises of every task.
func (e *previewFit) collect(ctx context.Context, tasks []Task) error {
	e.early = make([][]float64, len(earlyShares))
	for _, task := range tasks {
		requests := make([]reflectionflow.Request, noisesPerPrompt)
		for i := range requests {
			requests[i] = e.cfg.request(task.Prompt)
			requests[i].Seed = seedOf(task.Seed, forRetry, 0, i)
		}
		if err := e.add(ctx, task.Prompt, requests); err != nil {
			return err
		}
	}
	return nil
}

func (e *previewFit) add(ctx context.Context, prompt reflectionflow.Prompt, requests []reflectionflow.Request) error {
	var previews []reflectionflow.Preview
	for i, share := range earlyShares {
		steps := Early{Share: share, Tries: 1}.steps(e.cfg.Steps)
		if steps == 0 {
			return nil
		}
		var err error
		previews, err = e.Preview(ctx, requests, steps)
		if err := cmp.Or(err, checkCount("previews", len(previews), len(requests))); err != nil {
			return err
		}
		var images []reflectionflow.PromptedImage
		for _, v := range previews {
			if v.Err != nil {
				return v.Err
			}
			images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: v.Image})
		}
		scores, err := e.VerifyPreviews(ctx, images)
		if err != nil {
			return err
		}
		for _, s := range scores {
			e.early[i] = append(e.early[i], meanLog(s))
		}
	}
	generations, err := e.Finish(ctx, previews)
	if err := cmp.Or(err, checkCount("images", len(generations), len(requests))); err != nil {
		return err
	}
	var images []reflectionflow.PromptedImage
	for _, g := range generations {
		if g.Err != nil {
			return g.Err
		}
		images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: g.Image})
	}
	scores, err := e.verifier.Verify(ctx, images)
	if err := cmp.Or(err, checkCount("scores", len(scores), len(images))); err != nil {
		return err
	}
	for _, s := range scores {
		e.final = append(e.final, e.stop.probability(s))
	}
	return nil
}

// clearlyMore is by how much the yield must grow for noises to be abandoned, over all
// noises. On either half of the prompts it must grow too.
const clearlyMore = 1.1

// choose picks the share and the threshold with the highest yield.
func (e *previewFit) choose(s Seconds) Early {
	none := Early{Share: earlyShares[0], Least: math.Log(leastConfidence)}
	best, most := none, clearlyMore*e.yield(none, 0, s, everyPrompt)
	for i, share := range earlyShares {
		sorted := slices.Sorted(slices.Values(e.early[i]))
		for tenth := 1; tenth <= 9 && len(sorted) > 0; tenth++ {
			tried := Early{Share: share, Least: rounded(sorted[tenth*(len(sorted)-1)/10]), Tries: 3}
			sound := true
			for half := range 2 {
				part := func(prompt int) bool { return prompt%2 == half }
				sound = sound && e.yield(tried, i, s, part) > e.yield(none, 0, s, part)
			}
			if y := e.yield(tried, i, s, everyPrompt); sound && y > most {
				best, most = tried, y
			}
		}
	}
	return best
}

func everyPrompt(int) bool { return true }

// yield is the expected number of right images per second when noises are abandoned by
// the rule, over the prompts that count. Each prompt is computed from its own noises:
// over all noises together, a rule that abandons every noise of the difficult prompts
// would seem to tell right images from wrong ones.
func (e *previewFit) yield(rule Early, share int, s Seconds, counts func(prompt int) bool) float64 {
	right, seconds := 0.0, 0.0
	for first := 0; first < len(e.final); first += noisesPerPrompt {
		if !counts(first / noisesPerPrompt) {
			continue
		}
		r, t := e.yieldOf(first, rule, share, s)
		right, seconds = right+r, seconds+t
	}
	if seconds == 0 {
		return 0
	}
	return right / seconds
}

// yieldOf is the probability that one image of a prompt, whose noises start at first,
// is right, and the seconds that it takes.
func (e *previewFit) yieldOf(first int, rule Early, share int, s Seconds) (right, seconds float64) {
	var passed, all tally
	for i, p := range e.final[first : first+noisesPerPrompt] {
		all.add(p)
		if rule.Tries > 0 && e.early[share][first+i] >= rule.Least {
			passed.add(p)
		}
	}
	pass := passed.n / all.n
	look := float64(rule.steps(e.cfg.Steps))*s.Step + s.Verify
	seconds = float64(e.cfg.Steps)*s.Step + s.Verify
	reached := 1.0 // the probability that each noise is tried
	for range rule.Tries {
		right += reached * passed.sum / all.n
		seconds += reached * (s.Verify + (1-pass)*(look-s.Verify)) // a noise that passes continues from its preview
		reached *= 1 - pass
	}
	return right + reached*all.sum/all.n, seconds
}
