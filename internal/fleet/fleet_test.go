package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

func request(seed uint64) reflectionflow.Request {
	return reflectionflow.Request{Prompt: "two clocks", Seed: seed, Width: 32, Height: 32, Steps: 2, Guidance: 1}
}

func prompt() reflectionflow.Prompt {
	return reflectionflow.Prompt{Text: "two clocks", Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.Exactly, Object: "clock", Count: 2}}}
}

func drawn(t *testing.T, seed uint64) image.Image {
	t.Helper()
	list, err := (&fake{}).generator().Generate(t.Context(), []reflectionflow.Request{request(seed)})
	if err != nil {
		t.Fatal(err)
	}
	return list[0].Image
}

// TestConformance runs the suites on parts whose work is done by workers.
func TestConformance(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	work(t, connect(t, url), engine.engine("a"))
	work(t, connect(t, url), engine.engine("b"))
	f := open(t, connect(t, url))
	corrected := request(2)
	corrected.Reference, corrected.Reflection = drawn(t, 1), "fix it"
	several := corrected
	several.Others = reflectionflow.NewImages(drawn(t, 3), drawn(t, 1))
	t.Run("Generator", func(t *testing.T) {
		conformance.Generator(t, f.Generator(model()), []reflectionflow.Request{request(1), corrected, several, request(3)}, conformance.Options{})
	})
	t.Run("Verifier", func(t *testing.T) {
		conformance.Verifier(t, f.Verifier(model()), []reflectionflow.PromptedImage{{Prompt: prompt(), Image: drawn(t, 1)}, {Prompt: prompt(), Image: drawn(t, 2)}}, conformance.Options{})
	})
	list := []reflectionflow.Observation{
		{Prompt: prompt(), Request: request(1), Image: drawn(t, 1), Score: reflectionflow.Score{Value: 0.5}, Seed: 1},
		{Prompt: prompt(), Request: corrected, Image: drawn(t, 2), Score: reflectionflow.Score{Value: 0.25}, Seed: 2},
	}
	t.Run("Reflector", func(t *testing.T) {
		conformance.Reflector(t, f.Reflector(model()), list, conformance.Options{})
	})
	t.Run("Refiner", func(t *testing.T) {
		conformance.Refiner(t, f.Refiner(model()), append(list, reflectionflow.Observation{Prompt: prompt(), Seed: 3}), conformance.Options{})
	})
}

// TestSeveralReferences: images from several references are those of the workers' generator,
// and depend on each reference and on their order. More than the model takes are refused.
func TestSeveralReferences(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	work(t, connect(t, url), engine.engine("a"))
	g := open(t, connect(t, url)).Generator(model())
	var requests []reflectionflow.Request
	for _, others := range [][]image.Image{nil, {drawn(t, 2)}, {drawn(t, 3)}, {drawn(t, 2), drawn(t, 3)}, {drawn(t, 3), drawn(t, 2)}} {
		r := request(4)
		r.Reference, r.Others = drawn(t, 1), reflectionflow.NewImages(others...)
		requests = append(requests, r)
	}
	got, err := g.Generate(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	want, err := engine.generator().Generate(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[32]byte]bool{}
	for i := range requests {
		sum := digest(got[i].Image)
		if sum != digest(want[i].Image) {
			t.Errorf("request %d: the image is not that of the generator", i)
		}
		seen[sum] = true
	}
	if len(seen) != len(requests) {
		t.Errorf("%d images of %d requests", len(seen), len(requests))
	}
	many := requests[4]
	many.Others = reflectionflow.NewImages(drawn(t, 1), drawn(t, 2), drawn(t, 3))
	if err := g.Check(many); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("four references: error %v, want one that wraps ErrInvalid", err)
	}
	m := model()
	m.References = 0 // of a worker that says nothing of it
	if err := open(t, connect(t, url)).Generator(m).Check(requests[1]); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("two references: error %v, want one that wraps ErrInvalid", err)
	}
}

// TestWholeAnswer: what a worker answers arrives whole: costs with their seconds, findings,
// captions.
func TestWholeAnswer(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	work(t, connect(t, url), engine.engine("a"))
	f := open(t, connect(t, url))
	seen := reflectionflow.PromptedImage{Prompt: prompt(), Image: drawn(t, 1)}
	want, err := engine.verifier().Verify(t.Context(), []reflectionflow.PromptedImage{seen})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Verifier(model()).Verify(t.Context(), []reflectionflow.PromptedImage{seen})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestAsksOnce: an answer that is stored is not worked for again, also when its worker died
// before it acknowledged the task.
func TestAsksOnce(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	bus := connect(t, url)
	killed := make(chan struct{})
	var once atomic.Bool
	open(t, connect(t, url)) // makes the stores, which the next one wraps
	bus.Stream = storing{bus.Stream, func(name string, store func() error) error {
		err := store()
		if strings.HasPrefix(name, "answer/") && once.CompareAndSwap(false, true) {
			bus.Conn.Close()
			close(killed)
		}
		return err
	}}
	work(t, bus, engine.engine("dies"))
	f := open(t, connect(t, url))
	answers := make(chan error, 1)
	go func() {
		_, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)})
		answers <- err
	}()
	<-killed
	work(t, connect(t, url), engine.engine("b"))
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, connect(t, url)).Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)}); err != nil {
		t.Fatal(err)
	}
	if n, _ := engine.total("draw"); n != 1 {
		t.Errorf("%d generations, want 1", n)
	}
}

