//go:build amxemu && linux

package cpu

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"reflectionflow/cpu/internal/amxemu"
)

// With this build tag, all tests of the package run as on a processor with AMX.
func TestMain(m *testing.M) {
	flag.Parse()
	if machine < avx512 || !machineHas.pairs {
		fmt.Println("amxemu: this processor has no AVX512-BF16, which all processors with AMX have: nothing is tested")
		os.Exit(0)
	}
	if err := amxemu.Install(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	machine, askForTiles = amx, func() error { return nil }
	if err := amxUsable(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	if live := amxemu.Live(); live != 0 {
		fmt.Printf("amxemu: %d threads have configured tiles\n", live)
		code = 1
	}
	os.Exit(code)
}

// TestAMXInstructions compares the bytes of the kernel with the instructions that its comments say.
func TestAMXInstructions(t *testing.T) {
	objdump, err := exec.LookPath("objdump")
	if err != nil {
		t.Skip(err)
	}
	source, err := os.ReadFile("kernel_amx_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.SplitSeq(string(source), "\n") {
		if code, comment, ok := strings.Cut(line, " // "); ok && strings.Contains(code, "BYTE") {
			want = append(want, comment)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	begin := []byte{0x48, 0x8b, 0x44, 0x24, 0x08, 0xc4, 0xe2, 0x78, 0x49, 0x00} // loads p, then the configuration
	at := bytes.Index(binary, begin)
	if at < 0 || bytes.Contains(binary[at+1:], begin) {
		t.Fatal("the beginning of tileAMX is not once in the program")
	}
	code := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(code, binary[at:at+1000], 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "i386:x86-64", code).Output() //nolint:gosec // a program of the machine's
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`\t(ldtilecfg|tile\w+|tdp\w+)( +.*)?\n`).FindAllStringSubmatch(string(out), -1) {
		got = append(got, strings.TrimSpace(m[1]+" "+strings.TrimSpace(m[2])))
		if m[1] == "tilerelease" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the kernel is\n%s\nand says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAMXKernel compares the kernel with the pseudo code bit by bit, and checks that it writes nothing else.
func TestAMXKernel(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for i := range 150 {
		testAMXKernel(t, r, 1+r.IntN(32), 1+r.IntN(32), 1+r.IntN(70), 1+r.IntN(3), i%3 == 0)
	}
	for _, rows := range []int{1, 15, 16, 17, 31, 32} {
		for _, cols := range []int{1, 15, 16, 17, 31, 32} {
			testAMXKernel(t, r, rows, cols, []int{1, 15, 16, 17, 32, 33}[r.IntN(6)], 2, false)
		}
	}
}

// FuzzAMXKernel is TestAMXKernel for shapes and values that the fuzzer chooses.
func FuzzAMXKernel(f *testing.F) {
	f.Add(uint64(1), uint8(31), uint8(31), uint8(63), uint8(1), true)
	f.Add(uint64(2), uint8(0), uint8(0), uint8(0), uint8(0), false)
	f.Fuzz(func(t *testing.T, seed uint64, rows, cols, words, tiles uint8, special bool) {
		testAMXKernel(t, rand.New(rand.NewPCG(seed, 1)), 1+int(rows)%32, 1+int(cols)%32, 1+int(words)%100, 1+int(tiles)%4, special)
	})
}

func testAMXKernel(t *testing.T, r *rand.Rand, rows, cols, words, tiles int, special bool) {
	t.Helper()
	width := 16 * ceilDiv(cols, 16)
	aRow, ldc := words+r.IntN(3), cols+r.IntN(3)
	number := func() uint16 {
		if special && r.IntN(8) == 0 {
			return []uint16{0, 0x8000, 1, 0x8001, 0x007f, 0x0080, 0x7f80, 0xff80, 0x7f7f, 0xff7f, 0x7fc0, 0x0100}[r.IntN(12)]
		}
		return uint16(bfloatOf(float32(r.NormFloat64()) * float32(math.Exp2(float64(r.IntN(40)-20)))))
	}
	fill := func(n int) []float32 {
		v := make([]float32, n)
		for i := range halves(v) {
			halves(v)[i] = number()
		}
		return v
	}
	a, b := fill(tiles*rows*aRow), fill(tiles*words*width)
	want := make([]float32, tiles*rows*ldc+1)
	for i := range want {
		want[i] = widen(number())
	}
	got := slices.Clone(want)
	for acc := range 2 {
		for _, run := range []struct {
			c        []float32
			multiply func(p *amxTiles, words, aTile, bTile, cTile int)
		}{{got, (*amxTiles).multiply}, {want, multiplyPlainly}} {
			p := amxTiles{tiles: tiles, rows: rows, cols: cols, a: &a[0], b: &b[0], c: &run.c[0], aRow: 4 * aRow, bRow: 4 * width, cRow: 4 * ldc, acc: acc}
			run.multiply(&p, words, 4*rows*aRow, 4*words*width, 4*rows*ldc)
		}
		for i := range want {
			if x, y := want[i], got[i]; math.Float32bits(x) != math.Float32bits(y) && (x == x || y == y) {
				t.Fatalf("%d tiles of %d×%d×%d words, acc %d: number %d (row %d, column %d) is %v, want %v", tiles, rows, cols, words, acc, i, i/ldc, i%ldc, y, x)
			}
		}
	}
}

// TestAMXChosen checks which backends multiply with AMX.
func TestAMXChosen(t *testing.T) {
	x, w := randomPairs(rand.New(rand.NewPCG(33, 34)), 40, 50, 70)
	for config, want := range map[string]bool{
		"precision=bf16": true, "precision=int8": true, "precision=bf16,isa=amx": true, "isa=amx": false, "": false, "precision=bf16,isa=avx512": false, "precision=bf16,isa=avx2": false,
	} {
		before := amxemu.Executed()
		productOf(t, newLevel(t, config), x, w, 40, 50, 70)()
		after := amxemu.Executed()
		if got := after.Pairs > before.Pairs; got != want {
			t.Errorf("%q: AMX is used: %v, want %v", config, got, want)
		}
		if after.Configure-before.Configure != after.Release-before.Release {
			t.Errorf("%q: tiles are configured %d times and released %d times", config, after.Configure-before.Configure, after.Release-before.Release)
		}
	}
}

// TestAMXPlaces checks that an element has the same bytes wherever its row lies, in one convolution of two images: tiles whose
// rows are evenly apart are read in place, others are copied, and those of the second image may begin elsewhere.
func TestAMXPlaces(t *testing.T) {
	b := newLevel(t, "precision=bf16")
	r := rand.New(rand.NewPCG(35, 36))
	for _, in := range []int{16, 32, 40, 64} {
		c := convCase{dims: [][]int{{1, 3, 64, in}, {3, 3, in, 40}}, attributes: convAttr{
			channelGroups: 1, batchGroups: 1, strides: []int{1, 1}, paddings: [][2]int{{1, 1}, {in / 8 % 3, 1}}, inputDilations: []int{1, 1}, kernelDilations: []int{1, 1},
			axes: compute.ConvolveAxesConfig{
				InputBatch: 0, InputChannels: 3, InputSpatial: []int{1, 2}, KernelInputChannels: 2, KernelOutputChannels: 3, KernelSpatial: []int{0, 1},
				OutputBatch: 0, OutputChannels: 3, OutputSpatial: []int{1, 2},
			},
		}}
		c.inputs = [][]float32{gaussian(r, product(c.dims[0])), gaussian(r, product(c.dims[1]))}
		one := c.run(t, b)
		c.dims[0][0] = 2
		c.inputs[0] = slices.Concat(gaussian(r, len(c.inputs[0])), c.inputs[0])
		if two := c.run(t, b); !slices.Equal(one, two[len(one):]) {
			t.Errorf("%d channels: the second image of two has other bytes than alone", in)
		}
		rounded(c.inputs...)
		if d := distance(c.run(t, b), c.reference()); !(d < 1e-4) {
			t.Errorf("%d channels: off by %g", in, d)
		}
	}
}
