package cpu

import (
	mathbits "math/bits"
	"slices"
)

// Fusion puts elementwise operations and reductions over the last axes into groups that run as one tape, block by
// block in the cache. All members of a group work on the same number of elements, its domain, in the same order; a
// group with reductions cuts the domain into rows, and members may also work on one number per row. So softmax, layer
// norm, RMS norm, modulation, activations, and the gradients of all of these become one group each without a pattern
// for any of them.

// Limits of a group and of the stretch of nodes in which groups are found.
const (
	largestGroup  = 96   // members: more would not stay in the first-level cache
	fusionStretch = 8192 // nodes: the dependencies between groups take a bit for each pair
)

// unit is a group of nodes that are lowered together, or a single node that is not fusible.
type unit struct {
	id         int
	nodes      []*node
	recomputed []*node // values of other units that it recomputes instead of reading
	fused      bool
	domain     int // elements
	row        int // elements per row, 0 while any length would do
	rowed      map[*node]bool
	pairs      bool   // it exchanges neighbours: rows and blocks must have even lengths
	deps       bitset // the units it needs, directly or not
	dead       bool

	attention *attention // the group is between products, which are nodes of the unit as well
}

type bitset []uint64

func (b bitset) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }
func (b bitset) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) unset(i int)    { b[i/64] &^= 1 << (i % 64) }
func (b bitset) add(o bitset) {
	for i := range b {
		b[i] |= o[i]
	}
}

// fusion finds the units of a stretch of nodes.
type fusion struct {
	views *viewTable
	units []*unit
	of    map[*node]*unit
	words int
}

// fuse returns units of all nodes, each after those that it needs. Nodes that are views of others are left out.
func fuse(nodes, outputs []*node, k *viewTable) []*unit {
	var all []*unit
	uses := k.uses(nodes, outputs)
	for stretch := range slices.Chunk(nodes, fusionStretch) {
		f := &fusion{views: k, of: make(map[*node]*unit), words: (len(stretch) + 63) / 64}
		for _, n := range stretch {
			f.add(n)
		}
		f.attend(uses)
		all = append(all, f.order()...)
	}
	return all
}

// whole returns the node that computes the value: the operation itself for a result of one with several.
func whole(n *node) *node {
	if n.of != nil {
		return n.of
	}
	return n
}

// needs returns the nodes of other computations that n reads, in the order of its operands.
func (f *fusion) needs(n *node) []*node {
	list := make([]*node, len(n.operand))
	for i, o := range n.operand {
		list[i] = f.views.source[o]
		if list[i] == nil {
			list[i] = o
		}
		list[i] = whole(list[i])
	}
	return list
}

func (f *fusion) add(n *node) {
	if n.of != nil || n.shape.Ok() && f.views.source[n] != n {
		return
	}
	u := &unit{id: len(f.units), nodes: []*node{n}, deps: make(bitset, f.words), rowed: map[*node]bool{}}
	f.units, f.of[n] = append(f.units, u), u
	for _, o := range f.needs(n) {
		if d := f.of[o]; d != nil {
			u.deps.set(d.id)
			u.deps.add(d.deps)
		}
	}
	code, ok := f.views.fusible(n)
	if !ok {
		return
	}
	u.fused, u.domain, u.pairs = true, n.shape.Size(), code == opSwap
	if code == opSum || code == opLargest || code == opSmallest {
		u.row = f.views.rowLength(n)
		u.domain *= u.row
		u.rowed[n] = true
	}
	for _, o := range f.needs(n) {
		if d := f.of[o]; d != nil {
			f.merge(f.of[n], d)
		}
	}
}

// merge joins two units if the result can run as one tape.
func (f *fusion) merge(u, v *unit) {
	if u == v || !u.fused || !v.fused || len(u.nodes)+len(v.nodes) > largestGroup {
		return
	}
	row, demote, ok := compatible(u, v)
	if !ok || (u.pairs || v.pairs) && row%2 == 1 || demote != nil && demote.pairs || f.between(u, v) || f.between(v, u) {
		return
	}
	rowed := func(n *node) bool { return u.rowed[n] || v.rowed[n] || demote != nil && f.of[n] == demote }
	domain := max(u.domain, v.domain)
	for _, w := range []*unit{u, v} {
		other := u
		if w == u {
			other = v
		}
		for _, n := range w.nodes {
			for i, o := range f.needs(n) {
				if f.of[o] == other && !f.edgeFits(n, i, rowed, domain, row) {
					return
				}
			}
		}
	}
	f.join(u, v, row, demote)
}

