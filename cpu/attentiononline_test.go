package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// heads is an attention: values of q [batch, queries, heads, size], k and v [batch, keys, heads, size].
type heads struct {
	batch, queries, keys, heads, size int
	q, k, v                           []float32
}

func randomHeads(r *rand.Rand, batch, queries, keys, count, size int) heads {
	n := batch * count * size
	return heads{batch, queries, keys, count, size, gaussian(r, n*queries), gaussian(r, n*keys), gaussian(r, n*keys)}
}

// compile returns a function that computes the attention, and whether its softmax is online.
func (h heads) compile(tb testing.TB, b *Backend) (run func() []float32, online bool) {
	tb.Helper()
	g := NewGraph(b, "attention")
	var x []*Node
	var in []compute.Buffer
	for i, v := range [][]float32{h.q, h.k, h.v} {
		shape := shapes.Make(dtypes.Float32, h.batch, len(v)/(h.batch*h.heads*h.size), h.heads, h.size)
		buffer, err := b.BufferFromFlatData(0, v, shape)
		if err != nil {
			tb.Fatal(err)
		}
		in, x = append(in, buffer), append(x, Parameter(g, string(rune('a'+i)), shape))
	}
	before := b.Steps()["online attention"]
	if err := g.Compile(attentionOf(x[0], x[1], x[2], nil)); err != nil {
		tb.Fatal(err)
	}
	return func() []float32 {
		out, err := g.Executable().Execute(in, nil, 0)
		if err != nil {
			tb.Fatal(err)
		}
		defer out[0].Finalize()
		return slices.Clone(floatsOf(tb, out)[0])
	}, b.Steps()["online attention"] > before
}

// reference computes the attention in f64 from operands rounded to bf16, and bounds of the errors: those of sums in f32, and of
// the weights, which are rounded to bf16 and summed before that.
func (h heads) reference() (want, bounds []float64) {
	at := func(list []float32, b, token, head, tokens int) []float32 {
		return list[((b*tokens+token)*h.heads+head)*h.size:][:h.size]
	}
	scale := float64(float32(1 / math.Sqrt(float64(h.size))))
	scores, sizes := make([]float64, h.keys), make([]float64, h.keys)
	for b := range h.batch {
		for i := range h.queries {
			for head := range h.heads {
				largest := math.Inf(-1)
				for j := range scores {
					scores[j], sizes[j] = 0, 0
					for p, x := range at(h.q, b, i, head, h.queries) {
						v := float64(bfloatOf(x*float32(scale)).Float32()) * float64(bfloatOf(at(h.k, b, j, head, h.keys)[p]).Float32())
						scores[j], sizes[j] = scores[j]+v, sizes[j]+math.Abs(v)
					}
					largest = max(largest, scores[j])
				}
				out, size := make([]float64, h.size), make([]float64, h.size)
				var sum float64
				for j, s := range scores {
					weight := math.Exp(s - largest)
					sum += weight
					// Relative error of a weight: half a unit of bf16, twice that of its score (itself and the largest), and of exp.
					e := 0x1p-8 + 2*sizes[j]*float64(h.size+2)*0x1p-24 + 0x1p-20
					for p, v := range at(h.v, b, j, head, h.keys) {
						x := weight * float64(bfloatOf(v).Float32())
						out[p], size[p] = out[p]+x, size[p]+math.Abs(x)*(e+float64(h.keys)*0x1p-24)
					}
				}
				for p := range out {
					want, bounds = append(want, out[p]/sum), append(bounds, size[p]/sum+math.Abs(out[p]/sum)*0x1p-13)
				}
			}
		}
	}
	return want, bounds
}

