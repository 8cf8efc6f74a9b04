package remote_test

import (
	"errors"
	"image"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// fleet is a pool over n doubles of the same model.
func fleet(t *testing.T, n int) (*remote.Pool, []*testserver.SDCPP) {
	t.Helper()
	var doubles []*testserver.SDCPP
	var members []reflectionflow.Generator
	for range n {
		double := testserver.NewSDCPP(t)
		doubles = append(doubles, double)
		members = append(members, open(t, "sdcpp+"+double.URL+"?concurrency=1"))
	}
	p, err := remote.NewPool(members)
	if err != nil {
		t.Fatal(err)
	}
	return p, doubles
}

func seeds(n int) []reflectionflow.Request {
	list := make([]reflectionflow.Request, n)
	for i := range list {
		list[i] = requests()[0]
		list[i].Prompt = "two cats"
		list[i].Seed = uint64(100 + i)
	}
	return list
}

func TestPoolConformance(t *testing.T) {
	p, _ := fleet(t, 3)
	conformance.Generator(t, p, requests(), conformance.Options{})
}

// Check reports requests that cannot be served, for a pool by its members.
func TestCheck(t *testing.T) {
	generates := requests()[0]
	generates.Width, generates.Height = 1024, 1024
	corrects := generates
	corrects.Reflection, corrects.Reference = "Fix it.", image.Rect(0, 0, 1024, 1024)
	blind, sighted := open(t, "openai+http://127.0.0.1:9/v1?model=dall-e-3"), open(t, "sdcpp+http://127.0.0.1:9")
	mixed, err := remote.NewPool([]reflectionflow.Generator{sighted, blind})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		g     any
		knows bool
	}{"dall-e-3": {blind, false}, "stable-diffusion.cpp": {sighted, true}, "a pool of both": {mixed, false}} {
		c, ok := test.g.(reflectionflow.RequestChecker)
		if !ok {
			t.Fatalf("%s cannot tell", name)
		}
		if err := c.Check(generates); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Check(corrects); (err == nil) != test.knows || err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s corrects: %v", name, err)
		}
	}
}

// TestPool: every member gets work, and each request its own image.
func TestPool(t *testing.T) {
	p, doubles := fleet(t, 4)
	if p.Concurrency() != 4 {
		t.Errorf("concurrency %d", p.Concurrency())
	}
	list := seeds(16)
	out, err := p.Generate(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		wantImage(t, "image", out[i].Image, testserver.ImageRequest{Prompt: r.Prompt, Seed: r.Seed, Width: 64, Height: 64, Steps: 4, Guidance: 3.5})
	}
	for i, double := range doubles {
		if len(double.Generated()) == 0 {
			t.Errorf("member %d had nothing to do", i)
		}
	}
}

// TestPoolMemberGone: what one server cannot generate the others do; with none left the
// call fails, and a bad image affects no other.
func TestPoolMemberGone(t *testing.T) {
	p, doubles := fleet(t, 3)
	doubles[0].Close()
	doubles[1].Fail("POST /sdcpp/v1/img_gen", testserver.WithStatus(503, `{"error":"loading"}`))
	list := seeds(6)
	out, err := p.Generate(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		wantImage(t, "image", out[i].Image, testserver.ImageRequest{Prompt: r.Prompt, Seed: r.Seed, Width: 64, Height: 64, Steps: 4, Guidance: 3.5})
	}
	if n := len(doubles[1].Generated()) + len(doubles[2].Generated()); n != len(list) {
		t.Errorf("%d images for %d requests", n, len(list))
	}
	doubles[1].Break("out of memory")
	doubles[2].Break("out of memory")
	out, err = p.Generate(t.Context(), list[:1])
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the image", out[0].Err, endpoint.Failed)
	p, doubles = fleet(t, 2)
	doubles[0].Close()
	doubles[1].Close()
	if _, err = p.Generate(t.Context(), list); !endpoint.IsKind(err, endpoint.Refused) && !endpoint.IsKind(err, endpoint.BreakerOpen) {
		t.Errorf("got %v, want that nobody is there", err)
	}
	if _, err := p.Generate(t.Context(), []reflectionflow.Request{{}}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a bad request: %v", err)
	}
	if _, err := remote.NewPool(nil); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("no members: %v", err)
	}
}
