package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"reflectionflow/internal/jobs"
)

// Query selects jobs. Zero values select all.
type Query struct {
	Owner    *string // nil for everybody's
	State    jobs.State
	Model    string
	Strategy string
	MinScore float64
	// Favourites selects those alone, Corrects the jobs that correct candidates of one.
	Favourites bool
	Corrects   string
	// Text holds words that the prompt or the reflection has, or the beginnings of words.
	Text string
	// Before is the Next of the page before.
	Before int64
	Limit  int // jobs of a page, at least 1
}

// Job is a job of the index.
type Job struct {
	jobs.Job
	Favourite bool `json:"favourite,omitempty"`
}

// Page is a part of the jobs that a query selects, the newest first.
type Page struct {
	Jobs []Job
	Next int64 // for the next page, 0 for the last
}

// Search returns a page of jobs.
func (s *Store) Search(ctx context.Context, q Query) (Page, error) {
	statement, args := q.statement()
	rows, err := s.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return Page{}, fmt.Errorf("search the history: %w", err)
	}
	defer func() { _ = rows.Close() }()
	p := Page{Jobs: []Job{}}
	last := int64(0)
	for rows.Next() {
		if len(p.Jobs) == q.Limit {
			p.Next = last
			break
		}
		var document []byte
		var job Job
		if err := rows.Scan(&last, &document, &job.Favourite); err != nil {
			return Page{}, fmt.Errorf("search the history: %w", err)
		}
		if err := json.Unmarshal(document, &job.Job); err != nil {
			return Page{}, fmt.Errorf("search the history: job %d: %w", last, err)
		}
		p.Jobs = append(p.Jobs, job)
	}
	return p, rows.Err()
}

// statement is the query in SQL. It asks for one job more than a page holds.
func (q Query) statement() (text string, args []any) {
	from, number := "jobs j", "j.number"
	var where []string
	add := func(condition string, value any) {
		where = append(where, condition)
		args = append(args, value)
	}
	if words := match(q.Text); words != "" {
		// CROSS keeps the order: the index of words yields numbers in order, so that a page
		// ends the search.
		from, number = "words CROSS JOIN jobs j ON j.number = words.rowid", "words.rowid"
		add("words MATCH ?", words)
	}
	if q.Before > 0 {
		add(number+" < ?", q.Before)
	}
	if q.Owner != nil {
		add("j.owner = ?", *q.Owner)
	}
	if q.State != "" {
		add("j.state = ?", string(q.State))
	}
	if q.Model != "" {
		add("j.model = ?", q.Model)
	}
	if q.Strategy != "" {
		add("j.strategy = ?", q.Strategy)
	}
	if q.MinScore > 0 {
		add("j.score >= ?", q.MinScore)
	}
	if q.Corrects != "" {
		add("j.corrects = ?", q.Corrects)
	}
	if q.Favourites {
		where = append(where, "f.id IS NOT NULL")
	}
	text = "SELECT j.number, d.document, f.id IS NOT NULL FROM " + from + " CROSS JOIN documents d ON d.number = j.number LEFT JOIN favourites f ON f.id = j.id"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	return text + " ORDER BY " + number + " DESC LIMIT ?", append(args, q.Limit+1)
}

// match is the expression that finds all words of a text, each as the beginning of a word.
func match(text string) string {
	var terms []string
	for word := range strings.FieldsSeq(text) {
		terms = append(terms, `"`+strings.ReplaceAll(word, `"`, `""`)+`"*`)
	}
	return strings.Join(terms, " ")
}

// Total is what the jobs of a model, a strategy and a state sum up to.
type Total struct {
	Model    string     `json:"model"`
	Strategy string     `json:"strategy"`
	State    jobs.State `json:"state"`
	Jobs     int        `json:"jobs"`
	Images   int        `json:"images"`
	Verdicts int        `json:"verdicts"`
	Tokens   int        `json:"tokens"`
	USD      float64    `json:"usd"`
	Seconds  float64    `json:"seconds"` // that the searches ran
	Score    float64    `json:"score"`   // mean of the best images
}

// Totals sums up the jobs of an owner, or of everybody for nil.
func (s *Store) Totals(ctx context.Context, owner *string) ([]Total, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT model, strategy, state, count(*), sum(images), sum(verdicts), sum(tokens), sum(usd), sum(seconds), coalesce(avg(score), 0)
		FROM jobs WHERE ?1 IS NULL OR owner = ?1 GROUP BY model, strategy, state ORDER BY model, strategy, state`, owner)
	if err != nil {
		return nil, fmt.Errorf("sum up the history: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list := []Total{}
	for rows.Next() {
		var t Total
		if err := rows.Scan(&t.Model, &t.Strategy, &t.State, &t.Jobs, &t.Images, &t.Verdicts, &t.Tokens, &t.USD, &t.Seconds, &t.Score); err != nil {
			return nil, fmt.Errorf("sum up the history: %w", err)
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// Images returns how many images of an owner were generated in the hour before now, and
// when the first of them leaves that hour. Those after now, before a clock was set back, do
// not count.
func (s *Store) Images(ctx context.Context, owner string, now time.Time) (n int, until time.Duration, err error) {
	var first sql.NullInt64
	end := now.Unix()/60 + 1 // the clocks of two servers differ a little
	begin := end - 61
	err = s.db.QueryRowContext(ctx, "SELECT coalesce(sum(images), 0), min(minute) FROM minutes WHERE owner = ? AND minute > ? AND minute <= ?", owner, begin, end).Scan(&n, &first)
	if err != nil {
		return 0, 0, fmt.Errorf("count the images of an hour: %w", err)
	}
	return n, time.Duration((first.Int64+61)*60-now.Unix()) * time.Second, nil
}

// Ended returns the IDs of at most limit jobs that ended before a time, the oldest first.
func (s *Store) Ended(ctx context.Context, before time.Time, limit int) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM jobs WHERE ended < ? ORDER BY ended, number LIMIT ?", before.Unix(), limit)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return column(rows)
}
