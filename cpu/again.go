package cpu

import "slices"

// A value that one group stores only for a later group, as the forward pass does for the gradient, is often cheaper to
// compute again there: a store and a load outside the caches cost as much as ten operations inside. Values that are
// computed again need no memory in between either.

// mostAgain is how many operations may be repeated for one value.
const mostAgain = 6

// cheap tells whether an operation costs less than reading its result.
func cheap(code opcode) bool {
	switch code {
	case opPow, opSqrt, opRsqrt, opExp, opExpm1, opLog, opLog1p, opSin, opCos, opTanh, opLogistic, opErf,
		opSum, opLargest, opSmallest:
		return false
	}
	return true
}

// repeater finds the values that units compute again.
type repeater struct {
	looks *looks
	home  map[*node]*unit
	users map[*node]int // units other than its own, and outputs, that read a value

	unit  *unit
	whole map[*node]bool // of all values that the unit reads: element by element at its own places, and nothing else
	loads map[*node]bool // the long ones among them that it reads from memory
}

// repeat sets again of the units.
func repeat(units []*unit, home map[*node]*unit, k *looks, outputs []*node) {
	r := &repeater{looks: k, home: home, users: make(map[*node]int)}
	for _, u := range units {
		for src := range r.reads(u, u.nodes) {
			r.users[src]++
		}
	}
	for _, n := range outputs {
		r.users[r.sourceOf(n)] += 2
	}
	for _, u := range units {
		if u.fused {
			r.choose(u)
		}
	}
}

func (r *repeater) sourceOf(o *node) *node {
	if src := r.looks.source[o]; src != nil {
		return src
	}
	return o
}

// reads returns the values from outside that nodes of the unit read, and whether they read them as a whole only.
func (r *repeater) reads(u *unit, nodes []*node) map[*node]bool {
	list := make(map[*node]bool)
	for _, n := range nodes {
		for _, o := range n.operand {
			src := r.sourceOf(o)
			if r.home[src] == u {
				continue
			}
			fits := u.fused && r.readsWhole(u, n, o)
			if seen, ok := list[src]; ok {
				fits = fits && seen
			}
			list[src] = fits
		}
	}
	return list
}

func (r *repeater) readsWhole(u *unit, n, o *node) bool {
	t := r.looks.view[o]
	if t == nil || u.rowed[n] && !reduces(r.looks, n) {
		return false
	}
	if !reduces(r.looks, n) {
		t = t.implicit(n.shape.Dimensions)
	}
	return isWhole(t, u.domain)
}

func reduces(k *looks, n *node) bool {
	code, ok := k.fusible(n)
	return ok && (code == opSum || code == opLargest || code == opSmallest)
}

// choose finds what the unit computes again, the latest values first.
func (r *repeater) choose(u *unit) {
	r.unit, r.whole, r.loads = u, r.reads(u, u.nodes), make(map[*node]bool)
	var candidates []*node
	for src, fits := range r.whole {
		if r.long(src) {
			r.loads[src] = true
		}
		if fits {
			candidates = append(candidates, src)
		}
	}
	slices.SortFunc(candidates, func(a, b *node) int { return b.id - a.id })
	for _, n := range candidates {
		r.try(n)
	}
	slices.SortFunc(u.again, func(a, b *node) int { return a.id - b.id })
}

// long tells whether reading the value costs about as much as reading the domain.
func (r *repeater) long(n *node) bool { return n.shape.Ok() && n.shape.Size() > r.unit.domain/8 }

// try lets the unit compute n again if it does not read more from memory then.
func (r *repeater) try(n *node) {
	if !r.repeatable(n, r.home[n]) {
		return
	}
	delete(r.loads, n)
	var list, roots []*node
	var elsewhere []*node // read at other places than the unit's own, and so from memory only
	fits := true
	var visit func(m *node)
	visit = func(m *node) {
		switch {
		case slices.Contains(r.unit.again, m) || slices.Contains(list, m) || slices.Contains(roots, m) || r.loads[m]:
		case r.repeatable(m, r.home[n]):
			for _, o := range m.operand {
				src := r.sourceOf(o)
				if r.home[src] != r.home[m] && !r.readsWhole(r.unit, m, o) {
					elsewhere = append(elsewhere, src)
				}
				visit(src)
			}
			list = append(list, m)
			fits = fits && len(list) <= mostAgain
		case r.long(m):
			roots = append(roots, m)
		}
	}
	visit(n)
	fits = fits && !slices.ContainsFunc(elsewhere, func(m *node) bool { return slices.Contains(r.unit.again, m) })
	if !fits || len(roots) > 1 || len(roots) == 1 && r.users[n] > 1 || len(roots) == 0 && r.users[n] > 1 && len(list) > 2 {
		r.loads[n] = true
		return
	}
	r.unit.again = append(r.unit.again, list...)
	r.users[n]--
	for _, m := range elsewhere {
		r.whole[m] = false
	}
	for _, m := range roots {
		r.loads[m] = true
		r.users[m]++
	}
}

// repeatable tells whether the unit can compute a value of the unit p again.
func (r *repeater) repeatable(n *node, p *unit) bool {
	code, ok := r.looks.fusible(n)
	if !ok || !cheap(code) || p == nil || !p.fused || p == r.unit || r.home[n] != p || p.rowed[n] || p.domain != r.unit.domain {
		return false
	}
	if fits, seen := r.whole[n]; seen && !fits {
		return false
	}
	return code != opSwap || r.unit.row%2 == 0
}
