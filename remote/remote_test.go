package remote_test

import (
	"context"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/testserver"
	"reflectionflow/remote"
)

// Options reach the client: the price is charged per image, and progress is reported.
func TestOptions(t *testing.T) {
	server := testserver.NewSDCPP(t)
	reported := make(chan remote.Progress, 100)
	g, err := remote.Open("sdcpp+"+server.URL, remote.Options{
		Price:    remote.Price{PerImage: 0.25},
		Progress: func(p remote.Progress) { reported <- p },
	})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := remote.NewPool([]reflectionflow.Generator{g})
	if err != nil {
		t.Fatal(err)
	}
	r := reflectionflow.Request{Prompt: "a cat", Seed: 1, Width: 64, Height: 64, Steps: 2, Guidance: 1}
	out, err := pool.Generate(context.Background(), []reflectionflow.Request{r})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	if out[0].Cost.USD != 0.25 || out[0].Cost.Images != 1 {
		t.Errorf("cost %+v, want 0.25 USD for one image", out[0].Cost)
	}
	select {
	case p := <-reported:
		if p.Request.Prompt != r.Prompt {
			t.Errorf("progress of %q, want of %q", p.Request.Prompt, r.Prompt)
		}
	default:
		t.Error("no progress was reported")
	}
}

// A model that the server does not have is an error of the generator.
func TestModelIsPinned(t *testing.T) {
	server := testserver.NewSDCPP(t)
	server.SetModel("flux")
	g, err := remote.Open("sdcpp+"+server.URL, remote.Options{Model: "other"})
	if err != nil {
		t.Fatal(err)
	}
	r := reflectionflow.Request{Prompt: "a cat", Width: 64, Height: 64, Steps: 2, Guidance: 1}
	out, err := g.Generate(context.Background(), []reflectionflow.Request{r})
	if err == nil && out[0].Err == nil {
		t.Error("an image of another model was accepted")
	}
}
