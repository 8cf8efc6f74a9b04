package fleet_test

import (
	"context"
	"errors"
	"image"
	"reflect"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/fleet"
)

// shelf is a keeper in memory.
type shelf struct {
	mutex sync.Mutex
	kept  map[string][]byte
}

func (s *shelf) Kept(_ context.Context, key string) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.kept[key], nil
}

func (s *shelf) Keep(_ context.Context, key string, answer []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.kept[key] = answer
	return nil
}

// paid counts what it is asked; every third request fails, and may pass another time.
type paid struct {
	mutex sync.Mutex
	asked map[uint64]int
}

func (p *paid) Generate(_ context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	list := make([]reflectionflow.Generation, len(requests))
	for i, r := range requests {
		p.asked[r.Seed]++
		img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		img.Pix[0], img.Pix[3] = uint8(r.Seed), 255
		list[i] = reflectionflow.Generation{Image: img, Cost: reflectionflow.Cost{Images: 1, USD: 0.04, Seconds: 2}, Warnings: []string{"late"}}
		if r.Seed%3 == 2 {
			list[i] = reflectionflow.Generation{Err: errors.New("busy"), Cost: reflectionflow.Cost{Images: 1}}
		}
	}
	return list, nil
}

// TestKept asks twice, as a search does that is taken over: what was answered is not asked
// again, and is the same; what failed is.
func TestKept(t *testing.T) {
	requests := make([]reflectionflow.Request, 6)
	for i := range requests {
		requests[i] = reflectionflow.Request{Prompt: "a", Seed: uint64(i), Width: 32, Height: 16, Steps: 2}
	}
	for _, alone := range []bool{false, true} {
		p := &paid{asked: map[uint64]int{}}
		g := fleet.Kept{Alone: alone}.Generator(p)
		ctx := fleet.WithKeeper(t.Context(), &shelf{kept: map[string][]byte{}}, "model")
		first, err := g.Generate(ctx, requests[:4])
		if err != nil {
			t.Fatal(err)
		}
		second, err := g.Generate(ctx, requests)
		if err != nil {
			t.Fatal(err)
		}
		for i := range first {
			if i == 2 {
				continue
			}
			if a, b := first[i], second[i]; !reflect.DeepEqual(a.Cost, b.Cost) || !reflect.DeepEqual(a.Warnings, b.Warnings) || a.Image.At(0, 0) != b.Image.At(0, 0) {
				t.Errorf("alone %v: image %d is kept as %+v, was %+v", alone, i, b, a)
			}
		}
		for seed, want := range []int{1, 1, 2, 1, 1, 1} {
			if got := p.asked[uint64(seed)]; got != want {
				t.Errorf("alone %v: request %d was made %d times, want %d", alone, seed, got, want)
			}
		}
		if _, err := g.Generate(t.Context(), requests[:1]); err != nil || p.asked[0] != 2 {
			t.Errorf("without a keeper: %v, asked %d times", err, p.asked[0])
		}
		other := fleet.WithKeeper(ctx, &shelf{kept: map[string][]byte{}}, "other model")
		if _, err := g.Generate(other, requests[:1]); err != nil || p.asked[0] != 3 {
			t.Errorf("another model: %v, asked %d times", err, p.asked[0])
		}
	}
}

