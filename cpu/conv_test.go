package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// convCase is a convolution with the axes of image, kernel and result in any order.
type convCase struct {
	inputs     [][]float32
	dims       [][]int
	attributes convAttr
}

func randomConv(r *rand.Rand) convCase {
	batch, in, out := 1+r.IntN(3), 1+r.IntN(9), 1+r.IntN(40)
	a := convAttr{channelGroups: 1, batchGroups: 1}
	switch r.IntN(6) {
	case 0:
		a.channelGroups = 1 + r.IntN(3)
	case 1:
		a.batchGroups = 1 + r.IntN(3)
	}
	batch, out = batch*a.batchGroups, out*a.channelGroups*a.batchGroups
	img, kernel := []int{batch, in * a.channelGroups}, []int{in, out}
	for range 2 {
		size, k := 3+r.IntN(12), 1+r.IntN(3)
		a.strides = append(a.strides, 1+r.IntN(2))
		a.paddings = append(a.paddings, [2]int{r.IntN(3), r.IntN(3)})
		a.inputDilations = append(a.inputDilations, 1+r.IntN(5)/4)
		dilation := 1 + r.IntN(5)/4
		a.kernelDilations = append(a.kernelDilations, dilation)
		img, kernel = append(img, max(size, (k-1)*dilation+1)), append(kernel, k)
	}
	x, px := permuted(r, img)
	w, pw := permuted(r, kernel)
	_, py := permuted(r, img)
	a.axes = compute.ConvolveAxesConfig{
		InputBatch: px[0], InputChannels: px[1], InputSpatial: px[2:],
		KernelInputChannels: pw[0], KernelOutputChannels: pw[1], KernelSpatial: pw[2:],
		OutputBatch: py[0], OutputChannels: py[1], OutputSpatial: py[2:],
	}
	return convCase{[][]float32{gaussian(r, product(x)), gaussian(r, product(w))}, [][]int{x, w}, a}
}

func (c convCase) run(t testing.TB, b compute.Backend) []float32 {
	return runGraph(t, b, c.inputs, c.dims, func(f compute.Function, x []compute.Value) []compute.Value {
		a := c.attributes
		return []compute.Value{must(t)(f.ConvGeneral(x[0], x[1], a.axes, a.strides, a.paddings, a.inputDilations, a.kernelDilations,
			a.channelGroups, a.batchGroups))}
	})[0]
}

// reference computes the convolution by its definition.
func (c convCase) reference() []float32 {
	a := c.attributes
	x, w := denseTensor(nil, c.dims[0]), denseTensor(nil, c.dims[1])
	y := make([]int, 4)
	y[a.axes.OutputBatch] = x.dims[a.axes.InputBatch] / a.batchGroups
	y[a.axes.OutputChannels] = w.dims[a.axes.KernelOutputChannels]
	for i, axis := range a.axes.InputSpatial {
		padded := (x.dims[axis]-1)*a.inputDilations[i] + 1 + a.paddings[i][0] + a.paddings[i][1]
		window := (w.dims[a.axes.KernelSpatial[i]]-1)*a.kernelDilations[i] + 1
		y[a.axes.OutputSpatial[i]] = (padded-window)/a.strides[i] + 1
	}
	want := make([]float32, product(y))
	var out walker
	zero := make([]int, 4)
	for i := range want {
		batch, channel := out.index[a.axes.OutputBatch], out.index[a.axes.OutputChannels]
		inPerGroup, outPerGroup := x.dims[a.axes.InputChannels]/a.channelGroups, w.dims[a.axes.KernelOutputChannels]/a.channelGroups
		var sum float64
		for in := range inPerGroup {
			group := channel / outPerGroup
			b := batch
			if a.batchGroups > 1 {
				b += channel / (w.dims[a.axes.KernelOutputChannels] / a.batchGroups) * y[a.axes.OutputBatch]
			}
			from := b*x.strides[a.axes.InputBatch] + (group*inPerGroup+in)*x.strides[a.axes.InputChannels]
			at := in*w.strides[a.axes.KernelInputChannels] + channel*w.strides[a.axes.KernelOutputChannels]
			sum += c.window(out.index[:4], x, w, from, at)
		}
		want[i] = float32(sum)
		out.next(y, zero, zero, 0, 0)
	}
	return want
}

// window sums over the kernel positions of one pixel and channel.
func (c convCase) window(index []int, x, w *tensor, from, at int) float64 {
	a := c.attributes
	var sum float64
	for ky := range w.dims[a.axes.KernelSpatial[0]] {
		for kx := range w.dims[a.axes.KernelSpatial[1]] {
			p, q, inside := from, at, true
			for i, k := range []int{ky, kx} {
				o := index[a.axes.OutputSpatial[i]]*a.strides[i] + k*a.kernelDilations[i] - a.paddings[i][0]
				axis := a.axes.InputSpatial[i]
				inside = inside && o >= 0 && o%a.inputDilations[i] == 0 && o/a.inputDilations[i] < x.dims[axis]
				p += o / a.inputDilations[i] * x.strides[axis]
				q += k * w.strides[a.axes.KernelSpatial[i]]
			}
			if inside {
				sum += float64(c.inputs[0][p]) * float64(c.inputs[1][q])
			}
		}
	}
	return sum
}

