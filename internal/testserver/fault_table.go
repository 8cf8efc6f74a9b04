package testserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reflectionflow/internal/endpoint"
)

// Work is the kind of work that a client's request asks for. It decides which failures are
// retried.
type Work int

// The kinds of work.
const (
	Generates Work = iota // starts an image: transient failures are retried within bounds
	Asks                  // a free question
	AsksPaid              // a question whose lost answer may have been charged
	Polls                 // polls a job, or transfers a file
	works
)

// Client is a use of one of our clients, for [Faults] and [BadAnswers].
type Client struct {
	Name string
	Work Work
	// Honest is the model of clients of chat servers.
	Honest func(Question) Answer
	// Start starts an honest double and the client on it. Waits must take no time, and replies
	// of more than a few MiB must be refused.
	Start func(t *testing.T, o StartOptions) Trial
}

// StartOptions are the tables' demands on a client.
type StartOptions struct {
	// Idle bounds the time between two reads of a reply; 0 leaves the default.
	Idle time.Duration
	// Answer replaces the honest model; nil does not.
	Answer func(Question) Answer
}

// Trial is a started client.
type Trial struct {
	// Endpoint is the name that errors must state.
	Endpoint string
	// Fail queues faults for the requests that do the work; Requests counts these requests,
	// Begun the images that were started; Close ends the double.
	Fail     func(...Fault)
	Requests func() int
	Begun    func() int
	Close    func()
	// Use uses the client for n pieces, one after the other for questions, and returns an
	// outcome per piece. The error is that of the whole use.
	Use func(ctx context.Context, n int) ([]Outcome, error)
}

// Outcome is the result for one piece of a batch.
type Outcome struct {
	Text string // the result and its cost without seconds, to be compared
	Err  error  // of this piece alone
}

// ending is the required end of a fault for a kind of work: after so many requests, the
// result of an honest server (kind ""), or an error of a kind, of the whole use or of the
// image alone. The zero value means that the fault does not apply.
type ending struct {
	requests int
	kind     endpoint.Kind
	alone    bool
}

type faultRow struct {
	name   string
	faults []Fault
	ends   [works]ending // by Work; requests are not counted for Polls
}

// same is an ending for all work; an image's error is that of the image alone.
func same(kind endpoint.Kind) [works]ending {
	return [works]ending{{1, kind, true}, {1, kind, false}, {1, kind, false}, {1, kind, true}}
}

// fine is success after so many requests.
func fine(requests int) ending { return ending{requests: requests} }

func faultTable() []faultRow {
	lost := func(kind endpoint.Kind) [works]ending { // a reply that was lost may have been charged
		return [works]ending{fine(2), fine(2), {1, kind, false}, fine(2)}
	}
	body := func(text string) []Fault { return []Fault{WithStatus(200, text, "Content-Type", "application/json")} }
	everywhere := func(e ending) [works]ending { return [works]ending{e, e, e, e} }
	// A server that answers 500 to every attempt fails the image alone, or the whole use of a
	// language model.
	always := func(status int, text string, alone bool) faultRow {
		return faultRow{
			fmt.Sprintf("%d for ever", status), slices.Repeat([]Fault{WithStatus(status, text)}, 9),
			[works]ending{{4, endpoint.Status, alone}, {4, endpoint.Status, false}, {4, endpoint.Status, false}, {}},
		}
	}
	return []faultRow{
		{"reset in mid-body", []Fault{ResetMidBody()}, lost(endpoint.Interrupted)},
		{"dropped", []Fault{Drop()}, lost(endpoint.Interrupted)},
		{slowLoris, []Fault{SlowLoris()}, lost(endpoint.Timeout)},
		{"storm", RateLimited(3, "1"), everywhere(fine(4))},
		{"endless storm", RateLimited(9, "1"), everywhere(ending{4, endpoint.Status, false})},
		{"500 then success", []Fault{WithStatus(500, `{"error":"out of memory"}`)}, everywhere(fine(2))},
		{"502 then success", []Fault{WithStatus(502, `<html>Bad Gateway</html>`)}, everywhere(fine(2))},
		{"503 then success", []Fault{WithStatus(503, `{"detail":"loading"}`)}, everywhere(fine(2))},
		{"three different failures", []Fault{WithStatus(500, ""), WithStatus(503, ""), RateLimited(1, "1")[0]}, everywhere(fine(4))},
		always(500, `{"error":"CUDA out of memory"}`, true),
		always(503, `{"detail":"loading"}`, false),
		{"not authorized", []Fault{WithStatus(401, `{"error":{"message":"no"}}`)}, everywhere(ending{1, endpoint.Status, false})},
		{"an empty account", EmptyAccount(9), everywhere(ending{1, endpoint.Status, false})},
		{"HTML", []Fault{HTML()}, same(endpoint.Malformed)},
		{"truncated", []Fault{Truncated()}, same(endpoint.Malformed)},
		{"endless", []Fault{Endless(16 << 20)}, same(endpoint.TooLarge)},
		{"NaN", body(`{"created":NaN,"id":NaN,"status":NaN,"name":NaN,"data":NaN,"images":NaN,"choices":NaN}`), same(endpoint.Malformed)},
		{"a list", body(`[1,2]`), same(endpoint.Malformed)},
		// A client that polls a job polls again if a reply says nothing about it.
		{"nothing in it", body(`{}`), [works]ending{{1, endpoint.Malformed, true}, {1, endpoint.Malformed, false}, {1, endpoint.Malformed, false}, {}}},
		{"error with success", body(`{"error":{"message":"the model crashed"}}`), [works]ending{fine(2), fine(2), fine(2), {}}},
		{"a permanent error with success", body(`{"error":{"message":"no credits","code":"insufficient_quota"}}`), [works]ending{{1, endpoint.Failed, false}, {1, endpoint.Failed, false}, {1, endpoint.Failed, false}, {}}},
	}
}

