// Package tracetest receives traces as OTLP over HTTP, for tests.
package tracetest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"reflectionflow/internal/tracing"
)

// Receiver is a server that receives traces.
type Receiver struct {
	mutex sync.Mutex
	spans []Span
	text  strings.Builder
	stop  func()
}

// Span is a span that was received.
type Span struct {
	Name, Trace, ID, Parent, Status string
	Attributes                      map[string]string
	end                             uint64
}

// Start starts a receiver and sends traces to it for a test, which must not be parallel.
func Start(t *testing.T) *Receiver {
	t.Helper()
	r := &Receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	stop, err := tracing.Start(t.Context(), "test", func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	r.stop = sync.OnceFunc(func() {
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { _ = stop(t.Context()) })
	return r
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, 16<<20))
	var sent collector.ExportTraceServiceRequest
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.text.WriteString(sent.String())
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				span := Span{s.Name, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId), s.Status.GetMessage(), map[string]string{}, s.EndTimeUnixNano}
				for _, a := range s.Attributes {
					span.Attributes[a.Key] = text(a.Value)
				}
				r.spans = append(r.spans, span)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func text(v *common.AnyValue) string {
	switch v := v.Value.(type) {
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	}
	return v.GetStringValue()
}

// Spans ends the sending and returns the spans by the time of their end; the test fails if they
// are not n, unless n is 0.
func (r *Receiver) Spans(t *testing.T, n int) []Span {
	t.Helper()
	r.stop()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if n > 0 && len(r.spans) != n {
		t.Fatalf("%d spans, want %d: %+v", len(r.spans), n, r.spans)
	}
	sort.SliceStable(r.spans, func(i, j int) bool { return r.spans[i].end < r.spans[j].end })
	return r.spans
}

// Text is all that was sent, to look for what must not be.
func (r *Receiver) Text() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.text.String()
}
