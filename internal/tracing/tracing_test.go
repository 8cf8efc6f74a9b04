package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/tracing"
	"reflectionflow/internal/tracing/tracetest"
)

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		env     string
		want    bool
		invalid string
	}{
		{"", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318", true, ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://a:4318/v1/traces OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_TRACES_EXPORTER=otlp", true, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318 OTEL_TRACES_EXPORTER=none", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318 OTEL_SDK_DISABLED=true", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc", false, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318 OTEL_TRACES_EXPORTER=zipkin", false, "OTEL_TRACES_EXPORTER"},
	} {
		got, err := tracing.Wanted(func(name string) string {
			for pair := range strings.FieldsSeq(c.env) {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if got != c.want || (err != nil) != (c.invalid != "") || err != nil && (!errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.invalid)) {
			t.Errorf("%q: %v, %v", c.env, got, err)
		}
	}
}

// TestOff begins nothing before Start, and allocates nothing.
func TestOff(t *testing.T) {
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		inner, span := tracing.Begin(ctx, "call")
		span.Note("x")
		span.End(nil)
		if inner != ctx || tracing.Parent(ctx) != "" || tracing.Continue(ctx, "x") != ctx {
			t.Error("something is traced")
		}
	}); n > 0 {
		t.Errorf("%g allocations of a span that nobody asked for", n)
	}
}

func TestSpans(t *testing.T) {
	receiver := tracetest.Start(t)
	ctx, job := tracing.BeginJob(t.Context(), "j1", tracing.Text("job.model", "paint"))
	inner, call := tracing.Begin(ctx, "generate", tracing.Number("n", 3))
	parent := tracing.Parent(inner)
	_, far := tracing.Begin(tracing.Continue(context.Background(), parent), "worker draw")
	far.End(fmt.Errorf("%w: a secret prompt", reflectionflow.ErrInvalid))
	call.End(context.Canceled)
	job.End(errors.New("a secret prompt"))
	_, again := tracing.BeginJob(t.Context(), "j1")
	again.End(nil)
	if inner := tracing.Continue(t.Context(), "no parent"); tracing.Parent(inner) != "" {
		t.Error("a damaged parent is one")
	}
	spans := receiver.Spans(t, 4)
	worker, generate, first, second := spans[0], spans[1], spans[2], spans[3]
	if worker.Name != "worker draw" || worker.Parent != generate.ID || generate.Parent != first.ID || first.Parent != "" {
		t.Errorf("spans %+v", spans)
	}
	if first.Trace != second.Trace || worker.Trace != first.Trace || first.ID == second.ID || len(first.Trace) != 32 {
		t.Errorf("one job has traces %s, %s and %s", first.Trace, second.Trace, worker.Trace)
	}
	if first.Attributes["job.id"] != "j1" || generate.Attributes["n"] != "3" || generate.Attributes["cancelled"] != "true" || worker.Status != "invalid request" || first.Status != "failed" {
		t.Errorf("spans %+v", spans)
	}
	if text := receiver.Text(); strings.Contains(text, "secret") || !strings.Contains(text, "reflectionflow") {
		t.Errorf("sent %s", text)
	}
}
