//go:build amd64 && goexperiment.simd

package bench

import (
	"os/exec"
	"simd/archsimd"
	"strings"
	"testing"
)

// Every lane of every chain holds its own start value after n multiply-adds,
// 1 + (v-1)/2ⁿ, which is exact in float32. No two are equal: a chain that takes part
// in the count of operations has computed a value that no other chain has.
func TestFMAChainsAreDistinct(t *testing.T) {
	const n = 3
	closed := func(start float32) float32 { return 1 + (start-1)/(1<<n) }
	check := func(t *testing.T, seen map[float32]bool, start, got float32) {
		t.Helper()
		if want := closed(start); got != want {
			t.Errorf("the lane that starts from %v ends at %v, want %v", start, got, want)
		}
		if seen[got] {
			t.Errorf("two lanes end at %v: one of them could be a copy", got)
		}
		seen[got] = true
	}
	t.Run("512", func(t *testing.T) {
		if !archsimd.X86.AVX512() {
			t.Skip("no AVX-512")
		}
		start, c, seen := newFMAChains().wide, newFMAChains().wide, map[float32]bool{}
		fuse512(n, &c)
		for i, lanes := range c {
			for lane, got := range lanes {
				check(t, seen, start[i][lane], got)
			}
		}
	})
	t.Run("256", func(t *testing.T) {
		if !archsimd.X86.AVX2() || !archsimd.X86.FMA() {
			t.Skip("no AVX2")
		}
		start, c, seen := newFMAChains().narrow, newFMAChains().narrow, map[float32]bool{}
		fuse256(n, &c)
		for i, lanes := range c {
			for lane, got := range lanes {
				check(t, seen, start[i][lane], got)
			}
		}
	})
}

// The work that fuse reports is two operations for each multiply-add that the
// compiled loop holds: one instruction for every chain, none of them merged.
func TestFMALoopHasAnInstructionForEveryChain(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package")
	}
	listing, err := exec.Command("go", "build", "-gcflags=-S", ".").CombinedOutput() //nolint:noctx // ends by itself
	if err != nil {
		t.Skipf("the compiler is not at hand: %v", err)
	}
	for _, name := range []string{"fuse512", "fuse256"} {
		_, body, found := strings.Cut(string(listing), "/internal/bench."+name+" STEXT")
		if !found {
			t.Fatalf("the compiler's listing has no %s", name)
		}
		body, _, _ = strings.Cut(body, " STEXT")
		if got := strings.Count(body, "\tVFMADD"); got != chains {
			t.Errorf("%s has %d multiply-add instructions, want %d", name, got, chains)
		}
	}
}
