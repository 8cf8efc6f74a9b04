package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/lora"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
	"reflectionflow/weights"
)

// isFile reports whether the path is of a file and not of a folder.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// checkFile says what a single file of weights is: its format, the types of its tensors and the models in it. A
// transformer of FLUX must be whole; with the files that it lacks, it is checked as a model.
func (p *program) checkFile(ctx context.Context, path string, o checkOptions) error {
	transformer, err := p.describeFile(path)
	if err != nil || !transformer {
		return err
	}
	model, err := assemble.OpenInspected(path, o.files)
	if errors.Is(err, reflectionflow.ErrInvalid) && !errors.Is(err, flux2.ErrUnsupported) && len(o.files.Paths()) == 0 {
		return printTo(p.stdout, "not yet a model: "+plainError(err)+"\n") // it is one part of several
	}
	if err != nil {
		return err
	}
	return p.checkModel(ctx, path, model, o)
}

// describeFile says what is in a file, and whether it has a transformer that this program runs.
func (p *program) describeFile(path string) (transformer bool, err error) {
	f, err := weights.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	summary, err := countTensors(f)
	if err != nil {
		return false, err
	}
	if err := printTo(p.stdout, fmt.Sprintf("%s  %s, %s\n", path, f.Format(), summary)); err != nil {
		return false, err
	}
	parts := flux.Identify(f)
	if len(parts) == 0 {
		return false, printTo(p.stdout, "none of the models that this program knows\n")
	}
	for _, part := range parts {
		line := part.Kind + ": " + part.Model
		if part.Kind == "LoRA" {
			line = describeLoRA(f.Names())
		}
		if describe := describers[part]; describe != nil {
			transformer = true
			if line, err = describe(f); err != nil {
				if unfit, ok := errors.AsType[*flux.UnfitError](err); ok {
					err = errors.Join(printTo(p.stdout, strings.Join(unfit.Problems.Report(), "\n")+"\n"), err)
				}
				return false, fmt.Errorf("%s: %w", path, err)
			}
		}
		if err := printTo(p.stdout, line+"\n"); err != nil {
			return false, err
		}
	}
	return transformer, nil
}

// describeLoRA says which model a LoRA is for, or what the file is instead of a LoRA.
func describeLoRA(names []string) string {
	if other := lora.OtherKind(names); other != "" {
		return other + ", which this program does not read"
	}
	if model := lora.MadeFor(names); model != "" {
		return "LoRA for " + model + ": generate --model MODEL --lora FILE"
	}
	return "LoRA for a model that its names do not tell"
}

// describers describe the transformers that this program runs.
var describers = map[flux.FilePart]func(weights.Source) (string, error){
	{Kind: "transformer", Model: "FLUX.1"}: describeTransformer,
	{Kind: "transformer", Model: "FLUX.2"}: describeTransformer2,
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

// describeTransformer2 reads a FLUX.2 transformer and says its sizes.
func describeTransformer2(source weights.Source) (string, error) {
	p, err := flux2.ReadTransformer(source)
	if err != nil {
		return "", err
	}
	model := "FLUX.2 [klein]"
	if p.GuidanceEmbeds {
		model = "FLUX.2 [dev]"
	}
	return fmt.Sprintf("transformer: %s, %d + %d blocks of width %d, whole", model, p.NumLayers, p.NumSingleLayers, p.Hidden()), nil
}
