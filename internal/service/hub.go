package service

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"reflectionflow/internal/jobs"
)

// hub passes the events of all jobs to those who wait for them. The server follows the
// stream once, and an event is encoded once, whatever the number of listeners. The events
// that this server stores come at once; a listener that misses one before them reads it from
// the stream.
type hub struct {
	queue *jobs.Queue

	mutex  sync.Mutex
	topics map[string]*topic // by job; those with listeners, or with candidates under way
}

// topic is what the listeners of a job share, and what one that comes later is told first.
type topic struct {
	listeners int
	changed   chan struct{} // closed and replaced when there is news
	// recent are events that came while there were listeners, in order; all after the one
	// with the sequence dropped.
	recent  []frame
	dropped uint64
	// now are the candidates under way, by kind and candidate.
	now     map[string]liveFrame
	version uint64 // grows with every change of now
}

// frame is a stored event, and its form on the wire.
type frame struct {
	jobs.Event
	// previous is the sequence of the job's event before this one, if it may not have come
	// yet; 0 if it has.
	previous uint64
	wire     string
}

// liveFrame is what is known of a candidate under way, and its form on the wire.
type liveFrame struct {
	live
	version uint64
	wire    string
}

const (
	maxRecent  = 64 // events that a topic holds; who is further behind reads the stream
	maxNow     = 64 // entries of candidates under way
	maxTopics  = 4096
	eventsPage = 32 // stored events that a listener holds at a time
)

func newHub(q *jobs.Queue) *hub {
	h := &hub{queue: q, topics: map[string]*topic{}}
	q.Hear(h.hearStored)
	return h
}

// encode returns the event in its form on the wire.
func encode(e jobs.Event, previous uint64) (frame, error) {
	wire, err := wireEvent(strconv.FormatUint(e.Sequence, 10), string(e.Kind), e)
	return frame{e, previous, wire}, err
}

// news tells the listeners of a topic. The mutex is held.
func (t *topic) news() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// receive tells listeners of an event, of those that come in the order of the stream.
func (h *hub) receive(e jobs.Event) { h.hearStored(e, 0) }

// hearStored tells listeners of an event. Where previous is not 0, it may come before the
// event with that sequence.
func (h *hub) hearStored(e jobs.Event, previous uint64) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	t := h.topics[e.JobID]
	if t == nil {
		return
	}
	if t.listeners > 0 {
		place, known := slices.BinarySearchFunc(t.recent, e.Sequence, func(f frame, sequence uint64) int { return cmp.Compare(f.Sequence, sequence) })
		f, err := encode(e, previous)
		if known || err != nil || place == 0 && e.Sequence <= t.dropped { // it was encoded when it was stored
			return
		}
		t.recent = slices.Insert(t.recent, place, f)
		if len(t.recent) > maxRecent {
			t.dropped = t.recent[0].Sequence
			t.recent = slices.Delete(t.recent, 0, 1)
		}
	}
	switch {
	case e.Candidate != nil:
		for _, kind := range []string{liveProgress, livePreview} {
			delete(t.now, kind+strconv.Itoa(e.Candidate.ID))
		}
	case e.Job != nil && e.Job.State.Ended():
		clear(t.now)
	}
	h.clean(e.JobID, t)
	t.news()
}

// hear receives what a search is doing.
func (h *hub) hear(job string, data []byte) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var l live
	if json.Unmarshal(data, &l) != nil || h.topics[job] == nil && len(h.topics) == maxTopics {
		return
	}
	t := h.topic(job)
	key := l.Kind + strconv.Itoa(l.ID)
	if _, known := t.now[key]; !known && len(t.now) == maxNow {
		return
	}
	wire, err := wireEvent("", l.Kind, l)
	if err != nil {
		return
	}
	t.version++
	t.now[key] = liveFrame{l, t.version, wire}
	t.news()
}

