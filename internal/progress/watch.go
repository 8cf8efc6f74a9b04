package progress

import (
	"context"

	"reflectionflow"
)

// Watch returns the generator, which calls tell with its requests before it generates
// their images or previews. It is a [reflectionflow.Previewer] if g is one.
func Watch(g reflectionflow.Generator, tell func([]reflectionflow.Request)) reflectionflow.Generator {
	if p, ok := g.(reflectionflow.Previewer); ok {
		return watchedPreviewer{p, tell}
	}
	return watched{g, tell}
}

type watched struct {
	reflectionflow.Generator
	tell func([]reflectionflow.Request)
}

func (w watched) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	w.tell(requests)
	return w.Generator.Generate(ctx, requests)
}

func (w watched) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(w.Generator, r)
}

type watchedPreviewer struct {
	reflectionflow.Previewer
	tell func([]reflectionflow.Request)
}

func (w watchedPreviewer) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	w.tell(requests)
	return w.Previewer.Generate(ctx, requests)
}

func (w watchedPreviewer) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(w.Previewer, r)
}

func (w watchedPreviewer) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	w.tell(requests)
	return w.Previewer.Preview(ctx, requests, steps)
}