// TestConvolution compares random convolutions with their definition on every instruction set: axes in any order, strides,
// padding, dilations and groups, among them the forms that gradients take.
func TestConvolution(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 80 {
		c := randomConv(r)
		want := c.reference()
		for _, config := range levels() {
			b := newLevel(t, config)
			if d := distance(c.run(t, b), want); !(d < 1e-4) {
				t.Errorf("%s: %v with %+v: off by %g", config, c.dims, c.attributes, d)
			}
			if n := b.Fallbacks(); len(n) != 0 {
				t.Errorf("fallbacks: %v", n)
			}
		}
	}
}

// TestConvolutionOfNotANumber puts NaN and infinities into image and kernel and compares with the Go backend, which leaves
// padding out, or with the definition. Deep products with few results, as of kernel gradients, are among them.
func TestConvolutionOfNotANumber(t *testing.T) {
	oracle := newOracle(t)
	r := rand.New(rand.NewPCG(17, 18))
	special := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0}
	cases := []convCase{{ // summed in parts
		[][]float32{gaussian(r, 2*32*32*3), gaussian(r, 2*32*32*5)},
		[][]int{{2, 32, 32, 3}, {2, 32, 32, 5}},
		convAttr{axes: kernelGradient, paddings: [][2]int{{1, 1}, {1, 1}}},
	}, { // one pixel, whose window is the whole padded image
		[][]float32{gaussian(r, 2*2*8), gaussian(r, 16*4*4*8)},
		[][]int{{1, 2, 2, 8}, {16, 4, 4, 8}},
		convAttr{axes: channelsLast, paddings: [][2]int{{1, 1}, {1, 1}}},
	}}
	cases[1].attributes.axes.KernelOutputChannels, cases[1].attributes.axes.KernelSpatial = 0, []int{1, 2}
	cases[1].attributes.axes.KernelInputChannels = 3
	for range 150 {
		cases = append(cases, randomConv(r))
	}
	left := 0
	for i, c := range cases {
		c.inputs[1][0] = special[0]
		for j := range 1 + r.IntN(3) {
			v := special[r.IntN(len(special))]
			c.inputs[1][r.IntN(len(c.inputs[1]))] = v
			if j > 0 {
				c.inputs[0][r.IntN(len(c.inputs[0]))] = v
			}
		}
		c.attributes = c.attributes.complete()
		want := c.reference()
		if c.attributes.batchGroups == 1 { // it takes those of other axes for its own
			want = c.run(t, oracle)
		}
		for _, config := range levels() {
			got := c.run(t, newLevel(t, config))
			for j, w := range want {
				if g := got[j]; g != w && !(g != g && w != w) && !(math.Abs(float64(g-w)) <= 1e-4*(1+math.Abs(float64(w)))) {
					t.Fatalf("%s: case %d, %v with %+v, element %d: %v, want %v", config, i, c.dims, c.attributes, j, g, w)
				}
				left += int(truth(w-w == 0))
			}
		}
	}
	if left == 0 {
		t.Error("no number was left to compare")
	}
}

// TestConvolutionThreads checks that results do not depend on GOMAXPROCS, for the forward form and for the deep product
// that the gradient of a kernel is.
func TestConvolutionThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	forward := convCase{
		[][]float32{gaussian(r, 4*32*32*16), gaussian(r, 3*3*16*24)},
		[][]int{{4, 32, 32, 16}, {3, 3, 16, 24}},
		convAttr{axes: channelsLast, paddings: [][2]int{{1, 1}, {1, 1}}},
	}
	gradient := convCase{
		[][]float32{gaussian(r, 4*32*32*16), gaussian(r, 4*32*32*24)},
		[][]int{{4, 32, 32, 16}, {4, 32, 32, 24}},
		convAttr{axes: kernelGradient, paddings: [][2]int{{1, 1}, {1, 1}}},
	}
	for _, c := range []convCase{forward, gradient} {
		var first []float32
		for _, procs := range []int{1, 2, 4, 16} {
			previous := runtime.GOMAXPROCS(procs)
			got := c.run(t, newLevel(t, ""))
			runtime.GOMAXPROCS(previous)
			if first == nil {
				first = got
			}
			for i := range got {
				if got[i] != first[i] {
					t.Fatalf("element %d is %v with %d threads, %v with 1", i, got[i], procs, first[i])
				}
			}
		}
	}
}

