package cpu

import "slices"

// Rematerialization: a value that one group stores only for a later group, as the forward pass does for the gradient, is
// often cheaper to recompute there. A store and a load outside the caches cost as much as ten operations inside, and a
// recomputed value needs no memory in between.

// maxRecomputed bounds the operations that are recomputed for one value.
const maxRecomputed = 6

// cheap reports whether an operation costs less than reading its result.
func cheap(code opcode) bool {
	switch code {
	case opPow, opSqrt, opRsqrt, opExp, opExpm1, opLog, opLog1p, opSin, opCos, opTanh, opLogistic, opErf,
		opSum, opLargest, opSmallest:
		return false
	}
	return true
}

// rematerializer finds the values that units recompute.
type rematerializer struct {
	views *viewTable
	home  map[*node]*unit
	users map[*node]int // units other than its own, and outputs, that read a value

	unit  *unit
	whole map[*node]bool // by value that the unit reads: only element by element, at the same position
	loads map[*node]bool // the long values that it reads from memory
}

// rematerialize sets the field recomputed of the units.
func rematerialize(units []*unit, home map[*node]*unit, k *viewTable, outputs []*node) {
	r := &rematerializer{views: k, home: home, users: make(map[*node]int)}
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

func (r *rematerializer) sourceOf(o *node) *node {
	if src := r.views.source[o]; src != nil {
		return src
	}
	return o
}

// reads returns the values from outside that nodes of the unit read, and whether they read them as a whole only.
func (r *rematerializer) reads(u *unit, nodes []*node) map[*node]bool {
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

func (r *rematerializer) readsWhole(u *unit, n, o *node) bool {
	t := r.views.view[o]
	if t == nil || u.rowed[n] && !reduces(r.views, n) {
		return false
	}
	if !reduces(r.views, n) {
		t = t.implicit(n.shape.Dimensions)
	}
	return isWhole(t, u.domain)
}

func reduces(k *viewTable, n *node) bool {
	code, ok := k.fusible(n)
	return ok && (code == opSum || code == opLargest || code == opSmallest)
}

// choose finds the values that the unit recomputes, the latest first.
func (r *rematerializer) choose(u *unit) {
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
	slices.SortFunc(u.recomputed, func(a, b *node) int { return a.id - b.id })
}

// long reports whether reading the value costs about as much as reading the domain.
func (r *rematerializer) long(n *node) bool { return n.shape.Ok() && n.shape.Size() > r.unit.domain/8 }

// try lets the unit recompute n unless it would then read more from memory.
func (r *rematerializer) try(n *node) {
	if !r.recomputable(n, r.home[n]) {
		return
	}
	delete(r.loads, n)
	var list, roots []*node
	var elsewhere []*node // read at other positions, hence from memory
	fits := true
	var visit func(m *node)
	visit = func(m *node) {
		switch {
		case slices.Contains(r.unit.recomputed, m) || slices.Contains(list, m) || slices.Contains(roots, m) || r.loads[m]:
		case r.recomputable(m, r.home[n]):
			for _, o := range m.operand {
				src := r.sourceOf(o)
				if r.home[src] != r.home[m] && !r.readsWhole(r.unit, m, o) {
					elsewhere = append(elsewhere, src)
				}
				visit(src)
			}
			list = append(list, m)
			fits = fits && len(list) <= maxRecomputed
		case r.long(m):
			roots = append(roots, m)
		}
	}
	visit(n)
	fits = fits && !slices.ContainsFunc(elsewhere, func(m *node) bool { return slices.Contains(r.unit.recomputed, m) })
	if !fits || len(roots) > 1 || len(roots) == 1 && r.users[n] > 1 || len(roots) == 0 && r.users[n] > 1 && len(list) > 2 {
		r.loads[n] = true
		return
	}
	r.unit.recomputed = append(r.unit.recomputed, list...)
	r.users[n]--
	for _, m := range elsewhere {
		r.whole[m] = false
	}
	for _, m := range roots {
		r.loads[m] = true
		r.users[m]++
	}
}

// recomputable reports whether the current unit can recompute a value of the unit p.
func (r *rematerializer) recomputable(n *node, p *unit) bool {
	code, ok := r.views.fusible(n)
	if !ok || !cheap(code) || p == nil || !p.fused || p == r.unit || r.home[n] != p || p.rowed[n] || p.domain != r.unit.domain {
		return false
	}
	if fits, seen := r.whole[n]; seen && !fits {
		return false
	}
	return code != opSwap || r.unit.row%2 == 0
}
