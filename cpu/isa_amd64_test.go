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

// TestDetectAMX asks processors with AVX-512 what they say of AMX.
func TestDetectAMX(t *testing.T) {
	type says struct {
		last, saved, seven, more uint32
		palettes                 uint32
		sizes, names, rows       uint32
		most                     uint32
	}
	all := says{0x20, 0x600e7, 1<<22 | 1<<24 | 1<<25, 1<<4 | 1<<5, 1, 1024<<16 | 8192, 8<<16 | 64, 16, 64<<8 | 16}
	for name, c := range map[string]struct {
		change func(s *says)
		want   level
	}{
		"all":                          {func(*says) {}, amx},
		"no leaf 0x1e":                 {func(s *says) { s.last = 0x1d }, avx512},
		"configuration is not saved":   {func(s *says) { s.saved &^= 1 << 17 }, avx512},
		"data is not saved":            {func(s *says) { s.saved &^= 1 << 18 }, avx512},
		"AVX-512 is not saved":         {func(s *says) { s.saved &^= 1 << 5 }, avx2},
		"no AMX-BF16":                  {func(s *says) { s.seven &^= 1 << 22 }, avx512},
		"no AMX-TILE":                  {func(s *says) { s.seven &^= 1 << 24 }, avx512},
		"no AMX-INT8, which is unused": {func(s *says) { s.seven &^= 1 << 25 }, amx},
		"no AVX512-BF16":               {func(s *says) { s.more &^= 1 << 5 }, avx512},
		"no palette":                   {func(s *says) { s.palettes = 0 }, avx512},
		"small tiles":                  {func(s *says) { s.sizes = 512<<16 | 4096 }, avx512},
		"four tiles":                   {func(s *says) { s.names = 4<<16 | 64 }, avx512},
		"short rows":                   {func(s *says) { s.names = 8<<16 | 32 }, avx512},
		"eight rows":                   {func(s *says) { s.rows = 8 }, avx512},
		"products of eight words":      {func(s *says) { s.most = 64<<8 | 8 }, avx512},
		"products of narrow tiles":     {func(s *says) { s.most = 32<<8 | 16 }, avx512},
	} {
		s := all
		c.change(&s)
		got, _ := detect(func(leaf, sub uint32) (a, b, cx, d uint32) {
			switch [2]uint32{leaf, sub} {
			case [2]uint32{0, 0}:
				return s.last, 0, 0, 0
			case [2]uint32{1, 0}:
				return 0, 0, 1<<12 | 1<<27 | 1<<28, 0
			case [2]uint32{7, 0}:
				return 1, 1<<5 | 1<<16 | 1<<17 | 1<<30 | 1<<31, 1 << 11, s.seven
			case [2]uint32{7, 1}:
				return s.more, 0, 0, 0
			case [2]uint32{0x1d, 0}:
				return s.palettes, 0, 0, 0
			case [2]uint32{0x1d, 1}:
				return s.sizes, s.names, s.rows, 0
			case [2]uint32{0x1e, 0}:
				return 0, s.most, 0, 0
			}
			t.Errorf("%s: leaf %#x, %d", name, leaf, sub)
			return 0, 0, 0, 0
		}, func() uint32 { return s.saved })
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