// channelsLast are the axes of images [B, H, W, C] and kernels [k, k, in, out]; kernelGradient takes the gradient of
// such a kernel from the image and the gradient of the result.
var (
	channelsLast = compute.ConvolveAxesConfig{
		InputBatch: 0, InputChannels: 3, InputSpatial: []int{1, 2},
		KernelInputChannels: 2, KernelOutputChannels: 3, KernelSpatial: []int{0, 1},
		OutputBatch: 0, OutputChannels: 3, OutputSpatial: []int{1, 2},
	}
	kernelGradient = compute.ConvolveAxesConfig{
		InputBatch: 3, InputChannels: 0, InputSpatial: []int{1, 2},
		KernelInputChannels: 0, KernelOutputChannels: 3, KernelSpatial: []int{1, 2},
		OutputBatch: 2, OutputChannels: 3, OutputSpatial: []int{0, 1},
	}
)

// TestConvWeightsOIHW checks weights [out, in, 3, 3], which are packed once for all blocks of pixels: deep and shallow
// ones, with an edge of columns, for any number of threads.
func TestConvWeightsOIHW(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	axes := channelsLast
	axes.KernelOutputChannels, axes.KernelInputChannels, axes.KernelSpatial = 0, 1, []int{2, 3}
	configs := levels()
	if machineHas.pairs {
		configs = append(configs, "precision=bf16")
	}
	for _, s := range [][3]int{{40, 20, 24}, {24, 100, 41}, {36, 18, 300}} {
		c := convCase{rounded(gaussian(r, s[0]*s[0]*s[1]), gaussian(r, 9*s[1]*s[2])), [][]int{{1, s[0], s[0], s[1]}, {s[2], s[1], 3, 3}}, convAttr{
			axes: axes, strides: []int{1, 1}, paddings: [][2]int{{1, 1}, {1, 1}}, inputDilations: []int{1, 1}, kernelDilations: []int{1, 1}, channelGroups: 1, batchGroups: 1,
		}}
		want := c.reference()
		for _, config := range configs {
			b := newLevel(t, config)
			got := c.run(t, b)
			if d := distance(got, want); !(d < 1e-4) {
				t.Errorf("%q: %v: off by %g", config, s, d)
			}
			old := runtime.GOMAXPROCS(1)
			one := c.run(t, b)
			runtime.GOMAXPROCS(old)
			if !slices.Equal(got, one) {
				t.Errorf("%q: %v: results depend on the number of threads", config, s)
			}
		}
	}
}

// BenchmarkConvolution measures 3×3 convolutions of [1, n, n, c] images in GFLOP/s: directly, and as the product of
// nine shifted images side by side that graphs for the Go backend use.
func BenchmarkConvolution(b *testing.B) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(11, 12))
	direct := func(f compute.Function, x []compute.Value) []compute.Value {
		return []compute.Value{must(b)(f.ConvGeneral(x[0], x[1], channelsLast, nil, [][2]int{{1, 1}, {1, 1}}, nil, nil, 1, 1))}
	}
	for _, s := range []struct {
		name string
		n, c int
	}{{"128x16", 128, 16}, {"128x24", 128, 24}, {"64x48", 64, 48}, {"32x64", 32, 64}, {"32x256", 32, 256}} {
		inputs, dims := [][]float32{gaussian(r, s.n*s.n*s.c), gaussian(r, 9*s.c*s.c)}, [][]int{{1, s.n, s.n, s.c}, {3, 3, s.c, s.c}}
		columns := func(f compute.Function, x []compute.Value) []compute.Value {
			zero := must(b)(f.Constant([]float32{0}))
			one := compute.PadAxis{Start: 1, End: 1}
			p := must(b)(f.Pad(x[0], zero, compute.PadAxis{}, one, one, compute.PadAxis{}))
			var parts []compute.Value
			for i := range 9 {
				y, x := i/3, i%3
				parts = append(parts, must(b)(f.Slice(p, []int{0, y, x, 0}, []int{1, y + s.n, x + s.n, s.c}, nil)))
			}
			w := must(b)(f.Reshape(x[1], 9*s.c, s.c))
			return []compute.Value{must(b)(f.DotGeneral(must(b)(f.Concatenate(3, parts...)), []int{3}, nil, w, []int{0}, nil, compute.DotGeneralConfig{}))}
		}
		for _, v := range []struct {
			name    string
			backend compute.Backend
			build   func(f compute.Function, x []compute.Value) []compute.Value
		}{{"direct", newLevel(b, ""), direct}, {"im2col", newLevel(b, ""), columns}, {"go-im2col", oracle, columns}} {
			b.Run(s.name+"/"+v.name, func(b *testing.B) {
				exe, in := compileGraph(b, v.backend, inputs, dims, v.build)
				for b.Loop() {
					out, err := exe.Execute(in, nil, 0)
					if err != nil {
						b.Fatal(err)
					}
					if err := out[0].Finalize(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(18*float64(s.n*s.n*s.c*s.c)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
