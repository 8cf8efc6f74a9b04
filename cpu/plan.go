package cpu

import (
	"cmp"
	"slices"
)

// alignment of storages in the arena: a cache line, and the widest vector register.
const alignment = 64

// Large storages begin at different places of a page. If all began at the same one, as they would because their sizes
// are often multiples of a page, the streams of a tape would compete for one set of each cache.
const (
	page       = 4096
	largeBytes = 4 * page
	pageStep   = 9 * alignment // coprime with the number of lines in a page
)

// staggered returns the first offset from o on at which a storage may begin.
func (s *storage) staggered(o int) int {
	if s.bytes < largeBytes {
		return o
	}
	return o + ((s.id*pageStep-o)%page+page)%page
}

// planMemory gives every storage in the arena an offset such that storages which are alive at the same step do not
// overlap, and returns the size of the arena. Large storages are placed first, each at the lowest offset that is free
// during its life.
func planMemory(all []*storage) int {
	var todo []*storage
	for _, s := range all {
		if s.kind == inArena && s.last >= 0 {
			todo = append(todo, s)
		}
	}
	slices.SortStableFunc(todo, func(a, b *storage) int { return cmp.Compare(b.bytes, a.bytes) })
	var placed []*storage // by offset
	size := 0
	for _, s := range todo {
		offset, at := s.staggered(0), len(placed)
		for i, p := range placed {
			if p.last < s.first || s.last < p.first {
				continue
			}
			if offset+s.bytes <= p.offset {
				at = i
				break
			}
			offset = max(offset, s.staggered(aligned(p.offset+p.bytes)))
		}
		s.offset = offset
		for at > 0 && placed[at-1].offset > offset {
			at--
		}
		for at < len(placed) && placed[at].offset <= offset {
			at++
		}
		placed = slices.Insert(placed, at, s)
		size = max(size, offset+aligned(s.bytes))
	}
	return size
}

func aligned(n int) int { return (n + alignment - 1) / alignment * alignment }

// lifetimes sets first and last of every storage from the steps that read and write it. Storages that no step touches
// get last = -1.
func lifetimes(all []*storage, steps []*step) {
	for _, s := range all {
		s.first, s.last = len(steps), -1
	}
	for i, st := range steps {
		for _, group := range [][]*storage{st.reads, st.writes} {
			for _, s := range group {
				s.first, s.last = min(s.first, i), max(s.last, i)
			}
		}
	}
}
