package service

import (
	"context"
	"sync"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/tracing"
	"reflectionflow/search"
)

// jobTrace is the trace of a search: a span per candidate, and in it one per call. Without
// tracing it is nil, and so are its hooks.
type jobTrace struct {
	ctx context.Context //nolint:containedctx // of the job's span, in which candidates begin
	job *tracing.Span

	mutex      sync.Mutex
	candidates map[int]*tracing.Span // that have not ended, or have: calls for them may follow
}

// traced begins the trace of a job.
func traced(ctx context.Context, r *jobs.Run) *jobTrace {
	ctx, span := tracing.BeginJob(ctx, r.ID, tracing.Text("job.model", r.Model), tracing.Text("job.priority", string(r.Priority)), tracing.Number("job.attempt", r.Attempts))
	if span == nil {
		return nil
	}
	return &jobTrace{ctx: ctx, job: span, candidates: map[int]*tracing.Span{}}
}

// around is the hook of a search's calls, nil without a trace.
func (t *jobTrace) around() func(context.Context, string, []int) (context.Context, func(error)) {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, call string, ids []int) (context.Context, func(error)) {
		if len(ids) == 0 {
			ctx, span := tracing.Begin(t.job.Within(ctx), call)
			return ctx, span.End
		}
		spans := make([]*tracing.Span, len(ids))
		for i, id := range ids {
			_, spans[i] = tracing.Begin(t.candidate(id).Within(ctx), call, tracing.Number("call.batch", len(ids)))
		}
		return context.WithValue(spans[0].Within(ctx), callsKey{}, spans), func(err error) {
			for _, span := range spans {
				span.End(err)
			}
		}
	}
}

// callsKey is the key of the spans of a call, one per candidate.
type callsKey struct{}

// call returns the context of element i of a call: its candidate's span.
func call(ctx context.Context, i, n int) context.Context {
	if spans, ok := ctx.Value(callsKey{}).([]*tracing.Span); ok && len(spans) == n {
		spans[i].Note("its turn")
		return spans[i].Within(ctx)
	}
	return ctx
}

// candidate returns the span of a candidate.
func (t *jobTrace) candidate(id int) *tracing.Span {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.candidates[id] == nil {
		_, t.candidates[id] = tracing.Begin(t.ctx, "candidate", tracing.Number("candidate.id", id))
	}
	return t.candidates[id]
}

// notify ends the spans of finished candidates.
func (t *jobTrace) notify(ev search.Event) {
	if t == nil || ev.Kind != search.Scored {
		return
	}
	span := t.candidate(ev.Candidate.ID)
	span.Set(tracing.Text("candidate.action", string(ev.Candidate.Action)), tracing.Number("candidate.parent", ev.Candidate.Parent),
		tracing.Amount("candidate.score", ev.Candidate.Score.Value))
	span.End(nil)
}

// end ends the trace, with the spans of candidates that were not finished.
func (t *jobTrace) end(o jobs.Outcome, err error) {
	if t == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, span := range t.candidates {
		span.End(err) // a second end does nothing
	}
	t.job.Set(tracing.Number("job.images", o.Cost.Images), tracing.Number("job.tokens", o.Cost.TokensIn+o.Cost.TokensOut),
		tracing.Amount("job.cost_usd", o.Cost.USD), tracing.Text("job.stopped", string(o.Stopped)))
	t.job.End(err)
}
