package service

import (
	"context"
	"image"
	"sync"
	"sync/atomic"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
)

func TestGateBoundsAndTakesTurns(t *testing.T) {
	var under, most atomic.Int64
	begin := make(chan struct{})
	var mutex sync.Mutex
	var order []string
	g := share(reflectionflow.GeneratorFunc(func(_ context.Context, r reflectionflow.Request) (image.Image, error) {
		<-begin
		n := under.Add(1)
		defer under.Add(-1)
		most.Store(max(most.Load(), n))
		mutex.Lock()
		order = append(order, r.Prompt)
		mutex.Unlock()
		return image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height)), nil
	}), newTurns(1))
	requests := func(prompt string, n int) (list []reflectionflow.Request) {
		for i := range n {
			list = append(list, reflectionflow.Request{Prompt: prompt, Seed: uint64(i), Width: 16, Height: 16, Steps: 1})
		}
		return list
	}
	var done sync.WaitGroup
	waiting := g.(*gate).turns
	for prompt, n := range map[string]int{"many": 9, "few": 2} {
		done.Go(func() {
			if _, err := g.Generate(t.Context(), requests(prompt, n)); err != nil {
				t.Error(err)
			}
		})
	}
	for { // one request has the slot, and the others of both callers wait
		waiting.mutex.Lock()
		n := len(waiting.waiting)
		waiting.mutex.Unlock()
		if n == 10 {
			break
		}
	}
	close(begin)
	done.Wait()
	last := 0
	for i, prompt := range order {
		if prompt == "few" {
			last = i
		}
	}
	if most.Load() != 1 || last > 4 {
		t.Errorf("%d images under way at most; order %v", most.Load(), order)
	}
}

func TestGateStopsOneCaller(t *testing.T) {
	g := share(reflectionflow.GeneratorFunc(func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
		if r.Prompt == "stops" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return image.NewNRGBA(image.Rect(0, 0, 16, 16)), nil
	}), newTurns(2))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		_, err := g.Generate(ctx, []reflectionflow.Request{{Prompt: "stops", Width: 16, Height: 16, Steps: 1}})
		stopped <- err
	}()
	if _, err := g.Generate(t.Context(), []reflectionflow.Request{{Prompt: "goes", Width: 16, Height: 16, Steps: 1}}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-stopped; err == nil {
		t.Error("a cancelled call has no error")
	}
}

func TestGateConforms(t *testing.T) {
	g := share(reflectionflow.GeneratorFunc(func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
		img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		img.Pix[0], img.Pix[3] = uint8(r.Seed), 255
		return img, ctx.Err()
	}), newTurns(2))
	var requests []reflectionflow.Request
	for seed := range uint64(4) {
		requests = append(requests, reflectionflow.Request{Prompt: "a cup", Seed: seed, Width: 16, Height: 16, Steps: 2, Guidance: 1})
	}
	conformance.Generator(t, g, requests, conformance.Options{})
}
