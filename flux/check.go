package flux

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
)

// ProblemKind says what is wrong with a tensor.
type ProblemKind string

// The kinds of [Problem].
const (
	MissingTensor    ProblemKind = "missing"
	UnexpectedTensor ProblemKind = "unexpected"
	WrongShape       ProblemKind = "wrong shape"
	WrongDType       ProblemKind = "wrong dtype"
)

// Problem is a difference between a weight file and what the network needs.
type Problem struct {
	Component string // the subfolder, such as "transformer"
	Kind      ProblemKind
	Tensor    string
	Have      string // the shape or the dtype in the file, for wrong ones
	Want      string // what the network needs instead; shape and dtype of a missing tensor
}

// String describes the problem in one line.
func (p Problem) String() string {
	switch p.Kind {
	case WrongShape, WrongDType:
		return fmt.Sprintf("%s: tensor %q has %s %s, the model needs %s", p.Component, p.Tensor, strings.TrimPrefix(string(p.Kind), "wrong "), p.Have, p.Want)
	}
	text := fmt.Sprintf("%s: tensor %q is %s", p.Component, p.Tensor, p.Kind)
	if p.Want != "" {
		text += ": " + p.Want
	}
	return text
}

// Problems are the differences between a folder and what its networks need.
type Problems []Problem

// namedPerKind bounds an error about problems, which can be as many as a model has tensors.
const namedPerKind = 3

// Report describes all problems. Those of tensors whose names differ in the number of their block only are one line, as
// in "transformer: tensor "transformer_blocks.{0..18}.attn.to_q.weight" is missing: [3072 3072] BF16".
func (all Problems) Report() []string {
	type row struct {
		Problem
		blocks []int // the numbers, of a name that has one
	}
	var rows []*row
	found := map[Problem]*row{}
	for _, p := range all {
		pattern, block, ok := cutBlock(p.Tensor)
		p.Tensor = pattern
		r := found[p]
		if r == nil {
			r = &row{Problem: p}
			found[p], rows = r, append(rows, r)
		}
		if ok {
			r.blocks = append(r.blocks, block)
		}
	}
	var lines []string
	for _, r := range rows {
		r.Tensor = strings.Replace(r.Tensor, blockMark, ranges(r.blocks), 1)
		lines = append(lines, r.String())
	}
	return lines
}

// blockMark stands for the number of a block in a name.
const blockMark = "\x00"

// cutBlock replaces the first part of a name that is a number by the mark.
func cutBlock(name string) (pattern string, block int, ok bool) {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		if n, err := strconv.Atoi(part); err == nil && n >= 0 && strconv.Itoa(n) == part {
			parts[i] = blockMark
			return strings.Join(parts, "."), n, true
		}
	}
	return name, 0, false
}

// ranges writes numbers as "3", or as "{0..2,4}".
func ranges(numbers []int) string {
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	var list []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] == numbers[last]+1 {
			last++
		}
		text := strconv.Itoa(numbers[i])
		if last > i {
			text += ".." + strconv.Itoa(numbers[last])
		}
		list, i = append(list, text), last+1
	}
	if len(numbers) == 1 {
		return list[0]
	}
	return "{" + strings.Join(list, ",") + "}"
}

// Err summarizes the problems in one line, as an error wrapping [reflectionflow.ErrInvalid]; nil if there are none.
func (all Problems) Err() error {
	if len(all) == 0 {
		return nil
	}
	var parts []string
	for _, same := range all.groups() {
		var names []string
		for _, p := range same[:min(len(same), namedPerKind)] {
			name := p.Tensor
			if p.Have != "" {
				name += " is " + p.Have + ", must be " + p.Want
			}
			names = append(names, name)
		}
		if len(same) > namedPerKind {
			names = append(names, "…")
		}
		parts = append(parts, fmt.Sprintf("%s: %s: %d (%s)", same[0].Component, same[0].Kind, len(same), strings.Join(names, ", ")))
	}
	text := fmt.Errorf("%w: the weights do not fit the model: %s%s", reflectionflow.ErrInvalid, strings.Join(parts, "; "), all.advice())
	return &UnfitError{all, text}
}

// UnfitError is the error for weights that do not fit a network. Its text names a few of the problems.
type UnfitError struct {
	Problems Problems
	error
}

// Unwrap returns an error that wraps [reflectionflow.ErrInvalid].
func (e *UnfitError) Unwrap() error { return e.error }

// advice names the layout of the files, if it is a known one of another kind.
func (all Problems) advice() string {
	for _, p := range all {
		switch {
		case p.Kind == UnexpectedTensor && strings.Contains(p.Tensor, "double_blocks."):
			return "; the tensor names are those of Black Forest Labs' single file: use a folder in diffusers' layout"
		}
	}
	return ""
}

// groups collects the problems of one component and kind, in the order of the list.
func (all Problems) groups() [][]Problem {
	var groups [][]Problem
	for _, p := range all {
		at := slices.IndexFunc(groups, func(g []Problem) bool { return g[0].Component == p.Component && g[0].Kind == p.Kind })
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], p)
	}
	return groups
}

// Serious leaves out tensors that no network reads.
func (all Problems) Serious() Problems {
	return slices.DeleteFunc(slices.Clone(all), func(p Problem) bool { return p.Kind == UnexpectedTensor })
}