// TestPoison: a task that ends every worker fails its own candidate and no other, and is
// given up.
func TestPoison(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var died atomic.Int32
	var start func()
	start = func() {
		bus, err := jobs.Connect(url, 1)
		if err != nil {
			t.Error(err)
			return
		}
		f, err := fleet.Open(ctx, bus, fleet.Options{Silence: 300 * time.Millisecond, Tries: 3})
		if err != nil {
			t.Error(err)
			return
		}
		engine := &fake{called: func(ctx context.Context, _, hash string) error {
			bad := digest(request(13), nil)
			if hash == fmt.Sprintf("%x", bad) {
				died.Add(1)
				bus.Conn.Close()
				go start()
				<-ctx.Done()
			}
			return nil
		}}
		e := engine.engine("w")
		e.Roles = []fleet.Role{fleet.Draw}
		go func() {
			working, stop := context.WithCancel(ctx)
			context.AfterFunc(ctx, stop)
			_ = f.Work(working, e)
			bus.Close()
		}()
	}
	start()
	f := open(t, connect(t, url))
	made, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(12), request(13), request(14)})
	if err != nil {
		t.Fatal(err)
	}
	if made[0].Err != nil || made[2].Err != nil {
		t.Errorf("the other images failed: %v, %v", made[0].Err, made[2].Err)
	}
	if !reflectionflow.IsPermanent(made[1].Err) || made[1].Image != nil {
		t.Errorf("the poison gave %v, want a permanent failure", made[1].Err)
	}
	if died.Load() != 3 {
		t.Errorf("it ended %d workers, want 3", died.Load())
	}
}

// TestErrors: errors of an engine keep their kind, and those that can pass are forgotten.
func TestErrors(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	var failure atomic.Pointer[error]
	engine := &fake{called: func(context.Context, string, string) error {
		if err := failure.Load(); err != nil {
			return *err
		}
		return nil
	}}
	work(t, connect(t, url), engine.engine("a"))
	f := open(t, connect(t, url))
	fails := func(err error) error {
		failure.Store(&err)
		made, failed := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)})
		if failed != nil {
			t.Fatal(failed)
		}
		return made[0].Err
	}
	if err := fails(errors.New("a connection broke")); err == nil || err.Error() != "a connection broke" || reflectionflow.IsPermanent(err) {
		t.Errorf("got %v, want a failure that can pass", err)
	}
	images := []reflectionflow.PromptedImage{{Prompt: prompt(), Image: drawn(t, 1)}}
	invalid := fmt.Errorf("%w: no such word", reflectionflow.ErrInvalid)
	failure.Store(&invalid)
	if _, err := f.Verifier(model()).Verify(t.Context(), images); !errors.Is(err, reflectionflow.ErrInvalid) || err.Error() != invalid.Error() {
		t.Errorf("got %v, want %v", err, invalid)
	}
	failure.Store(nil)
	if made, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)}); err != nil || made[0].Err != nil {
		t.Errorf("the failure stayed: %v, %v", err, made)
	}
	if err := fails(fmt.Errorf("%w: declined", reflectionflow.ErrPermanent)); err != nil {
		t.Errorf("a stored image was generated again: %v", err)
	}
}

// stuck is an engine that generates until the task is cancelled.
func stuck() (engine *fake, begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}, 8), make(chan error, 8)
	return &fake{called: func(ctx context.Context, kind, _ string) error {
		if kind != "draw" {
			return nil
		}
		begun <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}, begun, ended
}

// TestCancelUnheard: a task that was taken out of the queue ends although the worker was not
// told, or was told before it had begun the task.
func TestCancelUnheard(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine, begun, ended := stuck()
	bus := connect(t, url)
	work(t, connect(t, url), engine.engine("a"))
	f := open(t, connect(t, url))
	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	calling.Go(func() { _, _ = f.Generator(model()).Generate(ctx, []reflectionflow.Request{request(1)}) })
	defer calling.Wait()
	defer cancel()
	<-begun
	stream, err := bus.Stream.Stream(t.Context(), "TASKS")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the task ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the task goes on")
	}
}

