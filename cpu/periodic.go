package cpu

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
)

// Biases and scales of channels, and the statistics of groups of channels, repeat with every pixel or token, after as many
// elements as it has channels. A tape does not expand such an operand for every block: a small step before the tape writes
// each distinct pattern once, repeated to a little more than a register, and a block reads from the middle of that.

// longestPeriod is the longest pattern that is expanded. Longer ones are cheap to read in runs.
const longestPeriod = 1024

// periodic describes how an access repeats: elements from o·span to (o+1)·span are repetitions of pattern o, period
// elements that begin at o·pitch of the storage.
type periodic struct{ span, period, pitch int }

// periodicOf returns an access that reads the same by patterns, or a itself if it does not repeat.
func (l *lowering) periodicOf(a access, t *tape) access {
	axis := -1
	for i, s := range a.strides {
		if s == 0 {
			axis = i
			break
		}
	}
	if axis < 0 || axis == len(a.dims)-1 && t.cols != 1 {
		return a
	}
	p := periodic{period: product(a.dims[axis+1:])}
	p.span, p.pitch = p.period*a.dims[axis], p.period+t.block*t.pitch
	outer := t.domain / p.span
	if p.period < 2 || p.period > longestPeriod || product(a.dims) != t.domain || outer*p.pitch > t.domain/4 {
		return a
	}
	key := fmt.Sprint("periodic ", p.pitch, " ", a.key(inFull))
	c := l.copies[key]
	if c == nil {
		c = denseTensor(l.rawStorage(dtypes.Float32, outer*p.pitch), []int{outer, p.pitch})
		l.emit("repeat", []*storage{a.s}, []*storage{c.s}, func(x *execution) error {
			all := slice[float32](x, c.s, 0)
			for o := range outer {
				pattern := all[o*p.pitch:][:p.pitch]
				a.read(x, pattern[:p.period], o*p.span)
				for done := p.period; done < len(pattern); {
					done += copy(pattern[done:], pattern[:done])
				}
			}
			return nil
		})
		l.copies[key] = c
	}
	return access{s: c.s, dims: a.dims, strides: a.strides, periodic: p}
}

// elements returns n elements from position p on where they lie, or nil if they are of two patterns or longer than one.
func (d *periodic) elements(all []float32, p, n int) []float32 {
	o, at := p/d.span, p%d.span
	if at+n > d.span || at%d.period+n > d.pitch {
		return nil
	}
	return all[o*d.pitch+at%d.period:][:n]
}

// read copies len(dst) elements from position p on.
func (d *periodic) read(all, dst []float32, p int) {
	for len(dst) > 0 {
		o, at := p/d.span, p%d.span
		n := min(len(dst), d.span-at, d.pitch-at%d.period)
		copy(dst[:n], all[o*d.pitch+at%d.period:])
		dst, p = dst[n:], p+n
	}
}
