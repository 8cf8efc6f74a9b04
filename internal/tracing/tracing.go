// Package tracing sends OpenTelemetry traces of jobs: job, candidate, call to a part, and work
// of another machine for that call. Nothing is traced before [Start]; spans are nil then, and
// their methods do nothing.
//
// Spans hold names, numbers and kinds of errors. Prompts, reflections, texts of errors, owners
// and keys are in none.
package tracing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"reflectionflow"
)

// Wanted reports whether the standard environment variables of OpenTelemetry ask for traces:
// an endpoint of OTLP is given, and nothing switches them off. A protocol or an exporter that
// this program does not have is an error wrapping [reflectionflow.ErrInvalid].
func Wanted(getenv func(string) string) (bool, error) {
	first := func(names ...string) (name, value string) {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return name, value
			}
		}
		return "", ""
	}
	_, endpoint := first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	_, exporter := first("OTEL_TRACES_EXPORTER")
	if endpoint == "" || exporter == "none" || getenv("OTEL_SDK_DISABLED") == "true" {
		return false, nil
	}
	if exporter != "" && exporter != "otlp" {
		return false, fmt.Errorf("%w: OTEL_TRACES_EXPORTER is %.40q: use otlp or none", reflectionflow.ErrInvalid, exporter)
	}
	if name, protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("%w: %s is %.40q: traces go out as http/protobuf", reflectionflow.ErrInvalid, name, protocol)
	}
	return true, nil
}

// started is the tracer after [Start], nil before.
var started atomic.Pointer[sdktrace.TracerProvider]

// Start sends traces to the endpoint of the environment until stop is called, which sends what
// is left. Report receives failures to send.
func Start(ctx context.Context, version string, report func(error)) (stop func(context.Context) error, err error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: traces: %v", reflectionflow.ErrInvalid, err)
	}
	self, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(
		attribute.String("service.name", "reflectionflow"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: traces: %v", reflectionflow.ErrInvalid, err), exporter.Shutdown(ctx))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(report))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(self), sdktrace.WithIDGenerator(ids{}))
	started.Store(provider)
	return func(ctx context.Context) error {
		started.CompareAndSwap(provider, nil)
		return provider.Shutdown(ctx)
	}, nil
}

// jobKey is the key of a job's ID in the context of its span.
type jobKey struct{}

// ids makes the ID of a job's trace from the job's ID: whichever server runs the job, and
// however often, it is one trace, which can be found by the job.
type ids struct{}

// NewIDs implements [sdktrace.IDGenerator].
func (g ids) NewIDs(ctx context.Context) (id trace.TraceID, _ trace.SpanID) {
	if job, ok := ctx.Value(jobKey{}).(string); ok {
		sum := sha256.Sum256([]byte(job))
		copy(id[:], sum[:])
	} else {
		_, _ = rand.Read(id[:])
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements [sdktrace.IDGenerator].
func (ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	_, _ = rand.Read(id[:])
	return id
}

// Attribute is a property of a span.
type Attribute = attribute.KeyValue

// Text is an attribute of text.
func Text(key, value string) Attribute { return attribute.String(key, value) }

// Number is an attribute of a whole number.
func Number(key string, value int) Attribute { return attribute.Int(key, value) }

// Amount is an attribute of a number.
func Amount(key string, value float64) Attribute { return attribute.Float64(key, value) }

// Span is a piece of work. All methods of a nil span do nothing.
type Span struct{ span trace.Span }

// Begin begins a span within that of the context.
func Begin(ctx context.Context, name string, attributes ...Attribute) (context.Context, *Span) {
	provider := started.Load()
	if provider == nil {
		return ctx, nil
	}
	ctx, span := provider.Tracer("reflectionflow").Start(ctx, name, trace.WithAttributes(attributes...))
	return ctx, &Span{span}
}

// BeginRequest begins the span of a request to this server, in the trace that the caller's
// header traceparent names, if any.
func BeginRequest(ctx context.Context, traceparent string, attributes ...Attribute) (context.Context, *Span) {
	provider := started.Load()
	if provider == nil {
		return ctx, nil
	}
	ctx, span := provider.Tracer("reflectionflow").Start(Continue(ctx, traceparent), "request", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
	return ctx, &Span{span}
}

// Current returns the span of the context, nil without tracing.
func Current(ctx context.Context) *Span {
	if started.Load() == nil {
		return nil
	}
	return &Span{trace.SpanFromContext(ctx)}
}

// Name renames the span.
func (s *Span) Name(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// BeginJob begins the span of a job, in a trace of its own.
func BeginJob(ctx context.Context, job string, attributes ...Attribute) (context.Context, *Span) {
	if started.Load() == nil {
		return ctx, nil
	}
	return Begin(context.WithValue(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), jobKey{}, job), "job", append(attributes, Text("job.id", job))...)
}

// Set adds attributes.
func (s *Span) Set(attributes ...Attribute) {
	if s != nil {
		s.span.SetAttributes(attributes...)
	}
}

// Note adds an event, such as that a wait is over.
func (s *Span) Note(name string) {
	if s != nil {
		s.span.AddEvent(name)
	}
}

// End ends the span. Of an error only the kind is sent: its text may quote a prompt.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	switch {
	case errors.Is(err, context.Canceled):
		s.span.SetAttributes(attribute.Bool("cancelled", true))
	case errors.Is(err, reflectionflow.ErrInvalid):
		s.span.SetStatus(codes.Error, "invalid request")
	case err != nil:
		s.span.SetStatus(codes.Error, "failed")
	}
	s.span.End()
}

// Within returns ctx with the span as the one that others begin in.
func (s *Span) Within(ctx context.Context) context.Context {
	if s == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// Parent returns the span of the context as a header traceparent of W3C, to continue the trace
// on another machine; it is empty without one.
func Parent(ctx context.Context) string {
	if started.Load() == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// Continue returns ctx with the span of a [Parent]; what is none is ignored.
func Continue(ctx context.Context, parent string) context.Context {
	if started.Load() == nil || parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}
