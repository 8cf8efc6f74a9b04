package genref

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"runtime"
	"testing"
)

// stubSource is a source that repeats one pair of encoded images, with a number in each, so
// that no two triplets are the same.
type stubSource struct{ flawed, enhanced []byte }

// newStub encodes textured images of 128×128 pixels.
func newStub(t testing.TB) *stubSource {
	t.Helper()
	encoded := func(shift int) []byte {
		m := image.NewRGBA(image.Rect(0, 0, 128, 128))
		random := newRandom(uint64(shift))
		for i := range 128 * 128 {
			x, y := i%128, i/128
			m.SetRGBA(x, y, color.RGBA{R: uint8(x + shift), G: uint8(y*2 + random.IntN(12)), B: uint8((x ^ y) + shift), A: 255})
		}
		data, err := EncodeImage(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return &stubSource{encoded(0), encoded(40)}
}

// numbered returns an image with a number in a comment after its first marker.
func (s *stubSource) numbered(data []byte, n uint64) []byte {
	const marker = 2
	comment := binary.BigEndian.AppendUint64([]byte{0xff, 0xfe, 0, 10}, n)
	return append(append(append(make([]byte, 0, len(data)+len(comment)), data[:marker]...), comment...), data[marker:]...)
}

func (s *stubSource) Fill(_ context.Context, f FillRequest) (FillResult, error) {
	for i := range f.Count {
		n := newSeed(f.Random)
		var flawed, enhanced PerceptualHash
		binary.LittleEndian.PutUint64(flawed[:], n)
		binary.LittleEndian.PutUint64(enhanced[8:], n)
		generated := ImageRecord{Seed: n, Width: 128, Height: 128, Steps: 30, Guidance: 3.5}
		p := &Provenance{Source: "rule", Model: "stub", Licence: "CC0-1.0", PassRate: 0.5, Distance: 0.1, Enhanced: generated, Flawed: generated}
		p.Enhanced.PerceptualHash, p.Flawed.PerceptualHash, p.Enhanced.Score = &enhanced, &flawed, 1
		_, err := f.Add(Sample{
			Key: sampleKey("rule", f.Number, i),
			Triplet: Triplet{
				Prompt: fmt.Sprintf("a photo of %d dogs", n), Reflection: "add one more dog", Subset: "rule",
				Flawed: s.numbered(s.flawed, n), Enhanced: s.numbered(s.enhanced, n),
			},
			Provenance: p,
		})
		if err != nil {
			return FillResult{}, err
		}
	}
	return FillResult{}, nil
}

// The index of duplicates takes little memory per triplet: a million fit into a small part
// of 500 MB.
func TestMemoryPerTriplet(t *testing.T) {
	const n = 100_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	d := newDuplicateIndex()
	_, err := (&stubSource{flawed: []byte{0xff, 0xd8}, enhanced: []byte{0xff, 0xd8}}).Fill(t.Context(), FillRequest{
		Count: n, Random: newRandom(1),
		Add: func(s Sample) (bool, error) {
			added, err := d.add(s)
			if !added {
				t.Errorf("sample %s is not a duplicate", s.Key)
			}
			return added, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if each := (heap() - before) / n; each > 160 {
		t.Errorf("%d bytes per triplet", each)
	}
	runtime.KeepAlive(d)
}