// TestKeptVerdicts does the same with a verifier and a reflector.
func TestKeptVerdicts(t *testing.T) {
	asked := 0
	v := fleet.Kept{}.Verifier(reflectionflow.VerifierFunc(func(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		asked++
		return reflectionflow.Score{Value: 0.1 + 0.2, Cost: reflectionflow.Cost{VerifierCalls: 1, Seconds: 3}}, nil
	}))
	r := fleet.Kept{}.Reflector(reflectionflow.ReflectorFunc(func(_ context.Context, o reflectionflow.Observation) (reflectionflow.Reflection, error) {
		asked++
		return reflectionflow.Reflection{Text: "add " + o.Prompt.Text, Cost: reflectionflow.Cost{USD: 1}}, nil
	}))
	ctx := fleet.WithKeeper(t.Context(), &shelf{kept: map[string][]byte{}}, "model")
	seen := reflectionflow.PromptedImage{Prompt: reflectionflow.Prompt{Text: "a cup"}, Image: image.NewNRGBA(image.Rect(0, 0, 16, 16))}
	var scores []reflectionflow.Score
	var said []reflectionflow.Reflection
	for range 2 {
		s, err := v.Verify(ctx, []reflectionflow.PromptedImage{seen})
		if err != nil {
			t.Fatal(err)
		}
		o, err := r.Reflect(ctx, []reflectionflow.Observation{{Prompt: seen.Prompt, Image: seen.Image, Score: s[0]}})
		if err != nil {
			t.Fatal(err)
		}
		scores, said = append(scores, s...), append(said, o...)
	}
	if asked != 2 || !reflect.DeepEqual(scores[0], scores[1]) || !reflect.DeepEqual(said[0], said[1]) {
		t.Errorf("asked %d times: %+v, %+v", asked, scores, said)
	}
}

// TestKeptOnce asks equal questions at once: in one call, and in two. Each is paid once.
func TestKeptOnce(t *testing.T) {
	for _, alone := range []bool{false, true} {
		begun, goOn := make(chan struct{}, 8), make(chan struct{})
		asked := 0
		v := fleet.Kept{Alone: alone}.Verifier(reflectionflow.VerifierFunc(func(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
			asked++ // by one at a time: the race detector sees others
			begun <- struct{}{}
			<-goOn
			return reflectionflow.Score{Value: 0.5}, nil
		}))
		ctx := fleet.WithKeeper(t.Context(), &shelf{kept: map[string][]byte{}}, "model")
		seen := reflectionflow.PromptedImage{Prompt: reflectionflow.Prompt{Text: "a cup"}, Image: image.NewNRGBA(image.Rect(0, 0, 16, 16))}
		var asking sync.WaitGroup
		for range 2 {
			asking.Go(func() {
				scores, err := v.Verify(ctx, []reflectionflow.PromptedImage{seen, seen})
				if err != nil || len(scores) != 2 || scores[0].Value != 0.5 || scores[1].Value != 0.5 {
					t.Errorf("alone %v: %v, error %v", alone, scores, err)
				}
			})
		}
		<-begun
		close(goOn)
		asking.Wait()
		if asked != 1 {
			t.Errorf("alone %v: asked %d times", alone, asked)
		}
	}
}

// TestKeptKeys: what is kept is found again by later versions, so the keys of requests with
// one reference or none stay as they were; several references each count, in their order.
func TestKeptKeys(t *testing.T) {
	first, second := image.NewNRGBA(image.Rect(0, 0, 8, 8)), image.NewNRGBA(image.Rect(0, 0, 8, 16))
	r := reflectionflow.Request{Prompt: "a", Seed: 1, Width: 32, Height: 16, Steps: 2}
	key := func(reference image.Image, others ...image.Image) string {
		s := &shelf{kept: map[string][]byte{}}
		r.Reference, r.Others = reference, reflectionflow.NewImages(others...)
		g := fleet.Kept{}.Generator(&paid{asked: map[uint64]int{}})
		if _, err := g.Generate(fleet.WithKeeper(t.Context(), s, "model"), []reflectionflow.Request{r}); err != nil {
			t.Fatal(err)
		}
		for key := range s.kept {
			return key
		}
		return ""
	}
	if got, want := key(nil), "55f968b20378ab7e21436cd442f7c069f93a31463b8424fa70f77b399007f634"; got != want {
		t.Errorf("without a reference: %s, want %s", got, want)
	}
	if got, want := key(first), "6bd123aefec9a69db2d66fb185cc12015432de17d19a5581c9f3887d1b078ef3"; got != want {
		t.Errorf("with a reference: %s, want %s", got, want)
	}
	keys := map[string]bool{key(first): true, key(second): true, key(first, second): true, key(second, first): true, key(first, first): true, key(first, first, second): true}
	if len(keys) != 6 || keys[""] {
		t.Errorf("%d keys of 6 lists of references", len(keys))
	}
}
