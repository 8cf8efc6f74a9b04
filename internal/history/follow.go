package history

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"reflectionflow/internal/jobs"
)

// batch is how many events are stored at once.
const batch = 1000

// Follow indexes the events of a queue, from where it ended before, until ctx ends or
// events cannot be read or stored; then it may be called again. It calls told with each event
// before it is indexed, whether or not that succeeds; events may come again.
func (s *Store) Follow(ctx context.Context, q *jobs.Queue, told func(jobs.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop, err := q.Deleted(func(id string, last uint64) {
		s.Wait(ctx, last)     // its last event may be under way
		_ = s.Remove(ctx, id) // what fails is dropped at the next start
	})
	if err != nil {
		return err
	}
	defer stop()
	last, err := s.begin(ctx, q)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	events := make(chan jobs.Event, batch)
	followed := make(chan error, 2)
	go func() { followed <- s.followFavourites(ctx, q) }()
	go func() {
		followed <- q.Follow(ctx, last, func(e jobs.Event) {
			told(e)
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
	}()
	for {
		select {
		case err := <-followed:
			return err
		case e := <-events:
			list := append(make([]jobs.Event, 0, 1+len(events)), e)
			for len(list) < cap(list) {
				list = append(list, <-events)
			}
			if err := s.add(ctx, list); err != nil {
				return fmt.Errorf("history: %w", err)
			}
		}
	}
}

// followFavourites keeps the favourites until ctx ends or they cannot be read or stored. The
// bucket has all of them, so that those of before are forgotten.
func (s *Store) followFavourites(ctx context.Context, q *jobs.Queue) error {
	var fault error
	var first []string
	all := false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := q.FollowFavourites(ctx, func(id string, yes bool) {
		switch {
		case fault != nil:
			return
		case id == "":
			all, fault = true, s.setFavourites(ctx, first)
		case !all && yes:
			first = append(first, id)
		case all:
			statement := "DELETE FROM favourites WHERE id = ?"
			if yes {
				statement = "INSERT OR IGNORE INTO favourites VALUES (?)"
			}
			_, fault = s.db.ExecContext(ctx, statement, id)
		}
		if fault != nil {
			cancel()
		}
	})
	return cmp.Or(fault, err)
}

// setFavourites replaces the favourites.
func (s *Store) setFavourites(ctx context.Context, ids []string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "DELETE FROM favourites"); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, "INSERT INTO favourites VALUES (?)", id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// begin returns the sequence to go on from. An index of another stream is emptied, and jobs
// that were deleted meanwhile are dropped.
func (s *Store) begin(ctx context.Context, q *jobs.Queue) (last uint64, err error) {
	now, err := q.Position(ctx)
	if err != nil {
		return 0, err
	}
	epoch := ""
	if err := s.db.QueryRowContext(ctx, "SELECT epoch, last FROM position").Scan(&epoch, &last); err != nil {
		return 0, err
	}
	if epoch != now.Epoch || last > now.Last {
		if err := s.reset(ctx, now.Epoch); err != nil {
			return 0, err
		}
		last = 0
	} else if err := s.dropDeleted(ctx, q); err != nil {
		return 0, err
	}
	s.advance(last)
	return last, nil
}

// dropDeleted drops the jobs that have no events.
func (s *Store) dropDeleted(ctx context.Context, q *jobs.Queue) error {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM jobs")
	if err != nil {
		return err
	}
	known, err := column(rows)
	if err != nil || len(known) == 0 {
		return err
	}
	stored, err := q.Stored(ctx) // after the jobs were listed: none of them is new
	if err != nil {
		return err
	}
	for _, id := range known {
		if !stored[id] {
			if err := s.Remove(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// column returns the texts of a query with one column.
func column(rows *sql.Rows) (list []string, err error) {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		text := ""
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// add indexes events, all or none.
func (s *Store) add(ctx context.Context, list []jobs.Event) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, e := range list {
		switch {
		case e.Job != nil:
			err = s.addJob(ctx, tx, e)
		case e.Image != nil:
			err = addImage(ctx, tx, e)
		}
		if err != nil {
			return fmt.Errorf("job %s: %w", e.JobID, err)
		}
	}
	last := list[len(list)-1].Sequence
	if _, err := tx.ExecContext(ctx, "UPDATE position SET last = ?", int64(last)); err != nil { //nolint:gosec // sequences are small
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.advance(last)
	return nil
}

// addJob indexes a job as an event has it.
func (s *Store) addJob(ctx context.Context, tx *sql.Tx, e jobs.Event) error {
	job := e.Job
	document, err := json.Marshal(job)
	if err != nil {
		return err
	}
	about := s.describe(*job)
	var score sql.NullFloat64
	var end sql.NullInt64
	var o jobs.Outcome
	seconds := 0.0
	if job.State.Ended() {
		end = sql.NullInt64{Int64: job.Ended.Unix(), Valid: true}
		if !job.Started.IsZero() {
			seconds = max(0, job.Ended.Sub(job.Started).Seconds()) // the clock may have been set back
		}
	}
	if job.Outcome != nil {
		o = *job.Outcome
		score = sql.NullFloat64{Float64: o.Score.Value, Valid: o.Best >= 0}
	}
	var number int64
	err = tx.QueryRowContext(ctx, `INSERT INTO jobs (number, id, owner, state, model, strategy, score, ended, seconds, images, verdicts, tokens, usd, corrects)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, score = excluded.score, ended = excluded.ended, seconds = excluded.seconds,
			images = excluded.images, verdicts = excluded.verdicts, tokens = excluded.tokens, usd = excluded.usd
		RETURNING number`,
		int64(e.Sequence), e.JobID, job.Owner, string(job.State), about.Model, about.Strategy, score, end, seconds, //nolint:gosec // sequences are small
		o.Images, o.Cost.VerifierCalls, o.Cost.TokensIn+o.Cost.TokensOut, o.Cost.USD, sql.NullString{String: about.Corrects, Valid: about.Corrects != ""}).Scan(&number)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO documents VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET document = excluded.document", number, document); err != nil {
		return err
	}
	if number == int64(e.Sequence) { //nolint:gosec // sequences are small
		_, err = tx.ExecContext(ctx, "INSERT INTO words (rowid, prompt, reflection) VALUES (?, ?, ?)", number, job.Prompt, job.Reflection)
	}
	return err
}

// addImage counts an image of a job's owner, and forgets those of the day before.
func addImage(ctx context.Context, tx *sql.Tx, e jobs.Event) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM minutes WHERE owner = (SELECT owner FROM jobs WHERE id = ?) AND minute < ?", e.JobID, e.Time.Unix()/60-24*60); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO minutes SELECT owner, ?, 1 FROM jobs WHERE id = ?
		ON CONFLICT (owner, minute) DO UPDATE SET images = images + 1`, e.Time.Unix()/60, e.JobID)
	return err
}

// advance says that all up to an event is indexed.
func (s *Store) advance(last uint64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.last = max(s.last, last)
	close(s.advanced)
	s.advanced = make(chan struct{})
}

// patience is how long [Store.Wait] waits.
const patience = 250 * time.Millisecond

// Wait waits until the events up to a sequence are indexed, so that who has just submitted
// a job finds it. It gives up after a quarter of a second: the index may be far behind, or
// the last event deleted.
func (s *Store) Wait(ctx context.Context, last uint64) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		s.mutex.Lock()
		ready, advanced := s.last >= last, s.advanced
		s.mutex.Unlock()
		if ready {
			return
		}
		select {
		case <-advanced:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
