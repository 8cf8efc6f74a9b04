package flux

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
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
		case p.Kind == WrongDType && strings.HasPrefix(p.Have, "F8"):
			return "; 8-bit floats are not supported: use a file in BF16, F16 or F32"
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

// serious leaves out tensors that no network reads.
func (all Problems) serious() Problems {
	return slices.DeleteFunc(slices.Clone(all), func(p Problem) bool { return p.Kind == UnexpectedTensor })
}

// CheckWeights compares the weight files of the four networks with what the configuration files ask for: the name, the
// shape and the dtype of every tensor. It reads the headers of the files only. A file that cannot be read is an error;
// what does not fit is in the list.
func (f *Folder) CheckWeights() (Problems, error) {
	var all Problems
	for _, c := range components {
		file, err := f.open(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.prefix, err)
		}
		found, err := c.compare(f, file)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// open opens the weight file of a network, or its shards.
func (f *Folder) open(c component) (*safetensors.File, error) {
	if f.dir != "" {
		return safetensors.OpenSharded(filepath.Join(f.dir, c.prefix), c.stem)
	}
	return safetensors.OpenShardedFS(f.fsys, c.prefix, c.stem)
}

// compare lists what of the file does not fit the network: missing tensors and wrong ones in the order in which the
// network asks for them, then unexpected ones by name.
func (c component) compare(f *Folder, file *safetensors.File) (Problems, error) {
	variables, err := c.variables(f)
	if err != nil {
		return nil, err
	}
	have := c.resolve(file)
	var problems Problems
	for _, v := range variables {
		problem, err := c.compareOne(file, v, have[v.Name])
		if err != nil {
			return nil, err
		}
		if problem.Kind != "" {
			problems = append(problems, problem)
		}
		delete(have, v.Name)
	}
	var unexpected []string
	for _, name := range have {
		unexpected = append(unexpected, name)
	}
	slices.Sort(unexpected)
	for _, name := range unexpected {
		problems = append(problems, Problem{Component: c.prefix, Kind: UnexpectedTensor, Tensor: name})
	}
	return problems, nil
}

// compareOne returns what is wrong with the tensor name of the file, "" if the file lacks it, or no problem.
func (c component) compareOne(file *safetensors.File, want nn.Variable, name string) (Problem, error) {
	p := Problem{Component: c.prefix, Tensor: want.Name}
	if name == "" {
		p.Kind = MissingTensor
		return p, nil
	}
	info, err := file.Info(name)
	if err != nil {
		return Problem{}, err
	}
	switch {
	case !slices.Equal(info.Shape, want.Shape):
		p.Kind, p.Have, p.Want = WrongShape, fmt.Sprint(info.Shape), fmt.Sprint(want.Shape)
	case !isFloat(info.DType):
		p.Kind, p.Have, p.Want = WrongDType, string(info.DType), "BF16, F16, F32 or F64"
	default:
		return Problem{}, nil
	}
	return p, nil
}

// isFloat tells whether [LoadWeights] can read the type.
func isFloat(dtype safetensors.DType) bool {
	switch dtype {
	case safetensors.F64, safetensors.F32, safetensors.F16, safetensors.BF16:
		return true
	}
	return false
}
