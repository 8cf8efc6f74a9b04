package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/jobs"
	"reflectionflow/search"
)

func settings(seed uint64) search.Config {
	cfg := search.Default(search.Reflection)
	cfg.Width, cfg.Depth, cfg.Budget.Images, cfg.Seed = 2, 0, 8, seed
	cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Guidance = 32, 32, 2, 1
	return cfg
}

// memory is a journal of image files.
type memory struct{ files [][]byte }

func (m *memory) Recall(int) (c reflectionflow.Candidate, img image.Image, ok bool) { return }

func (m *memory) Record(_ reflectionflow.Candidate, img image.Image) error {
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img)
	m.files = append(m.files, b.Bytes())
	return err
}

// alone returns the images of a search on the engine itself.
func alone(t *testing.T, text string, seed uint64) [][]byte {
	t.Helper()
	engine, m := &fake{}, &memory{}
	s := &search.Search{Generator: engine.generator(), Verifier: engine.verifier(), Reflector: engine.reflector(), Refiner: engine.refiner(), Journal: m}
	p := prompt()
	p.Text = text
	if _, err := s.Run(t.Context(), p, settings(seed)); err != nil {
		t.Fatal(err)
	}
	return m.files
}

// cluster is what the fault test kills.
type cluster struct {
	t      *testing.T
	url    string
	engine *fake
	random *rand.Rand
	all    []*process // that were started
	mutex  sync.Mutex // of random

	started, killedWorkers, killedServers, beforeStore, afterStore atomic.Int32
	calm                                                           atomic.Bool // nothing is killed any more

	stored   sync.Map     // when answers were stored, by name
	repeated atomic.Int32 // images that were generated after that
}

// drawing counts a generation whose answer is stored. A worker looks for the answer a
// moment before, and another may store it in between.
func (c *cluster) drawing(r reflectionflow.Request) {
	name, err := fleet.AnswerName(model(), r)
	if err != nil {
		c.t.Error(err)
	}
	if at, ok := c.stored.Load(name); ok && time.Since(at.(time.Time)) > time.Second {
		c.repeated.Add(1)
	}
}

func (c *cluster) chance(one int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return !c.calm.Load() && c.random.IntN(one) == 0
}

// process is a worker or a server with a connection of its own.
type process struct {
	bus  *jobs.Bus
	stop context.CancelFunc
	done chan struct{}
}

// kill ends a process without a word. It does not wait for its goroutines.
func (p *process) kill() {
	p.bus.Conn.Close()
	p.stop()
}

func (c *cluster) start(run func(ctx context.Context, bus *jobs.Bus, name string) error) *process {
	bus, err := jobs.Connect(c.url, 1)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{bus, cancel, make(chan struct{})}
	c.all = append(c.all, p)
	name := fmt.Sprintf("p%d", c.started.Add(1))
	go func() {
		defer close(p.done)
		defer bus.Close()
		if err := run(ctx, bus, name); err != nil && ctx.Err() == nil && !bus.Conn.IsClosed() {
			c.t.Error(err)
		}
	}()
	return p
}

// worker works, and is killed now and then before or after it has stored an answer.
func (c *cluster) worker(ctx context.Context, bus *jobs.Bus, name string) error {
	bus.Stream = storing{bus.Stream, func(name string, store func() error) error {
		answers := strings.HasPrefix(name, "answer/")
		if answers && c.chance(15) {
			c.beforeStore.Add(1)
			bus.Conn.Close()
		}
		err := store()
		if err == nil {
			c.stored.LoadOrStore(name, time.Now())
		}
		if answers && err == nil && c.chance(15) {
			c.afterStore.Add(1)
			bus.Conn.Close()
		}
		return err
	}}
	f, err := fleet.Open(ctx, bus, fleet.Options{Silence: time.Second, Tries: 10})
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Work(ctx, c.engine.engine(name))
}

