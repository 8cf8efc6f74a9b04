package flux

import (
	"fmt"
	"slices"
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
	Want      string // what the network needs instead
}

// String describes the problem in one line.
func (p Problem) String() string {
	switch p.Kind {
	case WrongShape, WrongDType:
		return fmt.Sprintf("%s: tensor %q has %s %s, the model needs %s", p.Component, p.Tensor, strings.TrimPrefix(string(p.Kind), "wrong "), p.Have, p.Want)
	}
	return fmt.Sprintf("%s: tensor %q is %s", p.Component, p.Tensor, p.Kind)
}

// Problems are the differences between a folder and what its networks need.
type Problems []Problem

// Bounds of the messages about problems, which can be as many as a model has tensors.
const (
	listedPerKind = 10 // in a report
	namedPerKind  = 3  // in an error
)

// Report describes the problems, one per line: for each component and kind the first ten, then how many more there are.
func (all Problems) Report() []string {
	var lines []string
	for _, same := range all.groups() {
		for _, p := range same[:min(len(same), listedPerKind)] {
			lines = append(lines, p.String())
		}
		if more := len(same) - listedPerKind; more > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d more (%s)", same[0].Component, more, same[0].Kind))
		}
	}
	return lines
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
	return fmt.Errorf("%w: the weights do not fit the model: %s%s", reflectionflow.ErrInvalid, strings.Join(parts, "; "), all.advice())
}

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