// TestCancel: a caller that is gone takes its tasks along, those that wait and those under
// way.
func TestCancel(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine, begun, ended := stuck()
	cancelled := make(chan struct{}) // all of the tasks
	hold := engine.called
	engine.called = func(ctx context.Context, kind, hash string) error {
		err := hold(ctx, kind, hash)
		if err != nil {
			<-cancelled // so that the slot takes no task that is about to be cancelled
		}
		return err
	}
	e := engine.engine("a")
	e.Slots = 1
	work(t, connect(t, url), e)
	f := open(t, connect(t, url))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := f.Generator(model()).Generate(ctx, []reflectionflow.Request{request(1), request(2), request(3)})
		result <- err
	}()
	<-begun
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	close(cancelled)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the task under way ended with %v", err)
	}
	if _, err := f.Verifier(model()).Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt(), Image: drawn(t, 1)}}); err != nil {
		t.Fatal(err)
	}
	if n, _ := engine.total("draw"); n != 1 {
		t.Errorf("%d tasks were begun, want 1", n)
	}
}

// queueing is JetStream that calls after when something was published, before the receipt
// comes.
type queueing struct {
	jetstream.JetStream
	after func()
}

func (q queueing) Publish(ctx context.Context, subject string, data []byte, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ack, err := q.JetStream.Publish(context.WithoutCancel(ctx), subject, data, o...)
	q.after()
	return ack, errors.Join(err, ctx.Err())
}

// TestCancelWhileQueued: a caller that leaves before the receipt of its task comes takes it out
// of the queue again.
func TestCancelWhileQueued(t *testing.T) {
	t.Parallel()
	bus := connect(t, startServer(t))
	ctx, cancel := context.WithCancel(t.Context())
	bus.Stream = queueing{bus.Stream, cancel}
	f := open(t, bus)
	if _, err := f.Generator(model()).Generate(ctx, []reflectionflow.Request{request(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	stream, err := bus.Stream.Stream(t.Context(), "TASKS")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State; n.Msgs != 0 || n.LastSeq != 1 {
		t.Errorf("%d tasks of %d are left, want none of 1", n.Msgs, n.LastSeq)
	}
}

// TestFingerprints: a worker with other weights takes no tasks, and a name that two models
// have needs a pin.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	f := open(t, connect(t, url))
	if _, err := f.Model(t.Context(), "fake", "v1", ""); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "worker") {
		t.Errorf("without workers: got %v", err)
	}
	others, mine := &fake{}, &fake{}
	other := others.engine("other")
	other.Model.Fingerprint = strings.Repeat("ab", 32)
	stop, _ := work(t, connect(t, url), other)
	work(t, connect(t, url), mine.engine("mine"))
	if _, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1), request(2)}); err != nil {
		t.Fatal(err)
	}
	if n, _ := others.total("draw"); n != 0 {
		t.Errorf("other weights generated %d images", n)
	}
	testserver.Wait(t, "two workers", func() bool { return len(workers(t, f)) == 2 })
	if _, err := f.Model(t.Context(), "fake", "v1", ""); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "pin") {
		t.Errorf("two models of a name: got %v", err)
	}
	if m, err := f.Model(t.Context(), "fake", "v1", "abab"); err != nil || m.Fingerprint != other.Model.Fingerprint {
		t.Errorf("pinned: got %+v, %v", m, err)
	}
	stop()
	testserver.Wait(t, "one model of the name", func() bool { // a busy machine is late with a sign of life
		m, err := f.Model(t.Context(), "fake", "v1", "")
		if err == nil && m.Fingerprint != model().Fingerprint {
			t.Fatalf("only one with workers: got %+v", m)
		}
		return err == nil
	})
	if _, err := f.Model(t.Context(), "fake", "v2", ""); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("another version: got %v", err)
	}
}

func workers(t *testing.T, f *fleet.Fleet) []fleet.Worker {
	t.Helper()
	list, err := f.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDrain: a worker that is stopped finishes what it has, and takes nothing more.
func TestDrain(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	begun, finish := make(chan struct{}, 8), make(chan struct{})
	engine := &fake{called: func(context.Context, string, string) error {
		begun <- struct{}{}
		<-finish
		return nil
	}}
	e := engine.engine("a")
	e.Slots = 1
	stop, _ := work(t, connect(t, url), e)
	f := open(t, connect(t, url))
	answers := make(chan error, 1)
	go func() {
		_, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1), request(2)})
		answers <- err
	}()
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(finish)
	<-stopped
	if n, _ := engine.total("draw"); n != 1 {
		t.Errorf("%d tasks were begun, want 1", n)
	}
	if list := workers(t, f); len(list) != 0 {
		t.Errorf("the worker is still registered: %+v", list)
	}
	work(t, connect(t, url), engine.engine("b"))
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	if total, distinct := engine.total("draw"); total != 2 || distinct != 2 {
		t.Errorf("%d generations of %d images, want 2 of 2", total, distinct)
	}
}
