package service

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"reflectionflow/internal/history"
	"reflectionflow/internal/jobs"
)

const (
	maxPage = 200  // jobs of a page
	maxText = 1024 // bytes of a search
)

// listJobs serves GET /api/v1/jobs?state=&model=&strategy=&min_score=&text=&favourite=&corrects=&before=&limit=:
// the newest first; next is the value of before for the next page.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r.URL.Query())
	if err != nil {
		return err
	}
	q.Owner = s.onlyMine(r)
	if now, err := s.queue.Position(r.Context()); err == nil {
		s.history.Wait(r.Context(), now.Last)
	}
	found, err := s.history.Search(r.Context(), q)
	if err != nil {
		return err
	}
	page := map[string]any{"jobs": found.Jobs}
	if found.Next > 0 {
		page["next"] = strconv.FormatInt(found.Next, 10)
	}
	reply(w, http.StatusOK, page)
	return nil
}

// onlyMine returns whose jobs a request may see: its owner's, nil for all.
func (s *Server) onlyMine(r *http.Request) *string {
	if s.options.Keys == nil {
		return nil
	}
	name := owner(r)
	return &name
}

// parameters are those of a list.
var parameters = []string{"state", "model", "strategy", "min_score", "text", "favourite", "corrects", "before", "limit"}

// readQuery reads the parameters of a list.
func readQuery(values url.Values) (q history.Query, err error) {
	q = history.Query{State: jobs.State(values.Get("state")), Model: values.Get("model"), Strategy: values.Get("strategy"), Text: values.Get("text"), Favourites: values.Get("favourite") == "true", Corrects: values.Get("corrects"), Limit: 50}
	for name := range values {
		if !slices.Contains(parameters, name) {
			return q, bad("", "unknown parameter %.40q: use %s", name, strings.Join(parameters, ", "))
		}
	}
	if len(q.Text) > maxText {
		return q, bad("text", "text has %d bytes, at most %d are allowed", len(q.Text), maxText)
	}
	switch q.State {
	case "", jobs.Queued, jobs.Running, jobs.Done, jobs.Failed, jobs.Cancelled:
	default:
		return q, bad("state", "unknown state %.20q: use queued, running, done, failed or cancelled", q.State)
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxPage {
			return q, bad("limit", "limit %.20q: must be from 1 to %d", text, maxPage)
		}
	}
	if q.MinScore, err = strconv.ParseFloat(cmp.Or(values.Get("min_score"), "0"), 64); err != nil || math.IsNaN(q.MinScore) {
		return q, bad("min_score", "min_score %.20q is no number", values.Get("min_score"))
	}
	if text := values.Get("before"); text != "" {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before < 1 {
			return q, bad("before", "before %.40q: use the next of the page before", text)
		}
	}
	return q, nil
}

// statistics serves GET /api/v1/statistics: sums over the caller's jobs by model, strategy
// and state.
func (s *Server) statistics(w http.ResponseWriter, r *http.Request) error {
	list, err := s.history.Totals(r.Context(), s.onlyMine(r))
	if err != nil {
		return err
	}
	sum := history.Total{}
	for _, t := range list {
		sum.Jobs, sum.Images, sum.Verdicts, sum.Tokens = sum.Jobs+t.Jobs, sum.Images+t.Images, sum.Verdicts+t.Verdicts, sum.Tokens+t.Tokens
		sum.USD, sum.Seconds = sum.USD+t.USD, sum.Seconds+t.Seconds
	}
	reply(w, http.StatusOK, map[string]any{
		"jobs": sum.Jobs, "images": sum.Images, "verdicts": sum.Verdicts, "tokens": sum.Tokens, "usd": sum.USD, "seconds": sum.Seconds, "by": list,
	})
	return nil
}
