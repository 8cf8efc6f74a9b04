package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/history"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

func describe(job jobs.Job) history.Description {
	return history.Description{Model: job.Model, Strategy: "noise", Corrects: string(job.Extra)}
}

func queue(t testing.TB, dir string) *jobs.Queue {
	t.Helper()
	bus, err := jobs.Embedded(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	q, err := jobs.Open(t.Context(), bus, jobs.Options{Server: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func open(t testing.TB, path string) *history.Store {
	t.Helper()
	s, err := history.Open(t.Context(), path, describe)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follow indexes until the returned function is called.
func follow(t testing.TB, s *history.Store, q *jobs.Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() {
		if err := s.Follow(ctx, q, func(jobs.Event) {}); ctx.Err() == nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		following.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// settle waits until all is indexed.
func settle(t testing.TB, s *history.Store, q *jobs.Queue) {
	t.Helper()
	now, err := q.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Wait(t.Context(), now.Last)
}

func submit(t testing.TB, q *jobs.Queue, spec jobs.Spec) jobs.Job {
	t.Helper()
	job, err := q.Submit(t.Context(), spec, "")
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// prompts lists the prompts of all pages of a query.
func prompts(t testing.TB, s *history.Store, q history.Query) (list []string) {
	t.Helper()
	for {
		page, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Jobs) > q.Limit {
			t.Fatalf("a page of %d jobs, at most %d", len(page.Jobs), q.Limit)
		}
		for _, job := range page.Jobs {
			list = append(list, job.Prompt)
		}
		if page.Next == 0 {
			return list
		}
		q.Before = page.Next
	}
}

// run runs all jobs: each makes one image, with the length of its prompt as the score.
func run(t testing.TB, q *jobs.Queue) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for len(q.Jobs()) > 0 && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
	}()
	_ = q.Work(ctx, 2, func(_ context.Context, r *jobs.Run) (jobs.Outcome, error) {
		c := reflectionflow.Candidate{Score: reflectionflow.Score{Value: float64(len(r.Spec.Prompt))}}
		if err := r.Record(c, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
			return jobs.Outcome{Best: -1}, err
		}
		return jobs.Outcome{Score: c.Score, Cost: reflectionflow.Cost{VerifierCalls: 1, TokensIn: 2, TokensOut: 3, USD: 0.5}}, nil
	})
}

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history.db")
	q := queue(t, filepath.Join(dir, "nats"))
	s := open(t, path)
	stop := follow(t, s, q)
	for _, spec := range []jobs.Spec{
		{Prompt: "a red clock", Model: "m", Owner: "ann"},
		{Prompt: "two blue cups on a table", Model: "m", Owner: "ben"},
		{Prompt: "a crème \"brûlée\"", Model: "other", Owner: "ann"},
		{Prompt: "a cat", Model: "m", Owner: "ann", Reflection: "paint the clock red"},
	} {
		submit(t, q, spec)
	}
	run(t, q)
	last := submit(t, q, jobs.Spec{Prompt: "a dog", Model: "m", Owner: "ann"})
	settle(t, s, q)
	ann := "ann"
	cases := []struct {
		query history.Query
		want  []string
	}{
		{history.Query{}, []string{"a dog", "a cat", "a crème \"brûlée\"", "two blue cups on a table", "a red clock"}},
		{history.Query{Owner: &ann, Model: "m"}, []string{"a dog", "a cat", "a red clock"}},
		{history.Query{State: jobs.Queued}, []string{"a dog"}},
		{history.Query{State: jobs.Done, MinScore: 12}, []string{"a crème \"brûlée\"", "two blue cups on a table"}},
		{history.Query{Strategy: "adaptive"}, nil},
		{history.Query{Text: "RED clo"}, []string{"a cat", "a red clock"}},
		{history.Query{Text: "creme brulee"}, []string{"a crème \"brûlée\""}},
		{history.Query{Text: `"brû" OR NEAR(`}, nil},
		{history.Query{Text: "clock", Model: "other"}, nil},
	}
	check := func(s *history.Store) {
		t.Helper()
		for i, c := range cases {
			c.query.Limit = 2
			if got := prompts(t, s, c.query); !slices.Equal(got, c.want) {
				t.Errorf("case %d: %q, want %q", i, got, c.want)
			}
		}
		if n, until, err := s.Images(t.Context(), "ann", time.Now()); err != nil || n != 3 || until <= 0 || until > time.Hour+time.Minute {
			t.Errorf("%d images in the hour, %v left, error %v", n, until, err)
		}
		for _, jump := range []time.Duration{-2 * time.Hour, 2 * time.Hour} {
			if n, _, err := s.Images(t.Context(), "ann", time.Now().Add(jump)); err != nil || n != 0 {
				t.Errorf("%d images in the hour, %v away, error %v", n, jump, err)
			}
		}
		totals, err := s.Totals(t.Context(), &ann)
		if want := (history.Total{Model: "m", Strategy: "noise", State: jobs.Done, Jobs: 2, Images: 2, Verdicts: 2, Tokens: 10, USD: 1, Score: 8}); err != nil || len(totals) != 3 || !slices.ContainsFunc(totals, func(t history.Total) bool { return alike(t, want) }) {
			t.Errorf("totals %+v, error %v", totals, err)
		}
	}
	check(s)
	stop()

	// Another process of this server goes on where it ended.
	if _, err := q.Cancel(t.Context(), last.ID); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	stop = follow(t, s, q)
	settle(t, s, q)
	if got := prompts(t, s, history.Query{State: jobs.Cancelled, Limit: 5}); !slices.Equal(got, []string{"a dog"}) {
		t.Errorf("cancelled jobs after a restart: %q", got)
	}
	cases[2].want = nil
	stop()

	// A file that is gone or damaged is built again.
	for _, content := range []string{"", "damaged, and longer than a header of SQLite, which has a hundred bytes. So there is more of it here."} {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(path + suffix)
		}
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, path)
		stop = follow(t, s, q)
		settle(t, s, q)
		check(s)
		stop()
	}

	// A job that was deleted meanwhile is gone, and so is one that is deleted now.
	gone, err := q.Job(t.Context(), last.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Delete(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	stop = follow(t, s, q)
	defer func() { stop() }()
	settle(t, s, q)
	if got := prompts(t, s, history.Query{Text: "dog", Limit: 5}); got != nil {
		t.Errorf("a deleted job is found: %q", got)
	}
	old, err := s.Ended(t.Context(), time.Now().Add(time.Hour), 1)
	if err != nil || len(old) != 1 {
		t.Fatalf("ended jobs %v, error %v", old, err)
	}
	if err := q.Delete(t.Context(), old[0]); err != nil {
		t.Fatal(err)
	}
	testserver.Wait(t, "the end of a job that another server deleted", func() bool { return len(prompts(t, s, history.Query{Limit: 5})) == 3 })
}

// alike compares totals but for times.
func alike(a, b history.Total) bool {
	a.Seconds, b.Seconds = 0, 0
	return a == b
}

// TestAnotherStream: an index of events that are gone is emptied.
func TestAnotherStream(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []string{"one", "two"} {
		q := queue(t, filepath.Join(dir, fmt.Sprint(i)))
		submit(t, q, jobs.Spec{Prompt: want})
		s := open(t, filepath.Join(dir, "history.db"))
		stop := follow(t, s, q)
		settle(t, s, q)
		testserver.Wait(t, "the job of stream "+want, func() bool { // what was indexed before counts as settled until it is dropped
			return slices.Equal(prompts(t, s, history.Query{Limit: 5}), []string{want})
		})
		stop()
	}
}

// BenchmarkSearch searches 100,000 jobs.
func BenchmarkSearch(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "history.db"))
	defer func() { _ = s.Close() }()
	colors, things := []string{"red", "blue", "green", "white", "black"}, []string{"clock", "cup", "train", "horse", "umbrella", "laptop", "pizza"}
	settings, err := json.Marshal(map[string]any{"strategy": "noise", "budget": "8", "seed": 1})
	if err != nil {
		b.Fatal(err)
	}
	const total = 100_000
	var list []jobs.Event
	for i := range total {
		job := jobs.Job{
			ID: fmt.Sprintf("j%024d", i), State: jobs.Done, Created: time.Unix(int64(i), 0), Started: time.Unix(int64(i), 0), Ended: time.Unix(int64(i)+9, 0),
			Spec: jobs.Spec{
				Prompt: fmt.Sprintf("a photo of %d %s %ss and a %s %s", i%9, colors[i%5], things[i%7], colors[i/5%5], things[i/7%7]),
				Model:  fmt.Sprint("m", i%3), Owner: fmt.Sprint("o", i%4), Settings: settings,
			},
			Outcome: &jobs.Outcome{Score: reflectionflow.Score{Value: float64(i%1000) / 1000}},
		}
		list = append(list, jobs.Event{Sequence: uint64(i + 1), JobID: job.ID, Kind: jobs.KindDone, Job: &job})
	}
	if err := history.Add(s, list); err != nil {
		b.Fatal(err)
	}
	owner := "o1"
	for name, q := range map[string]history.Query{
		"newest": {}, "every-job-has-the-word": {Text: "photo"}, "words": {Text: "red umbrella green hor"}, "one-of-an-owner": {Text: "8 white laptops black pizza", Owner: &owner},
		"nothing": {Text: "zebra"}, "words-and-filters": {Text: "clock", Owner: &owner, Model: "m2", State: jobs.Done, MinScore: 0.999},
		"filters-that-nothing-passes": {Model: "m2", State: jobs.Done, MinScore: 2}, "last-page": {Before: 60},
	} {
		q.Limit = 50
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Search(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("totals", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Totals(b.Context(), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestFavourites makes favourites, and builds the index again, which loses none.
func TestFavourites(t *testing.T) {
	ctx := t.Context()
	q := queue(t, t.TempDir())
	var ids []string
	for _, prompt := range []string{"one", "two", "three"} {
		job, err := q.Submit(ctx, jobs.Spec{Prompt: prompt, Extra: json.RawMessage(`"` + prompt + `"`)}, "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	for _, c := range []struct {
		id  string
		yes bool
	}{{ids[0], true}, {ids[2], true}, {ids[0], false}, {ids[1], false}} {
		if err := q.SetFavourite(ctx, c.id, c.yes); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.SetFavourite(ctx, "../x", true); !errors.Is(err, jobs.ErrUnknown) {
		t.Errorf("a bad ID: %v", err)
	}
	for range 2 {
		s := open(t, filepath.Join(t.TempDir(), "history.db"))
		stop := follow(t, s, q)
		settle(t, s, q)
		found := func(want ...string) {
			t.Helper()
			testserver.Wait(t, fmt.Sprintf("the favourites %v", want), func() bool {
				page, err := s.Search(ctx, history.Query{Favourites: true, Limit: 10})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, job := range page.Jobs {
					if !job.Favourite {
						t.Errorf("%s is not said to be one", job.ID)
					}
					got = append(got, job.ID)
				}
				return slices.Equal(got, want)
			})
		}
		found(ids[2])
		if err := q.SetFavourite(ctx, ids[1], true); err != nil {
			t.Fatal(err)
		}
		found(ids[2], ids[1])
		if err := q.SetFavourite(ctx, ids[1], false); err != nil {
			t.Fatal(err)
		}
		found(ids[2])
		page, err := s.Search(ctx, history.Query{Corrects: `"two"`, Limit: 10})
		if err != nil || len(page.Jobs) != 1 || page.Jobs[0].ID != ids[1] || page.Jobs[0].Favourite {
			t.Errorf("corrections: %+v, %v", page, err)
		}
		stop()
	}
}