const slowLoris = "slow loris"

// Faults tests clients with everything that networks and servers do wrong. Each fault must
// end in the honest result, after as many retries as its kind allows, or in a typed error
// that names the endpoint.
func Faults(t *testing.T, clients []Client) {
	for _, c := range clients {
		before := c.Start(t, StartOptions{})
		honest, err := before.Use(t.Context(), 1)
		if err != nil || len(honest) != 1 || honest[0].Err != nil {
			t.Fatalf("%s: without any fault: %v, %v", c.Name, honest, err)
		}
		t.Run(c.Name+"/refused", func(t *testing.T) {
			t.Parallel()
			trial := c.Start(t, StartOptions{})
			trial.Close()
			_, err := trial.Use(t.Context(), 1)
			wantKind(t, "the use", err, trial.Endpoint, endpoint.Refused)
		})
		for _, row := range faultTable() {
			end := row.ends[c.Work]
			if end.requests == 0 {
				continue
			}
			t.Run(c.Name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				o := StartOptions{}
				if row.name == slowLoris {
					o.Idle = 500 * time.Millisecond // far longer than an honest reply takes
				}
				trial := c.Start(t, o)
				trial.Fail(row.faults...)
				end.check(t, c, trial, honest)
				want := end.requests
				if end.kind == "" {
					want += before.Requests() - 1
				}
				switch n, started := trial.Requests(), trial.Begun(); {
				case c.Work != Polls && n != want:
					t.Errorf("%d requests, want %d", n, want)
				case c.Work == Polls && (started > 1 || started == 0 && end.kind == ""):
					t.Errorf("%d images were started for one", started)
				}
			})
		}
	}
}

func (e ending) check(t *testing.T, c Client, trial Trial, honest []Outcome) {
	t.Helper()
	got, err := trial.Use(t.Context(), 1)
	switch {
	case e.kind != "" && c.Work == Polls: // of the whole use if nothing was generated
		wantKind(t, "the image", failure(got, err), trial.Endpoint, e.kind)
	case e.kind != "" && !e.alone:
		wantKind(t, "the use", err, trial.Endpoint, e.kind)
	case err != nil:
		t.Errorf("the whole failed: %v", err)
	case e.kind != "":
		wantKind(t, "the image", got[0].Err, trial.Endpoint, e.kind)
	case fmt.Sprint(got) != fmt.Sprint(honest):
		t.Errorf("got %v, want %v", got, honest)
	}
}

// wantKind checks that an error has a kind, names the endpoint, and is one line.
func wantKind(t *testing.T, what string, err error, name string, kind endpoint.Kind) {
	t.Helper()
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Endpoint != name || !strings.Contains(err.Error(), "endpoint "+name) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: got %v, want one line of kind %q that names endpoint %s", what, err, kind, name)
	}
}
