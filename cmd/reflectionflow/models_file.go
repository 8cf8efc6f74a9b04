package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/internal/progress"
	"reflectionflow/weights"
)

// isFile reports whether the path is of a file and not of a folder.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// checkFile says what a single file of weights is: its format, the types of its tensors and the models in it. A FLUX.1
// transformer must be whole.
func (p *program) checkFile(path string) (err error) {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	summary, err := countTensors(f)
	if err != nil {
		return err
	}
	if err := printTo(p.stdout, fmt.Sprintf("%s  %s, %s\n", path, f.Format(), summary)); err != nil {
		return err
	}
	parts := flux.Identify(f)
	if len(parts) == 0 {
		return printTo(p.stdout, "none of the models that this program knows\n")
	}
	for _, part := range parts {
		line := part.Kind + ": " + part.Model
		if part == (flux.FilePart{Kind: "transformer", Model: "FLUX.1"}) {
			if line, err = describeTransformer(f); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		if err := printTo(p.stdout, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// countTensors counts tensors, parameters and types.
func countTensors(source weights.Source) (string, error) {
	types := map[string]int{}
	parameters := 0
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return "", err
		}
		types[info.Type]++
		parameters += info.Elements()
	}
	order := slices.SortedFunc(maps.Keys(types), func(a, b string) int {
		return cmp.Or(cmp.Compare(types[b], types[a]), cmp.Compare(a, b))
	})
	var counts []string
	for _, t := range order {
		counts = append(counts, fmt.Sprintf("%d %s", types[t], t))
	}
	return fmt.Sprintf("%s, %s (%s)", progress.Plural(parameters, "parameter"), progress.Plural(len(source.Names()), "tensor"), strings.Join(counts, ", ")), nil
}

// describeTransformer reads a FLUX.1 transformer and says its sizes.
func describeTransformer(source weights.Source) (string, error) {
	t, err := flux1.ReadTransformer(source)
	if err != nil {
		return "", err
	}
	model := "FLUX.1 without guidance (as schnell)"
	if t.Params.GuidanceEmbeds {
		model = "FLUX.1 with guidance (as dev, Krea and Kontext)"
	}
	line := fmt.Sprintf("transformer: %s, %d + %d blocks of width %d, whole", model, t.Params.NumLayers, t.Params.NumSingleLayers, t.Params.Hidden())
	if len(t.Unused) > 0 {
		line += fmt.Sprintf(", %s not used (such as %s)", progress.Plural(len(t.Unused), "tensor"), t.Unused[0])
	}
	return line, nil
}
