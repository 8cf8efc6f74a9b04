package service

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"reflectionflow/internal/jobs"
)

// hub passes the events of all jobs to those who wait for them, and remembers the jobs that
// have ended. It follows the stream once, whatever the number of listeners.
type hub struct {
	queue *jobs.Queue

	mutex     sync.Mutex
	last      uint64
	ended     map[string]jobs.Job
	listeners map[string]map[chan struct{}]bool // by job
}

func newHub(q *jobs.Queue) *hub {
	return &hub{queue: q, ended: map[string]jobs.Job{}, listeners: map[string]map[chan struct{}]bool{}}
}

// follow receives events until ctx ends.
func (h *hub) follow(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		h.mutex.Lock()
		after := h.last
		h.mutex.Unlock()
		if err := h.queue.Follow(ctx, after, h.receive); err != nil && ctx.Err() == nil {
			log.Error("events", "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (h *hub) receive(e jobs.Event) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.last = e.Sequence
	if e.Job != nil && e.Job.State.Ended() {
		h.ended[e.JobID] = *e.Job
	}
	for listener := range h.listeners[e.JobID] {
		select {
		case listener <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

// forget drops a deleted job.
func (h *hub) forget(id string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.ended, id)
}

// listen returns a channel that gets a value when a job has new events.
func (h *hub) listen(id string) (news <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.listeners[id] == nil {
		h.listeners[id] = map[chan struct{}]bool{}
	}
	h.listeners[id][c] = true
	return c, func() {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		delete(h.listeners[id], c)
		if len(h.listeners[id]) == 0 {
			delete(h.listeners, id)
		}
	}
}

// events calls receive for the events of a job after a sequence, in order, until one ends
// the job or ctx ends. Events that are stored already come first. idle is called when
// nothing has happened for a while.
func (h *hub) events(ctx context.Context, id string, after uint64, receive func(jobs.Event) error, idle func() error) error {
	news, stop := h.listen(id)
	defer stop()
	quiet := time.NewTicker(idleTime)
	defer quiet.Stop()
	for {
		list, err := h.queue.Events(ctx, id, after)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := receive(e); err != nil {
				return err
			}
			after = e.Sequence
			if e.Job != nil && e.Job.State.Ended() {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-quiet.C:
			if err := idle(); err != nil {
				return err
			}
		}
	}
}

// idleTime is how long a stream of events is silent before a sign of life, and how long a
// lost notification delays an event.
const idleTime = 10 * time.Second

// list returns live and ended jobs, the newest first.
func (h *hub) list() []jobs.Job {
	list := h.queue.Jobs()
	seen := make(map[string]bool, len(list))
	for _, job := range list {
		seen[job.ID] = true
	}
	h.mutex.Lock()
	for id, job := range h.ended {
		if !seen[id] {
			list = append(list, job)
		}
	}
	h.mutex.Unlock()
	slices.SortFunc(list, func(a, b jobs.Job) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return list
}
