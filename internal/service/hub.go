package service

import (
	"context"
	"sync"
	"time"

	"reflectionflow/internal/jobs"
)

// hub passes the events of all jobs to those who wait for them. The server follows the
// stream once, whatever the number of listeners.
type hub struct {
	queue *jobs.Queue

	mutex     sync.Mutex
	listeners map[string]map[chan struct{}]bool // by job
}

func newHub(q *jobs.Queue) *hub {
	return &hub{queue: q, listeners: map[string]map[chan struct{}]bool{}}
}

// receive tells listeners of events.
func (h *hub) receive(list []jobs.Event) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, e := range list {
		for listener := range h.listeners[e.JobID] {
			select {
			case listener <- struct{}{}:
			default: // it has not looked yet
			}
		}
	}
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