// server runs jobs on the workers.
func (c *cluster) server(ctx context.Context, bus *jobs.Bus, name string) error {
	q, err := jobs.Open(ctx, bus, jobs.Options{Server: name, Lease: time.Second, Attempts: 100})
	if err != nil {
		return err
	}
	defer q.Close()
	f, err := fleet.Open(ctx, bus, fleet.Options{Silence: time.Second})
	if err != nil {
		return err
	}
	defer f.Close()
	m := model()
	return q.Work(ctx, 4, func(ctx context.Context, r *jobs.Run) (jobs.Outcome, error) {
		var seed uint64
		if _, err := fmt.Sscan(string(r.Settings), &seed); err != nil {
			return jobs.Outcome{}, err
		}
		s := &search.Search{Generator: f.Generator(m), Verifier: f.Verifier(m), Reflector: f.Reflector(m), Refiner: f.Refiner(m), Journal: r}
		p := prompt()
		p.Text = r.Spec.Prompt
		result, err := s.Run(ctx, p, settings(seed))
		return jobs.Outcome{Best: result.Best, Stopped: result.Stopped, Cost: result.Cost}, err
	})
}

// rampage kills workers and servers, and starts others, until news says that it is enough.
func (c *cluster) rampage(workers, servers int, enough <-chan struct{}) (stop func()) {
	var w, s []*process
	for range workers {
		w = append(w, c.start(c.worker))
	}
	for range servers {
		s = append(s, c.start(c.server))
	}
	for i := 0; ; i++ {
		select {
		case <-enough:
			c.calm.Store(true)
			return func() {
				for _, p := range c.all {
					p.stop()
				}
				for _, p := range c.all {
					<-p.done
				}
			}
		case <-time.After(250 * time.Millisecond):
		}
		for k, p := range w { // those that were killed while they stored
			if p.bus.Conn.IsClosed() {
				p.kill()
				w[k] = c.start(c.worker)
			}
		}
		if c.calm.Load() {
			continue
		}
		if i%6 == 5 {
			s[i/6%servers].kill()
			s[i/6%servers] = c.start(c.server)
			c.killedServers.Add(1)
		} else {
			w[i%workers].kill()
			w[i%workers] = c.start(c.worker)
			c.killedWorkers.Add(1)
		}
	}
}

// TestKills: while workers and servers are killed, every job ends with the images of a
// search that runs alone, and what was stored is not worked for again.
func TestKills(t *testing.T) {
	t.Parallel()
	const count = 6
	c := &cluster{t: t, url: startServer(t), random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // a test
	bus := connect(t, c.url)
	open(t, bus) // makes the stores
	c.engine = &fake{delay: 25 * time.Millisecond, drawing: c.drawing}
	q, err := jobs.Open(t.Context(), bus, jobs.Options{Server: "client", Lease: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	var ids []string
	for i := range count {
		job, err := q.Submit(t.Context(), jobs.Spec{Prompt: fmt.Sprintf("%d clocks", i%3+2), Settings: []byte(fmt.Sprint(i))}, "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	enough := make(chan struct{})
	var stop func()
	var running sync.WaitGroup
	running.Go(func() { stop = c.rampage(4, 2, enough) })
	time.AfterFunc(5*time.Second, func() { c.calm.Store(true) })
	limit := time.After(time.Minute)
	for live := count; live > 0; {
		select {
		case <-limit:
			t.Errorf("%d jobs have not ended", live)
			live = 0
			continue
		case <-time.After(50 * time.Millisecond):
		}
		live = len(q.Jobs())
	}
	close(enough)
	running.Wait()
	stop()
	for i, id := range ids {
		job, err := q.Job(t.Context(), id)
		if err != nil || job.State != jobs.Done {
			t.Errorf("job %d: %v, %s %s", i, err, job.State, job.Error)
			continue
		}
		want := alone(t, job.Prompt, uint64(i)) //nolint:gosec // a small number
		if job.Outcome.Images != len(want) {
			t.Errorf("job %d has %d images, alone %d", i, job.Outcome.Images, len(want))
			continue
		}
		for k := range want {
			got, err := q.Image(t.Context(), fmt.Sprintf("%s/%d.png", id, k))
			if err != nil || !bytes.Equal(got, want[k]) {
				t.Errorf("job %d, image %d is another one than alone: %v", i, k, err)
			}
		}
	}
	total, distinct := c.engine.total("draw")
	t.Logf("%d jobs; killed %d workers and %d servers, %d workers before and %d after they stored an answer; %d generations of %d images, %d after the answer was stored",
		count, c.killedWorkers.Load(), c.killedServers.Load(), c.beforeStore.Load(), c.afterStore.Load(), total, distinct, c.repeated.Load())
	if c.repeated.Load() > 0 {
		t.Error("images were generated again although they were stored")
	}
}
