package flux1

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/weights"
	"reflectionflow/weights/layout"
)

// TransformerFile is the transformer of a single file, such as flux1-dev.safetensors or a GGUF file.
type TransformerFile struct {
	// Params are read from the shapes of the tensors.
	Params Params
	// Weights have the names and the layout of diffusers' FluxTransformer2DModel, whatever those of the file are.
	Weights weights.Source
	// Unused are the tensors of the transformer in the file that the network does not read.
	Unused []string
}

// ReadTransformer finds a FLUX.1 transformer among the tensors of a file, by their names and shapes: in the naming of
// Black Forest Labs or of diffusers, with or without the prefix that ComfyUI writes. Other parts of a combined
// checkpoint are ignored. Another model, a missing tensor and a wrong shape give an error wrapping
// [reflectionflow.ErrInvalid].
func ReadTransformer(source weights.Source) (*TransformerFile, error) {
	own, err := findLayout(source)
	if err != nil {
		return nil, err
	}
	tensors, problems := own.cuts()
	missing := problems.Serious()
	view, err := weights.NewView(source, tensors)
	if err != nil {
		return nil, err
	}
	file := &TransformerFile{Weights: view}
	if file.Params, err = readParams(view); err != nil {
		return nil, cmp.Or(missing.Err(), err)
	}
	if len(missing) > 0 {
		return nil, errors.Join(own.shape(missing, file.Params), missing.Err())
	}
	found, err := file.compare()
	if err != nil {
		return nil, err
	}
	for _, p := range append(problems, found...) {
		if p.Kind == flux.UnexpectedTensor {
			file.Unused = append(file.Unused, p.Tensor)
		}
	}
	return file, found.Serious().Err()
}

// transformerLayout gives a FLUX.1 transformer the names of diffusers. A file without one is left as it is: what is
// missing then shows.
func transformerLayout(source weights.Source) (weights.Source, error) {
	own, err := findLayout(source)
	if err != nil {
		return source, nil //nolint:nilerr // see above
	}
	tensors, _ := own.cuts()
	return weights.NewView(source, tensors)
}

// compare lists what of the weights does not fit the parameters.
func (f *TransformerFile) compare() (flux.Problems, error) {
	return flux.Component{Prefix: TransformerPrefix, Variables: f.Params.variables}.CheckSource(f.Weights)
}

// shape says of missing tensors, in the names of the file, which shapes they have in a transformer of these parameters.
func (l *fileLayout) shape(missing flux.Problems, p Params) error {
	variables, err := p.variables()
	if err != nil {
		return err
	}
	own := map[string][]int{}
	for _, v := range variables {
		own[v.Name] = v.Shape
	}
	shapes := map[string][]int{}
	for _, m := range l.moves() {
		part := own[m.to]
		if len(part) == 0 {
			continue
		}
		if whole := shapes[m.from]; whole != nil { // rows of one matrix
			whole[0] += part[0]
		} else {
			shapes[m.from] = slices.Clone(part)
		}
	}
	for i := range missing {
		if shape := shapes[strings.TrimPrefix(missing[i].Tensor, l.prefix)]; shape != nil {
			missing[i].Want = fmt.Sprint(shape, " ", flux.CommonType(l.source, len(shape)))
		}
	}
	return nil
}

// fileLayout is where and how a file holds a transformer.
type fileLayout struct {
	source weights.Source
	prefix string
	fused  bool     // in the naming of Black Forest Labs
	names  []string // of the transformer, without the prefix
}

func findLayout(source weights.Source) (*fileLayout, error) {
	all := source.Names()
	for _, prefix := range layout.TransformerPrefixes {
		l := &fileLayout{source: source, prefix: prefix}
		for _, name := range all {
			if own, ok := strings.CutPrefix(name, prefix); ok {
				l.names = append(l.names, own)
			}
		}
		if model := flux.Lookalike(all, prefix); model != "" {
			return nil, fmt.Errorf("%w: the file is a model of the kind %s, not a FLUX.1 transformer", reflectionflow.ErrInvalid, model)
		}
		// One of two tensors: the file may lack the other.
		l.fused = l.has("double_blocks.0.img_attn.qkv.weight") || l.has("double_blocks.0.img_mlp.0.weight")
		if l.fused || l.has("transformer_blocks.0.attn.add_q_proj.weight") || l.has("single_transformer_blocks.0.proj_mlp.weight") {
			return l, nil
		}
	}
	return nil, fmt.Errorf("%w: the file has no FLUX.1 transformer: none of its %d tensors is of one", reflectionflow.ErrInvalid, len(all))
}

// has reports whether the file has a tensor of the transformer.
func (l *fileLayout) has(name string) bool {
	_, ok := slices.BinarySearch(l.names, name)
	return ok
}

// blocks returns the number of blocks: one more than the largest index behind the kind, such as "double_blocks.".
func blocks(names []string, kind string) int {
	n := 0
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, kind); ok {
			index, _, _ := strings.Cut(rest, ".")
			if i, err := strconv.Atoi(index); err == nil && i < maxLayers {
				n = max(n, i+1)
			}
		}
	}
	return n
}

// cuts returns the tensors in diffusers' names and layout, and what is missing or unexpected.
func (l *fileLayout) cuts() (map[string][]weights.Cut, flux.Problems) {
	tensors := map[string][]weights.Cut{}
	if !l.fused {
		for _, name := range l.names {
			tensors[name] = []weights.Cut{{From: l.prefix + name}}
		}
		return tensors, nil
	}
	var problems flux.Problems
	used := map[string]bool{}
	for _, m := range l.moves() {
		from := l.spelling(m.from)
		if !l.has(from) {
			if !used[from] {
				problems = append(problems, flux.Problem{Component: TransformerPrefix, Kind: flux.MissingTensor, Tensor: l.prefix + m.from})
			}
			used[from] = true
			continue
		}
		used[from] = true
		cuts := slices.Clone(m.cuts)
		if cuts == nil {
			cuts = []weights.Cut{{}}
		}
		for i := range cuts {
			cuts[i].From = l.prefix + from
		}
		tensors[m.to] = cuts
	}
	for _, name := range l.names {
		if !used[name] && (l.prefix != "" || !otherPart(name)) {
			problems = append(problems, flux.Problem{Component: TransformerPrefix, Kind: flux.UnexpectedTensor, Tensor: l.prefix + name})
		}
	}
	return tensors, problems
}

// otherPart reports whether a tensor belongs to another part of a combined checkpoint.
func otherPart(name string) bool {
	for _, prefix := range []string{"text_encoders.", "vae.", "first_stage_model.", "cond_stage_model."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// spelling returns the name of a norm's weight as the file has it: newer files of ComfyUI write ".weight" for ".scale".
func (l *fileLayout) spelling(name string) string {
	if stem, ok := strings.CutSuffix(name, "_norm.scale"); ok && !l.has(name) && l.has(stem+"_norm.weight") {
		return stem + "_norm.weight"
	}
	return name
}
