package fluxtest

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/nn"
)

// KeepsMemory demands that [flux.Pipeline.Memory] is what an image takes: it is generated
// within that and what the program itself takes, and not within half of it. A bound below
// refuses it before anything runs. The image has to take some hundred megabytes.
func KeepsMemory(t *testing.T, open func(flux.Options) *flux.Pipeline, r reflectionflow.Request) {
	t.Helper()
	need, err := open(flux.Options{Workers: 1}).Memory(r)
	if err != nil || need < 150<<20 {
		t.Fatalf("%d bytes, %v", need, err)
	}
	bounded := open(flux.Options{Workers: 1, Memory: need - 1})
	_, err = bounded.Generate(t.Context(), []reflectionflow.Request{r})
	for _, err := range []error{err, bounded.Check(r)} {
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "raise the bound") {
			t.Errorf("a bound that is too low: %v", err)
		}
	}
	const program = 96 << 20 // compiled programs, scratch memory and garbage
	peak, err := generateWithin(t, open(flux.Options{Workers: 1, Memory: need}), r, need+program)
	t.Logf("needs %d MB, took %d", need/1e6, peak/1e6)
	if err != nil || peak > need+program+program/10 {
		t.Errorf("an image that is to take %d bytes took %d: %v", need, peak, err)
	}
	if _, err := generateWithin(t, open(flux.Options{Workers: 1}), r, need/2); err == nil || !strings.Contains(err.Error(), "needs") {
		t.Errorf("an image that takes %d bytes was generated within half of it: %v", need, err)
	}
}

// Fill gives a network weights of one small value.
func Fill(t *testing.T, store *nn.Store, c flux.Component) {
	t.Helper()
	variables, err := c.Variables()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables {
		store.Set(c.Prefix+"."+v.Name, slices.Repeat([]float32{0.01}, v.Size()), v.Shape...)
	}
}

// generateWithin generates an image with as much memory beside what is in use, and returns
// the most that was seen in use of it.
func generateWithin(t *testing.T, p *flux.Pipeline, r reflectionflow.Request, most int64) (peak int64, err error) {
	t.Helper()
	runtime.GC() // twice: arenas survive the first
	runtime.GC()
	debug.FreeOSMemory()
	debug.SetMemoryLimit(inUse() + most)
	defer debug.SetMemoryLimit(math.MaxInt64)
	done, seen := make(chan struct{}), make(chan int64)
	go func() {
		least := most
		for {
			least = min(least, cpu.FreeMemory())
			select {
			case <-done:
				seen <- most - least
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	out, err := p.Generate(t.Context(), []reflectionflow.Request{r})
	close(done)
	if err == nil {
		err = out[0].Err
	}
	return <-seen, err
}

// inUse returns the bytes that count against the memory limit, with the arenas of package
// cpu, which the runtime does not know.
func inUse() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	heap := int64(s[0].Value.Uint64() - s[1].Value.Uint64())
	const plenty = 1 << 30
	debug.SetMemoryLimit(heap + plenty)
	return heap + plenty - cpu.FreeMemory()
}
