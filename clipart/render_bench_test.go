package clipart

import (
	"math/rand/v2"
	"testing"
)

// benchScenes are scenes of two to four objects, half of them tinted.
func benchScenes(n int) []Scene {
	random := rand.New(rand.NewPCG(7, 1))
	names, colors := Classes(), Colors()
	list := make([]Scene, n)
	for i := range list {
		list[i].Background = random.IntN(len(backgrounds))
		for range 2 + random.IntN(3) {
			class := names[random.IntN(len(names))]
			p := Placement{
				Class: class, Drawing: random.IntN(Drawings(class)), Flip: random.IntN(2) == 0,
				X: float64(51+random.IntN(154)) / 256, Y: float64(51+random.IntN(154)) / 256, Size: float64(64+random.IntN(65)) / 256,
			}
			if random.IntN(2) == 0 {
				p.Color = colors[random.IntN(len(colors))]
			}
			list[i].Objects = append(list[i].Objects, p)
		}
	}
	return list
}

// BenchmarkRenderInto renders scenes of two to four objects at 128×128 pixels on one core and
// reports scenes/s.
func BenchmarkRenderInto(b *testing.B) {
	scenes := benchScenes(256)
	dst := make([]uint8, 3*128*128)
	for _, s := range scenes { // decode every drawing first
		if err := s.RenderInto(dst, 128, 128); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := scenes[i%len(scenes)].RenderInto(dst, 128, 128); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scenes/s")
}