// compatible reports whether the domains fit: they are equal, or one unit has an element for every row of the other and
// becomes part of it (demote).
func compatible(u, v *unit) (row int, demote *unit, ok bool) {
	switch {
	case u.domain == v.domain && (u.row == 0 || v.row == 0 || u.row == v.row):
		return max(u.row, v.row), nil, true
	case v.row > 1 && u.row == 0 && u.domain*v.row == v.domain:
		return v.row, u, true
	case u.row > 1 && v.row == 0 && v.domain*u.row == u.domain:
		return u.row, v, true
	}
	return 0, nil, false
}

// between reports whether a third unit needs v and is needed by u, so that u and v cannot run together.
func (f *fusion) between(u, v *unit) bool {
	for i, w := range u.deps {
		for ; w != 0; w &= w - 1 {
			id := i*64 + mathbits.TrailingZeros64(w)
			if id != v.id && f.units[id].deps.has(v.id) {
				return true
			}
		}
	}
	return false
}

// edgeFits reports whether n, in one group with its operand i, reads it where the tape has it: at the same element, at
// the same row, or at the row of the element.
func (f *fusion) edgeFits(n *node, i int, rowed func(*node) bool, domain, row int) bool {
	o := n.operand[i]
	src := f.views.source[o]
	if src == nil || src.of != nil {
		return false
	}
	code, _ := f.views.fusible(n)
	t := f.views.view[o]
	if code == opSum || code == opLargest || code == opSmallest {
		return !rowed(src) && isWhole(t, domain)
	}
	t = t.implicit(n.shape.Dimensions)
	switch {
	case rowed(n):
		return rowed(src) && isWhole(t, domain/row)
	case rowed(src):
		return isPerRow(t, domain, row)
	}
	return isWhole(t, domain)
}

// isWhole reports whether t is the dense array of n elements itself.
func isWhole(t *tensor, n int) bool { return t.off == 0 && t.size() == n && t.dense() }

// isPerRow reports whether t repeats each of domain/row elements row times.
func isPerRow(t *tensor, domain, row int) bool {
	if t.off != 0 || t.size() != domain {
		return false
	}
	d, s := mergeAxes(t.dims, t.strides)
	rows := domain / row
	switch {
	case rows == 1:
		return len(d) == 0 || len(d) == 1 && s[0] == 0
	case row == 1:
		return len(d) == 1 && s[0] == 1
	}
	return len(d) == 2 && d[0] == rows && s[0] == 1 && s[1] == 0
}

// join makes v and u one unit, with the id of v.
func (f *fusion) join(u, v *unit, row int, demote *unit) {
	if demote != nil {
		for _, n := range demote.nodes {
			demote.rowed[n] = true
		}
	}
	v.row, v.domain, v.pairs = row, max(u.domain, v.domain), u.pairs || v.pairs
	v.nodes = append(v.nodes, u.nodes...)
	for _, n := range u.nodes {
		f.of[n] = v
		if u.rowed[n] {
			v.rowed[n] = true
		}
	}
	slices.SortFunc(v.nodes, func(a, b *node) int { return a.id - b.id })
	v.deps.add(u.deps)
	v.deps.unset(u.id)
	v.deps.unset(v.id)
	u.dead = true
	for _, w := range f.units {
		if w.dead || w == v || !w.deps.has(v.id) && !w.deps.has(u.id) {
			continue
		}
		w.deps.unset(u.id)
		w.deps.set(v.id)
		w.deps.add(v.deps)
	}
}

// order sorts the units so that each comes after those it needs, and otherwise by their last node.
func (f *fusion) order() []*unit {
	var live []*unit
	for _, u := range f.units {
		if !u.dead {
			live = append(live, u)
		}
	}
	slices.SortStableFunc(live, func(a, b *unit) int { return a.nodes[len(a.nodes)-1].id - b.nodes[len(b.nodes)-1].id })
	done := make(bitset, f.words)
	var sorted []*unit
	var visit func(u *unit)
	visit = func(u *unit) {
		if done.has(u.id) {
			return
		}
		done.set(u.id)
		for _, n := range slices.Concat(u.nodes, u.recomputed) {
			for _, o := range f.needs(n) {
				if d := f.of[o]; d != nil && d != u {
					visit(d)
				}
			}
		}
		sorted = append(sorted, u)
	}
	for _, u := range live {
		visit(u)
	}
	return sorted
}
