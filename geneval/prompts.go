package geneval

import (
	"maps"
	"math/rand/v2"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
)

// AsPrompt states the line as a prompt with typed requirements, in the order in
// which [clipart.Parse] finds them in GenEval's wording. An upper bound that is
// not "exactly as many as included" and not "none" has no such form and is an
// error wrapping [reflectionflow.ErrInvalid]. A prompt of another suite has no requirements.
func (m Metadata) AsPrompt() (reflectionflow.Prompt, error) {
	if err := m.Validate(); err != nil {
		return reflectionflow.Prompt{}, err
	}
	if m.Suite != "" {
		return reflectionflow.Prompt{Text: m.Prompt}, nil
	}
	var placed, others, positions []reflectionflow.Requirement
	bounded := make([]bool, len(m.Exclude))
	for _, c := range m.Include {
		r := reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: c.Class, Color: c.Color, Count: c.Count}
		if i := slices.Index(m.Exclude, Exclude{c.Class, c.Count + 1}); i >= 0 && c.Color == "" {
			r.Kind, bounded[i] = reflectionflow.Exactly, true
		}
		if c.Position == nil {
			others = append(others, r)
			continue
		}
		target := m.Include[c.Position.Target]
		placed = append(placed, r)
		position := reflectionflow.Requirement{
			Kind: reflectionflow.Position, Object: c.Class, Color: c.Color,
			Relation: c.Position.Relation, Target: target.Class, TargetColor: target.Color,
		}
		if c.Count > 1 {
			position.Count = c.Count
		}
		positions = append(positions, position)
	}
	requirements := slices.Concat(placed, others, positions)
	for i, x := range m.Exclude {
		switch {
		case bounded[i]:
		case x.Count == 1:
			requirements = append(requirements, reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: x.Class})
		default:
			return reflectionflow.Prompt{}, invalid("%.80q: fewer than %d %s cannot be asked for without asking for %d", m.Prompt, x.Count, x.Class, x.Count-1)
		}
	}
	return reflectionflow.Prompt{Text: m.Prompt, Requirements: requirements}, nil
}

// FromPrompt states a prompt of a task as GenEval does. Requirements that
// GenEval has no form for (exactly so many of a color, none of a color) are an
// error wrapping [reflectionflow.ErrInvalid].
func FromPrompt(tag string, p reflectionflow.Prompt) (Metadata, error) {
	m := Metadata{Tag: tag, Prompt: p.Text}
	positions := make(map[reflectionflow.Requirement]bool)
	for _, r := range p.Requirements {
		if r.Kind == reflectionflow.Position {
			positions[r] = true
		}
	}
	for pass := range 2 { // targets come before what refers to them
		for _, r := range p.Requirements {
			position, placed := positionOf(r, p.Requirements)
			if placed != (pass == 1) || r.Kind == reflectionflow.Position {
				continue
			}
			if err := m.add(r); err != nil {
				return Metadata{}, err
			}
			if !placed {
				continue
			}
			target := slices.IndexFunc(m.Include, func(c Include) bool {
				return c.Class == position.Target && c.Color == position.TargetColor
			})
			if target < 0 || target == len(m.Include)-1 {
				return Metadata{}, invalid("%.80q: %s: nothing asks for the %s alone", p.Text, position, position.Target)
			}
			m.Include[len(m.Include)-1].Position = &Position{Relation: position.Relation, Target: target}
			delete(positions, position)
		}
	}
	for _, r := range p.Requirements { // in order, so that the message is always the same
		if positions[r] {
			return Metadata{}, invalid("%.80q: %s cannot be said in GenEval's form", p.Text, r)
		}
	}
	return m, m.Validate()
}

// add appends the clauses of a requirement that is no position.
func (m *Metadata) add(r reflectionflow.Requirement) error {
	switch {
	case r.Kind == reflectionflow.AtLeast:
		m.Include = append(m.Include, Include{Class: r.Object, Count: r.Count, Color: r.Color})
	case r.Kind == reflectionflow.Exactly && r.Color == "":
		m.Include = append(m.Include, Include{Class: r.Object, Count: r.Count})
		m.Exclude = append(m.Exclude, Exclude{Class: r.Object, Count: r.Count + 1})
	case r.Kind == reflectionflow.Absent && r.Color == "":
		m.Exclude = append(m.Exclude, Exclude{Class: r.Object, Count: 1})
	default:
		return invalid("%.80q: %s cannot be said in GenEval's form", m.Prompt, r)
	}
	return nil
}

// positionOf finds the first position that speaks of what r asks for.
func positionOf(r reflectionflow.Requirement, all []reflectionflow.Requirement) (reflectionflow.Requirement, bool) {
	if r.Kind != reflectionflow.AtLeast && r.Kind != reflectionflow.Exactly {
		return reflectionflow.Requirement{}, false
	}
	for _, p := range all {
		if p.Kind == reflectionflow.Position && p.Object == r.Object && p.Color == r.Color {
			return p, true
		}
	}
	return reflectionflow.Requirement{}, false
}

// Builtin samples n different prompts of a split, spread evenly over the tasks, such as
// [clipart.Tasks], about the classes that a model knows (none means all 80). The other tasks
// take the share of a task that has too few prompts. The same arguments give the
// same prompts. The error wraps [reflectionflow.ErrInvalid] where the classes are
// unknown or allow fewer than n prompts.
func Builtin(tasks []clipart.Task, split clipart.Split, known []string, n int, seed uint64) ([]Metadata, error) {
	sampler, err := clipart.NewSampler(known...)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxPrompts {
		return nil, invalid("%d prompts: must be from 1 to %d", n, maxPrompts)
	}
	var all []Metadata
	for i, task := range tasks {
		rng := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // reproducible on purpose
		for _, p := range sampler.Prompts(task, split, n, rng) {
			m, err := FromPrompt(string(task), p)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	if len(all) < n {
		return nil, invalid("%d prompts: these classes allow only %d of split %q", n, len(all), split)
	}
	return First(all, n), nil
}

// Limit picks n of the list, spread evenly over the tags and over the list, in
// the list's order. 0 and more than there are mean all.
func Limit(list []Metadata, n int) []Metadata {
	return choose(list, n, func(indices []int, k int) []int {
		spread := make([]int, k)
		for i := range spread {
			spread[i] = indices[i*len(indices)/k]
		}
		return spread
	})
}

// First picks n of the list, the first of every tag, spread evenly over the tags,
// in the list's order. 0 and more than there are mean all.
func First(list []Metadata, n int) []Metadata {
	return choose(list, n, func(indices []int, k int) []int { return indices[:k] })
}

func choose(list []Metadata, n int, pick func(indices []int, k int) []int) []Metadata {
	if n <= 0 || n >= len(list) {
		return slices.Clone(list)
	}
	byTag := make(map[string][]int)
	for i, m := range list {
		byTag[m.Tag] = append(byTag[m.Tag], i)
	}
	share := make(map[string]int)
	tags := tagsIn(slices.Collect(maps.Keys(byTag)))
	for left := n; left > 0; {
		for _, tag := range tags {
			if left > 0 && share[tag] < len(byTag[tag]) {
				share[tag]++
				left--
			}
		}
	}
	var chosen []int
	for _, tag := range tags {
		if share[tag] > 0 {
			chosen = append(chosen, pick(byTag[tag], share[tag])...)
		}
	}
	slices.Sort(chosen)
	picked := make([]Metadata, len(chosen))
	for i, index := range chosen {
		picked[i] = list[index]
	}
	return picked
}
