package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"reflectionflow"
)

// Kind names what an [Event] is about.
type Kind string

// The kinds of event. The last three end the events of a job.
const (
	KindSubmitted Kind = "submitted"
	KindStarted   Kind = "started"
	KindPrompt    Kind = "prompt"    // the prompt was parsed
	KindCandidate Kind = "candidate" // a candidate is finished
	KindCompared  Kind = "compared"  // two candidates of one score were compared
	KindDone      Kind = "done"
	KindFailed    Kind = "failed"
	KindCancelled Kind = "cancelled"
)

// Event is a durable event of a job.
type Event struct {
	// Sequence is the event's place among those of all jobs. It grows, with gaps.
	Sequence uint64    `json:"-"`
	JobID    string    `json:"-"`
	Kind     Kind      `json:"kind"`
	Time     time.Time `json:"time"`
	// Job is the job as it was then; nil for KindPrompt, KindCandidate and KindCompared.
	Job *Job `json:"job,omitempty"`
	// Prompt and Parsing are set for KindPrompt.
	Prompt  *reflectionflow.Prompt `json:"prompt,omitempty"`
	Parsing reflectionflow.Cost    `json:"parsing,omitzero"`
	// Candidate and Image are set for KindCandidate; Image is empty for one that failed.
	Candidate *reflectionflow.Candidate `json:"candidate,omitempty"`
	Image     *ImageRef                 `json:"image,omitempty"`
	// Comparison is set for KindCompared.
	Comparison *reflectionflow.Duel `json:"comparison,omitempty"`
}

// ImageRef names a stored image.
type ImageRef struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of the file, hexadecimal
	Bytes  int    `json:"bytes"`
}

// errBehind is the error of a server that writes to a job which another has taken over.
var errBehind = errors.New("another server has taken the job over")

// append stores an event after the one with sequence last, which is 0 for none, and
// returns its own.
func (q *Queue) append(ctx context.Context, e Event, last uint64) (uint64, error) {
	e.Time = q.now().UTC()
	data, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("encode the event %s of job %s: %w", e.Kind, e.JobID, err)
	}
	// The message's ID shows the store an event that it has, whose receipt was lost.
	var ack *jetstream.PubAck
	id := nuid.Next()
	err = q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) error {
		ack, err = q.bus.Stream.Publish(ctx, eventPrefix+e.JobID, data, jetstream.WithExpectLastSequencePerSubject(last), jetstream.WithMsgID(id))
		return err
	})
	if lost(err) {
		return 0, errBehind
	}
	if err != nil {
		return 0, fmt.Errorf("%w: the event %s of job %s: %w", ErrStore, e.Kind, e.JobID, err)
	}
	e.Sequence = ack.Sequence
	q.mutex.Lock()
	hears := q.hears
	q.mutex.Unlock()
	if hears != nil {
		hears(e, last)
	}
	return ack.Sequence, nil
}

// Hear calls receive with each event that this server stores, at once, and the sequence of
// the one before it in its job. [Queue.Follow] passes these as well, a little later, in
// order and with those of other servers.
func (q *Queue) Hear(receive func(e Event, previous uint64)) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.hears = receive
}

// Events returns the events of a job after a sequence, in order. Those of a job that does
// not exist are empty.
func (q *Queue) Events(ctx context.Context, id string, after uint64) ([]Event, error) {
	return q.EventsPage(ctx, id, after, math.MaxInt)
}

// EventsPage is [Queue.Events] for at most limit events.
func (q *Queue) EventsPage(ctx context.Context, id string, after uint64, limit int) ([]Event, error) {
	if !ValidID(id) {
		return nil, ErrUnknown
	}
	var list []Event
	for next := after + 1; len(list) < limit; {
		var msg *jetstream.RawStreamMsg
		err := q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) (err error) {
			msg, err = q.events.GetMsg(ctx, next, jetstream.WithGetMsgSubject(eventPrefix+id))
			return err
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the events of job %s: %w", id, err)
		}
		e, err := readEvent(msg.Subject, msg.Sequence, msg.Data)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		next = msg.Sequence + 1
	}
	return list, nil
}

// lastEvent returns the last event of a job.
func (q *Queue) lastEvent(ctx context.Context, id string) (Event, error) {
	var msg *jetstream.RawStreamMsg
	err := q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) (err error) {
		msg, err = q.events.GetLastMsgForSubject(ctx, eventPrefix+id)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Event{}, ErrUnknown
	}
	if err != nil {
		return Event{}, fmt.Errorf("read the last event of job %s: %w", id, err)
	}
	return readEvent(msg.Subject, msg.Sequence, msg.Data)
}

func readEvent(subject string, sequence uint64, data []byte) (Event, error) {
	e := Event{Sequence: sequence, JobID: strings.TrimPrefix(subject, eventPrefix)}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("read event %d of job %s: %w", sequence, e.JobID, err)
	}
	return e, nil
}

// Follow calls receive for every event of every job after a sequence, in order, until ctx
// ends. It survives lost connections.
func (q *Queue) Follow(ctx context.Context, after uint64, receive func(Event)) error {
	consumer, err := q.events.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1})
	if err != nil {
		return fmt.Errorf("follow the events: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("follow the events: %w", err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		msg, err := messages.Next()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("follow the events: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("follow the events: %w", err)
		}
		if e, err := readEvent(msg.Subject(), meta.Sequence.Stream, msg.Data()); err == nil {
			receive(e)
		}
	}
}

// Live calls receive for the progress and previews of a job, or of all jobs for an empty
// ID, until the returned function is called. What is sent while nobody listens is lost.
func (q *Queue) Live(id string, receive func(job string, data []byte)) (stop func(), err error) {
	subject := livePrefix + "*"
	if id != "" {
		subject = livePrefix + id
	}
	sub, err := q.bus.Conn.Subscribe(subject, func(m *nats.Msg) { receive(strings.TrimPrefix(m.Subject, livePrefix), m.Data) })
	if err != nil {
		return nil, fmt.Errorf("listen to progress: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}
