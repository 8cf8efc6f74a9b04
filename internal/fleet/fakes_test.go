package fleet_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

// startServer starts a NATS server in this process and returns its URL.
func startServer(t *testing.T) string {
	t.Helper()
	return testserver.NATS(t, nil)
}

func connect(t *testing.T, url string) *jobs.Bus {
	t.Helper()
	bus, err := jobs.Connect(url, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	return bus
}

func open(t *testing.T, bus *jobs.Bus) *fleet.Fleet {
	t.Helper()
	f, err := fleet.Open(t.Context(), bus, fleet.Options{Silence: time.Second, Report: func(err error) { t.Log(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// model is the description of the fake model.
func model() fleet.Model {
	sum := sha256.Sum256([]byte("fake"))
	return fleet.Model{
		Name: "fake", Fingerprint: hex.EncodeToString(sum[:]), Version: "v1", Width: 32, Height: 32, Steps: 2, Guidance: 1,
		Corrects: true, References: 3, Abilities: reflectionflow.Abilities{EveryKind: true},
	}
}

// fake is an engine whose answers are functions of the question.
type fake struct {
	delay time.Duration
	// called is told of each question with the hash of it; its error is returned.
	called func(ctx context.Context, kind, hash string) error

	mutex sync.Mutex
	calls map[string]int // by kind and hash
}

func digest(values ...any) [32]byte {
	h := sha256.New()
	for _, v := range values {
		if img, ok := v.(image.Image); ok && img != nil {
			b := img.Bounds()
			for y := b.Min.Y; y < b.Max.Y; y++ {
				for x := b.Min.X; x < b.Max.X; x++ {
					_, _ = fmt.Fprintln(h, color.NRGBAModel.Convert(img.At(x, y)))
				}
			}
			continue
		}
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		_, _ = h.Write(append(data, '\n'))
	}
	return [32]byte(h.Sum(nil))
}

func (f *fake) call(ctx context.Context, kind string, values ...any) ([32]byte, error) {
	sum := digest(values...)
	f.mutex.Lock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[kind+" "+hex.EncodeToString(sum[:])]++
	f.mutex.Unlock()
	if f.called != nil {
		if err := f.called(ctx, kind, hex.EncodeToString(sum[:])); err != nil {
			return sum, err
		}
	}
	select {
	case <-ctx.Done():
		return sum, ctx.Err()
	case <-time.After(f.delay):
	}
	return sum, nil
}

// total is the number of calls of a kind, distinct that of different questions.
func (f *fake) total(kind string) (total, distinct int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for key, n := range f.calls {
		if len(key) > len(kind) && key[:len(kind)] == kind {
			total += n
			distinct++
		}
	}
	return total, distinct
}

func (f *fake) generator() reflectionflow.Generator {
	return reflectionflow.GeneratorFunc(func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
		if _, show := reflectionflow.Sketches(ctx); show != nil {
			show(reflectionflow.Sketch{Request: r, Step: 1, Image: image.NewNRGBA(image.Rect(0, 0, 8, 8))})
		}
		seen := []any{r, r.Reference}
		for _, img := range r.Others.All() {
			seen = append(seen, img)
		}
		sum, err := f.call(ctx, "draw", seen...)
		img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		for i := range img.Pix {
			img.Pix[i] = sum[i%len(sum)] ^ byte(i/len(sum))
			if i%4 == 3 {
				img.Pix[i] = 255
			}
		}
		return img, err
	})
}

func (f *fake) verifier() reflectionflow.Verifier {
	return reflectionflow.VerifierFunc(func(ctx context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		sum, err := f.call(ctx, "verify", p.Prompt, p.Image)
		s := reflectionflow.Score{Value: float64(sum[0]) / 300, Cost: reflectionflow.Cost{VerifierCalls: 1, TokensIn: 7, USD: 0.1, Seconds: 0.25}}
		for _, r := range p.Prompt.Requirements {
			s.Requirements = append(s.Requirements, reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: float64(sum[1]) / 256})
		}
		return s, err
	})
}

func (f *fake) reflector() reflectionflow.Reflector {
	return reflectionflow.ReflectorFunc(func(ctx context.Context, o reflectionflow.Observation) (reflectionflow.Reflection, error) {
		sum, err := f.call(ctx, "reflect", o.Prompt, o.Seed, o.Image, o.Request.Reference)
		return reflectionflow.Reflection{Text: fmt.Sprintf("fix %x", sum[:3]), Caption: "seen", Cost: reflectionflow.Cost{TokensOut: 3}}, err
	})
}

func (f *fake) refiner() reflectionflow.Refiner {
	return reflectionflow.RefinerFunc(func(ctx context.Context, o reflectionflow.Observation) (reflectionflow.Refinement, error) {
		sum, err := f.call(ctx, "refine", o.Prompt, o.Seed, o.Image)
		return reflectionflow.Refinement{Text: fmt.Sprintf("%s, %x", o.Prompt.Text, sum[:3]), Cost: reflectionflow.Cost{TokensOut: 3}}, err
	})
}

func (f *fake) engine(name string) fleet.Engine {
	return fleet.Engine{
		Name: name, Model: model(), Roles: fleet.Roles(), Slots: 2,
		Generator: f.generator(), Verifier: f.verifier(), Reflector: f.reflector(), Refiner: f.refiner(),
	}
}

// work runs a worker on its own connection until the test ends or the returned function is
// called; kill closes the connection, so that nothing more is stored or acknowledged.
func work(t *testing.T, bus *jobs.Bus, e fleet.Engine) (stop, kill func()) {
	t.Helper()
	f := open(t, bus)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = f.Work(ctx, e) })
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop, func() { bus.Conn.Close(); stop() }
}

// storing is JetStream whose answers are handed to around before they are stored.
type storing struct {
	jetstream.JetStream
	around func(name string, store func() error) error
}

func (s storing) ObjectStore(ctx context.Context, bucket string) (jetstream.ObjectStore, error) {
	o, err := s.JetStream.ObjectStore(ctx, bucket)
	return storingObjects{o, s.around}, err
}

type storingObjects struct {
	jetstream.ObjectStore
	around func(name string, store func() error) error
}

func (s storingObjects) PutBytes(ctx context.Context, name string, data []byte) (info *jetstream.ObjectInfo, err error) {
	err = s.around(name, func() error {
		info, err = s.ObjectStore.PutBytes(ctx, name, data)
		return err
	})
	return info, err
}
