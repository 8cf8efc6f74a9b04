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

// Fit learns a [Policy] for the parts of s on prompts, which should be of the
// training split and of all kinds: what is fitted here is never measured there. The
// configuration is that of an adaptive search; its seed, sizes and budget count.
// When to believe the verifier is not learnt here, for that needs pictures whose
// truth is known.
//
// Each prompt is searched for with the actions taken by lot, and the mean gain of
// every action in every situation is kept, drawn towards the action's mean where
// there were few. Then, where the parts can, fresh noises are estimated after a
// quarter and a half of their steps and drawn to the end, and the share and the
// threshold are kept that promise most right pictures a second, if they promise
// clearly more than drawing everything. The same arguments give the same policy but
// for the times.
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
		tasks[i] = Task{Prompt: prompt, Seed: seedOf(cfg.Seed, forSurvey, 0, i)}
	}
	surveyed := *s
	timed := &timed{Reflector: s.Reflector, Refiner: s.Refiner}
	surveyed.Reflector, surveyed.Refiner, surveyed.Journal = timed, timed, nil
	results, err := surveyed.RunMany(ctx, tasks, cfg)
	if err != nil {
		return p, err
	}
	p.fitGains(results)
	p.fitSeconds(results, cfg.Steps, timed)
	pictures := 0
	for _, res := range results {
		pictures += len(res.Candidates)
	}
	if parts, ok := s.previewing(); ok {
		e := &estimates{previewing: parts, verifier: s.Verifier, cfg: cfg, stop: stop}
		if err := e.collect(ctx, tasks); err != nil {
			return p, err
		}
		p.Early = e.choose(p.Seconds)
		pictures += len(e.final)
	}
	p.FittedOn = fmt.Sprintf("%d pictures of %d training prompts", pictures, len(prompts))
	return p, p.validate()
}

// tally is a mean that grows.
type tally struct{ sum, n float64 }

func (t *tally) add(v float64) { t.sum, t.n = t.sum+v, t.n+1 }

// towards is the mean with n more of another one.
func (t tally) towards(mean, n float64) float64 { return (t.sum + n*mean) / (t.n + n) }

// Strengths of what stands in for too few pictures.
const (
	priorGain     = 0.1 // of an action that was never tried
	actionPrior   = 2   // pictures that priorGain counts as
	situationsMay = 8   // pictures that an action's mean counts as in each situation
)

// fitGains averages the gains of the surveyed pictures.
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
		mean := means[a].towards(priorGain, actionPrior)
		for _, s := range situations {
			*p.gains(a).in(s) = rounded(cells[cell{a, s}].towards(mean, situationsMay))
		}
	}
	p.Weight = rounded(weight(actions, byPrompt))
}

// weight is the number of pictures after which a prompt's own gains say as much as
// the mean over prompts does: the variance within prompts over that between them
// (one-way analysis of variance), from 1 to 32.
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

// fitSeconds takes medians of what the parts reported; parts that report no times
// leave the defaults.
func (p *Policy) fitSeconds(results []reflectionflow.Result, steps int, t *timed) {
	drawn := map[reflectionflow.Action][]float64{}
	var verified []float64
	for _, res := range results {
		for _, c := range res.Candidates {
			if usable(c) {
				drawn[c.Action] = append(drawn[c.Action], c.Cost.Seconds-c.Score.Cost.Seconds)
				verified = append(verified, c.Score.Cost.Seconds)
			}
		}
	}
	reflected, refined := median(t.reflected), median(t.refined)
	fresh := median(drawn[reflectionflow.Explore])
	if fresh <= 0 {
		return
	}
	p.Seconds.Step, p.Seconds.Verify = rounded(fresh/float64(steps)), rounded(median(verified))
	p.Seconds.Reflect, p.Seconds.Rewrite = rounded(reflected), rounded(refined)
	p.Seconds.CorrectedStep = p.Seconds.Step
	if corrected := median(drawn[reflectionflow.Reflect]) - reflected; corrected > 0 {
		p.Seconds.CorrectedStep = rounded(corrected / float64(steps))
	}
}

// median is the middle value, 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// rounded keeps three digits: the rest is noise.
func rounded(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return short
}

// timed notes what reflections and refinements took.
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

// The early estimates that are tried.
var earlyShares = []float64{0.25, 0.5}

// noisesPerPrompt are estimated and drawn to the end.
const noisesPerPrompt = 4

// estimates collects what early estimates say and what becomes of them.
type estimates struct {
	previewing
	verifier reflectionflow.Verifier
	cfg      Config
	stop     Stop
	early    [][]float64 // by share: the mean logarithm of the confidences
	final    []float64   // the probability that the finished picture is right
}

// collect draws noises of every task.
func (e *estimates) collect(ctx context.Context, tasks []Task) error {
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

func (e *estimates) add(ctx context.Context, prompt reflectionflow.Prompt, requests []reflectionflow.Request) error {
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
		var pictures []reflectionflow.PromptedImage
		for _, v := range previews {
			if v.Err != nil {
				return v.Err
			}
			pictures = append(pictures, reflectionflow.PromptedImage{Prompt: prompt, Image: v.Image})
		}
		scores, err := e.VerifyPreviews(ctx, pictures)
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
	var pictures []reflectionflow.PromptedImage
	for _, g := range generations {
		if g.Err != nil {
			return g.Err
		}
		pictures = append(pictures, reflectionflow.PromptedImage{Prompt: prompt, Image: g.Image})
	}
	scores, err := e.verifier.Verify(ctx, pictures)
	if err := cmp.Or(err, checkCount("scores", len(scores), len(pictures))); err != nil {
		return err
	}
	for _, s := range scores {
		e.final = append(e.final, e.stop.probability(s))
	}
	return nil
}

// Giving noises up must promise so much more, on all noises, and more at all on
// either half of the prompts.
const clearlyMore = 1.1

// choose picks the share and the threshold that promise most.
func (e *estimates) choose(s Seconds) Early {
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

// yield is the expected number of right pictures a second when noises are given up
// by the rule, over the prompts that count. Each prompt is reckoned by its own
// noises: over all of them together, a rule that gives up every noise of the difficult
// prompts would seem to know right pictures from wrong ones.
func (e *estimates) yield(rule Early, share int, s Seconds, counts func(prompt int) bool) float64 {
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

// yieldOf is the chance that one picture of a prompt, whose noises begin at first, is
// right, and the seconds that it takes.
func (e *estimates) yieldOf(first int, rule Early, share int, s Seconds) (right, seconds float64) {
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
	reached := 1.0 // the chance to get to each noise
	for range rule.Tries {
		right += reached * passed.sum / all.n
		seconds += reached * (s.Verify + (1-pass)*(look-s.Verify)) // a noise that passed goes on from its estimate
		reached *= 1 - pass
	}
	return right + reached*all.sum/all.n, seconds
}