// join returns the topic of a job, until leave is called.
func (h *hub) join(id string) (t *topic, leave func()) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	t = h.topic(id)
	t.listeners++
	return t, func() {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		if t.listeners--; t.listeners == 0 {
			t.recent = nil
		}
		h.clean(id, t)
	}
}

// topic returns the topic of a job. The mutex is held.
func (h *hub) topic(id string) *topic {
	t := h.topics[id]
	if t == nil {
		t = &topic{changed: make(chan struct{}), now: map[string]liveFrame{}}
		h.topics[id] = t
	}
	return t
}

// clean drops a topic that nobody needs. The mutex is held.
func (h *hub) clean(id string, t *topic) {
	if t.listeners == 0 && len(t.now) == 0 {
		delete(h.topics, id)
	}
}

// listener is who waits for the events of a job. Its functions end it by an error.
type listener struct {
	event func(frame) error
	live  func(liveFrame) error // nil for none
	idle  func() error          // nothing has happened for a while
}

// listen passes the events of a job after a sequence to a listener, in order, until one
// ends the job or ctx ends. Events that are stored already come first, page by page, so
// that who is far behind, or slow, takes no more memory than others.
func (h *hub) listen(ctx context.Context, id string, after uint64, l listener) error {
	t, leave := h.join(id)
	defer leave()
	quiet := time.NewTicker(idleTime)
	defer quiet.Stop()
	seen, stored := uint64(0), true // look at the stream first
	for {
		h.mutex.Lock()
		changed := t.changed
		frames, now := t.since(after, seen)
		stored = stored || after < t.dropped
		h.mutex.Unlock()
		if stored {
			var err error
			if frames, err = h.page(ctx, id, after); err != nil {
				return err
			}
			stored = len(frames) == eventsPage
		}
		for _, f := range frames {
			if f.previous > after { // it was faster than the one before
				stored = true
				break
			}
			if err := l.event(f); err != nil {
				return err
			}
			after = f.Sequence
			if f.Job != nil && f.Job.State.Ended() {
				return nil
			}
		}
		for _, f := range now {
			if seen = f.version; l.live == nil {
				continue
			}
			if err := l.live(f); err != nil {
				return err
			}
		}
		if len(frames) > 0 {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-quiet.C:
			stored = true // a notification may be lost
			if err := l.idle(); err != nil {
				return err
			}
		}
	}
}

// since returns the recent events after a sequence, and what changed of the candidates
// under way after a version, the oldest change first. The mutex is held.
func (t *topic) since(after, seen uint64) (frames []frame, now []liveFrame) {
	for i, f := range t.recent {
		if f.Sequence > after {
			frames = t.recent[i:len(t.recent):len(t.recent)]
			break
		}
	}
	for _, f := range t.now {
		if f.version > seen {
			now = append(now, f)
		}
	}
	slices.SortFunc(now, func(a, b liveFrame) int { return int(a.version) - int(b.version) }) //nolint:gosec // versions are small
	return slices.Clone(frames), now
}

// page reads the stored events after a sequence.
func (h *hub) page(ctx context.Context, id string, after uint64) ([]frame, error) {
	list, err := h.queue.EventsPage(ctx, id, after, eventsPage)
	if err != nil {
		return nil, err
	}
	frames := make([]frame, len(list))
	for i, e := range list {
		if frames[i], err = encode(e, 0); err != nil {
			return nil, err
		}
	}
	return frames, nil
}

// wait waits until a job has ended, and returns it.
func (h *hub) wait(ctx context.Context, id string) (job jobs.Job, err error) {
	last := func(f frame) error {
		if f.Job != nil {
			job = *f.Job
		}
		return nil
	}
	err = h.listen(ctx, id, 0, listener{event: last, idle: func() error { return nil }})
	return job, err
}

// idleTime is how long a stream of events is silent before a sign of life, and how long a
// lost notification delays an event.
const idleTime = 10 * time.Second
