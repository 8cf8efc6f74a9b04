package cpu

import "testing"

// TestDetect asks processors and hypervisors that say one thing and not another. Nothing may count without what it needs.
func TestDetect(t *testing.T) {
	const (
		base  = 1<<12 | 1<<27 | 1<<28                // FMA, OSXSAVE, AVX
		wide  = 1<<5 | 1<<16 | 1<<17 | 1<<30 | 1<<31 // AVX2 and AVX-512
		vnni  = 1 << 11
		more  = 1<<4 | 1<<5 // AVX-VNNI, AVX512-BF16
		saved = 0xe7
	)
	all := features{pairs: true, ints512: true, ints256: true}
	for _, c := range []struct {
		name             string
		last             uint32
		one              uint32
		subs, seven, vnn uint32
		sub              uint32
		saved            uint32
		level            level
		has              features
	}{
		{"all", 13, base, 1, wide, vnni, more, saved, avx512, all},
		{"no leaf 7", 6, base, 1, wide, vnni, more, saved, plain, features{}},
		{"no FMA", 13, base &^ (1 << 12), 1, wide, vnni, more, saved, plain, features{}},
		{"no OSXSAVE", 13, base &^ (1 << 27), 1, wide, vnni, more, saved, plain, features{}},
		{"no AVX", 13, base &^ (1 << 28), 1, wide, vnni, more, saved, plain, features{}},
		{"no AVX2", 13, base, 1, wide &^ (1 << 5), vnni, more, saved, plain, features{}},
		{"AVX is not saved", 13, base, 1, wide, vnni, more, 0x3, plain, features{}},
		{"AVX-512 is not saved", 13, base, 1, wide, vnni, more, 0x7, avx2, features{ints256: true}},
		{"half of AVX-512 is saved", 13, base, 1, wide, vnni, more, 0x67, avx2, features{ints256: true}},
		{"no AVX512F", 13, base, 1, wide &^ (1 << 16), vnni, more, saved, avx2, features{ints256: true}},
		{"no AVX512DQ", 13, base, 1, wide &^ (1 << 17), vnni, more, saved, avx2, features{ints256: true}},
		{"no AVX512BW", 13, base, 1, wide &^ (1 << 30), vnni, more, saved, avx2, features{ints256: true}},
		{"no AVX512VL", 13, base, 1, wide &^ (1 << 31), vnni, more, saved, avx2, features{ints256: true}},
		{"no VNNI", 13, base, 1, wide, 0, more, saved, avx512, features{pairs: true, ints256: true}},
		{"no second page of leaf 7", 13, base, 0, wide, vnni, more, saved, avx512, features{ints512: true}},
		{"no AVX-VNNI", 13, base, 1, wide, vnni, more &^ (1 << 4), saved, avx512, features{pairs: true, ints512: true}},
		{"no AVX512-BF16", 13, base, 1, wide, vnni, more &^ (1 << 5), saved, avx512, features{ints512: true, ints256: true}},
	} {
		l, has := detect(func(leaf, sub uint32) (a, b, cx, d uint32) {
			switch {
			case leaf == 0:
				return c.last, 0, 0, 0
			case leaf > c.last:
				t.Errorf("%s: leaf %d", c.name, leaf)
			case leaf == 1:
				return 0, 0, c.one, 0
			case leaf == 7 && sub == 0:
				return c.subs, c.seven, c.vnn, 0
			case leaf == 7 && sub <= c.subs:
				return c.sub, 0, 0, 0
			}
			return ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0) // what old processors answer is not defined
		}, func() uint32 {
			if c.one&(1<<27) == 0 {
				t.Errorf("%s: asked for XCR0, which is an illegal instruction here", c.name)
			}
			return c.saved
		})
		if l != c.level || has != c.has {
			t.Errorf("%s: %s with %+v, want %s with %+v", c.name, l, has, c.level, c.has)
		}
	}
}