// TestOnlineAttention compares online softmax with f64, for numbers of keys that end within blocks, panels and pairs.
func TestOnlineAttention(t *testing.T) {
	b := pairsBackend(t)
	r := rand.New(rand.NewPCG(41, 42))
	for i, keys := range []int{513, 527, 528, 529, 544, 545, 1023, 1024, 1025, 1040, 1537, 700 + r.IntN(900), 700 + r.IntN(900)} {
		h := randomHeads(r, 1+i%2, 5+r.IntN(230), keys, 1+r.IntN(2), 16+r.IntN(60))
		for j := range h.k { // scores that grow, so that sums are scaled down
			h.k[j] *= 1 + float32(j)/float32(len(h.k))*3
		}
		run, online := h.compile(t, b)
		if !online {
			t.Fatalf("%d keys: the softmax is not online", keys)
		}
		want, bounds := h.reference()
		for j, v := range run() {
			if d := math.Abs(float64(v) - want[j]); !(d <= bounds[j]) {
				t.Fatalf("batch %d, %d queries, %d keys, %d heads of %d: element %d is %v, want %v ± %.2g", h.batch, h.queries, keys, h.heads, h.size, j, v, want[j], bounds[j])
			}
		}
	}
	for _, config := range []string{"", "precision=bf16"} {
		if _, online := randomHeads(r, 1, 20, map[string]int{"": 2000, "precision=bf16": 512}[config], 1, 32).compile(t, newLevel(t, config)); online {
			t.Errorf("%q: the softmax is online", config)
		}
	}
}

// TestOnlineAttentionBits checks that the bits depend neither on the number of threads nor on what else a batch holds.
func TestOnlineAttentionBits(t *testing.T) {
	b := pairsBackend(t)
	one := randomHeads(rand.New(rand.NewPCG(43, 44)), 1, 301, 1100, 3, 40)
	two := randomHeads(rand.New(rand.NewPCG(45, 46)), 1, 301, 1100, 3, 40)
	run, _ := one.compile(t, b)
	want := run()
	for _, procs := range []int{1, 3, 16} {
		previous := runtime.GOMAXPROCS(procs)
		run, _ := one.compile(t, b)
		got := run()
		runtime.GOMAXPROCS(previous)
		if !slices.Equal(got, want) {
			t.Errorf("%d threads: other bits", procs)
		}
	}
	two.batch = 2
	for _, list := range []struct{ to, more *[]float32 }{{&two.q, &one.q}, {&two.k, &one.k}, {&two.v, &one.v}} {
		*list.to = slices.Concat(*list.to, *list.more)
	}
	run, _ = two.compile(t, b)
	if got := run(); !slices.Equal(got[len(want):], want) {
		t.Error("the second of a batch has other bits than alone")
	}
}

// TestOnlineAttentionSpecial compares rows whose scores are not finite with those of f32, whose softmax is of whole rows.
func TestOnlineAttentionSpecial(t *testing.T) {
	b, f32 := pairsBackend(t), newLevel(t, "")
	const queries, keys, size = 12, 1100, 16
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, infinite := range map[string]func(key int) bool{
		"no key": func(int) bool { return false }, "the last": func(key int) bool { return key == keys-1 }, "the first block": func(key int) bool { return key < onlineKeys },
		"a block and more": func(key int) bool { return key < onlineKeys+40 }, "all but the last": func(key int) bool { return key < keys-1 }, "all": func(int) bool { return true },
	} {
		h := randomHeads(rand.New(rand.NewPCG(47, 48)), 1, queries, keys, 1, size)
		for i := range queries { // the sign says whether infinite keys have the score Inf or -Inf
			h.q[i*size] = float32(i%2)*2 - 1
		}
		h.q[3*size+1], h.q[4*size+1], h.q[5*size+1], h.q[6*size+1] = nan, inf, -inf, 1e30
		for j := range keys {
			h.k[j*size+1] = float32(math.Abs(float64(h.k[j*size+1])))
			if infinite(j) {
				h.k[j*size] = inf
			}
		}
		run, online := h.compile(t, b)
		whole, _ := h.compile(t, f32)
		got, want := run(), whole()
		for i, v := range got {
			if w := want[i]; !online || (v != v) != (w != w) || math.Abs(float64(v-w)) > 0.05 {
				t.Errorf("%s is infinite: query %d has %v, want %v", name, i/size, v, w)
				break
			}
		}
	}
}
