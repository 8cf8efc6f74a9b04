package fleet_test

import (
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/tracing"
	"reflectionflow/internal/tracing/tracetest"
)

// TestTrace continues the caller's trace on the worker. The trace is no part of the question:
// the answer of another trace is found again.
func TestTrace(t *testing.T) {
	receiver := tracetest.Start(t)
	url := startServer(t)
	engine := &fake{}
	work(t, connect(t, url), engine.engine("a"))
	f := open(t, connect(t, url))
	for range 2 {
		ctx, span := tracing.Begin(t.Context(), "generate")
		if _, err := f.Generator(model()).Generate(ctx, []reflectionflow.Request{request(1)}); err != nil {
			t.Fatal(err)
		}
		span.End(nil)
	}
	spans := receiver.Spans(t, 3)
	worker, caller := spans[0], spans[1]
	if worker.Name != "worker draw" || worker.Attributes["worker.name"] != "a" || worker.Trace != caller.Trace || worker.Parent != caller.ID || spans[2].Trace == caller.Trace {
		t.Errorf("spans %+v", spans)
	}
	if strings.Contains(receiver.Text(), "two clocks") {
		t.Error("a prompt was sent")
	}
}
