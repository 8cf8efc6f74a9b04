package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// Attention is a group with reductions (softmax, whatever is added to the scores before it, or the gradient of these)
// between matrix products: those whose results it reads, the scores, and those that read its results. All of it becomes
// one step that works on a block of queries at a time: it multiplies, runs the tape and multiplies again in the
// caches, so that no array of all queries by all keys exists. A row of scores is complete before its softmax, as in
// the graph, so the results are byte-identical to those of separate steps.
//
// Where the array would be large, the gradient recomputes scores and softmax of its block; where it is small, the
// forward pass stores the softmax and the gradient reads it.

// recomputeFrom is the least size of a head's scores, queries times keys, that the gradient recomputes.
const recomputeFrom = 64 << 10

// attention is a group between products.
type attention struct {
	group      *unit
	tape       *unit   // the group, with the nodes of another group that it recomputes
	recomputed []*node // products that it recomputes for these
	made       []*node // products whose results the group reads
	across     []*node // products of rows of the tape: sums over keys
	along      []*node // products of columns of the tape: sums over queries
	stored     bool    // others read values of queries by keys
}

// productKind is the way in which a product reads a value of queries by keys.
type productKind int

const (
	otherProduct productKind = iota
	sumOverKeys              // the value is the left operand
	sumOverQueries
)

// uses returns the nodes that read a value, by the value, with nil for an output.
func (k *viewTable) uses(nodes, outputs []*node) map[*node][]*node {
	list := make(map[*node][]*node, len(nodes))
	for _, n := range nodes {
		if n.shape.Ok() && k.source[n] != n {
			continue
		}
		for _, o := range n.operand {
			if src := k.source[o]; src != nil {
				list[src] = append(list[src], n)
			}
		}
	}
	for _, o := range outputs {
		if src := k.source[o]; src != nil {
			list[src] = append(list[src], nil)
		}
	}
	return list
}

// attend turns groups between products into attention.
func (f *fusion) attend(uses map[*node][]*node) {
	for _, u := range f.units {
		if u.dead || !u.fused || u.row < 2 {
			continue
		}
		a, clients, ok := f.around(u, nil, uses)
		if !ok || len(a.across) == 0 {
			continue
		}
		if len(clients) == 1 && !a.stored && a.queries()*u.row >= recomputeFrom && f.attendTwice(a, clients[0], uses) {
			continue
		}
		if !f.convex(a.units(f)) {
			a.along = nil
		}
		if f.convex(a.units(f)) && f.private(a, uses) {
			f.bundle(a)
		}
	}
}

// private reports whether the group alone reads the products that are made for it.
func (f *fusion) private(a *attention, uses map[*node][]*node) bool {
	for _, n := range a.made {
		for _, m := range uses[n] {
			if m == nil || f.of[m] != a.group {
				return false
			}
		}
	}
	return true
}

// around finds the products around a unit, and the groups that read its values. recomputed is the attention that the
// unit is to recompute, or nil. It returns false if there are no such products, or if they do not fit.
func (f *fusion) around(u *unit, recomputed *attention, uses map[*node][]*node) (a *attention, clients []*unit, ok bool) {
	a = &attention{group: u, tape: u}
	for _, n := range u.nodes {
		for i, o := range n.operand {
			src := f.views.source[o]
			if src == nil || f.of[src] == u || recomputed != nil && (slices.Contains(recomputed.made, src) || f.of[src] == recomputed.tape) {
				continue
			}
			if isHeadProduct(src) && src.shape.Size() == u.domain && f.alone(src) {
				if !f.edgeFits(n, i, func(n *node) bool { return u.rowed[n] }, u.domain, u.row) {
					return nil, nil, false
				}
				a.made = addOnce(a.made, src)
			}
		}
	}
	if len(a.made) == 0 {
		return nil, nil, false
	}
	for _, v := range slices.Concat(u.nodes, a.made) {
		for _, m := range uses[v] {
			switch {
			case m != nil && f.of[m] == u:
			case m != nil && f.of[m] != nil && f.of[m].fused:
				clients = addOnce(clients, f.of[m])
			case m != nil && f.alone(m) && f.productKind(m, v, u) == sumOverKeys:
				a.across = addOnce(a.across, m)
			case m != nil && f.alone(m) && f.productKind(m, v, u) == sumOverQueries:
				a.along = addOnce(a.along, m)
			default:
				a.stored = a.stored || !u.rowed[v]
			}
		}
	}
	return a, clients, f.sameQueries(a)
}

// alone reports whether the node is a unit of its own.
func (f *fusion) alone(n *node) bool {
	return f.of[n] != nil && len(f.of[n].nodes) == 1 && !f.of[n].fused
}

func addOnce[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// queries returns the number of queries of one head.
func (a *attention) queries() int {
	heads := len(a.made[0].attr.(dotAttr).lhsBatch)
	return a.tape.domain / a.tape.row / product(a.made[0].shape.Dimensions[:heads])
}

// sameQueries reports whether all products divide the rows of the tape into the same heads.
func (f *fusion) sameQueries(a *attention) bool {
	queries, keys := a.queries(), a.tape.row
	for _, n := range a.made {
		dot := n.attr.(dotAttr)
		x, y := f.views.view[n.operand[0]], f.views.view[n.operand[1]]
		if !isHeadProduct(n) || product(pick(x.dims, dot.lhsBatch))*queries*keys != a.tape.domain ||
			product(pick(y.dims, restOf(len(y.dims), dot.rhsBatch, dot.rhsContract))) != keys {
			return false
		}
	}
	for _, n := range slices.Concat(a.across, a.along) {
		dot := n.attr.(dotAttr)
		if product(pick(n.operand[0].shape.Dimensions, dot.lhsBatch))*queries*keys != a.tape.domain {
			return false
		}
	}
	return queries > mostFew
}

func pick(list, places []int) []int {
	some := make([]int, len(places))
	for i, p := range places {
		some[i] = list[p]
	}
	return some
}

// isHeadProduct reports whether the node is a product of heads, as opposed to one of a layer with its weights, whose rows
// are all one array.
func isHeadProduct(n *node) bool {
	return n.op == compute.OpTypeDotGeneral && len(n.attr.(dotAttr).lhsBatch) > 0 && n.shape.DType == dtypes.Float32 && n.shape.Size() > 0 && n.shape.Rank() <= 16 &&
		n.operand[0].shape.DType == dtypes.Float32 && n.operand[1].shape.DType == dtypes.Float32
}

// productKind returns how the product n reads the value v of the unit.
func (f *fusion) productKind(n, v *node, u *unit) productKind {
	if !isHeadProduct(n) || u.rowed[v] || v.shape.DType != dtypes.Float32 {
		return otherProduct
	}
	dot := n.attr.(dotAttr)
	left, right := f.views.source[n.operand[0]] == v, f.views.source[n.operand[1]] == v
	if left == right {
		return otherProduct
	}
	keys := u.row
	if right {
		t := f.views.view[n.operand[1]]
		if isRows(t, dot.rhsBatch, dot.rhsContract, restOf(len(t.dims), dot.rhsBatch, dot.rhsContract), keys) {
			return sumOverQueries
		}
		return otherProduct
	}
	t := f.views.view[n.operand[0]]
	free := restOf(len(t.dims), dot.lhsBatch, dot.lhsContract)
	switch {
	case isRows(t, dot.lhsBatch, free, dot.lhsContract, keys):
		return sumOverKeys
	case isRows(t, dot.lhsBatch, dot.lhsContract, free, keys):
		return sumOverQueries
	}
	return otherProduct
}

// isRows reports whether the axes of a dense array are, in order, heads, queries and keys.
func isRows(t *tensor, heads, queries, keys []int, n int) bool {
	h, q, k := t.offsets(heads), t.offsets(queries), t.offsets(keys)
	return t.off == 0 && len(k) == n && increasing(k) && uniform(q, n) && uniform(h, len(q)*n)
}

// attendTwice turns a unit, and the unit of its gradient, which recomputes it, into two attention steps.
func (f *fusion) attendTwice(a *attention, client *unit, uses map[*node][]*node) bool {
	u := a.tape
	if client.row != u.row || client.domain != u.domain || len(client.nodes)+len(u.nodes) > largestGroup {
		return false
	}
	rowed := func(n *node) bool { return u.rowed[n] || client.rowed[n] }
	for _, n := range client.nodes {
		for i, o := range n.operand {
			src := f.views.source[o]
			if (f.of[src] == u || slices.Contains(a.made, src)) && !f.edgeFits(n, i, rowed, u.domain, u.row) {
				return false
			}
		}
	}
	b, others, ok := f.around(client, a, uses)
	if !ok || len(others) > 0 || b.stored || b.queries() != a.queries() {
		return false
	}
	forward := *a
	forward.along = nil
	b.along = slices.Concat(a.along, b.along)
	b.recomputed = a.made
	b.tape = u.with(client)
	if !f.convex(forward.units(f)) || !f.convex(b.units(f)) {
		return false
	}
	f.bundle(b)
	f.bundle(&forward)
	return true
}

// with returns a unit of the nodes of both units.
func (u *unit) with(other *unit) *unit {
	both := &unit{fused: true, domain: u.domain, row: u.row, pairs: u.pairs || other.pairs, rowed: make(map[*node]bool)}
	both.nodes = slices.Concat(u.nodes, other.nodes)
	slices.SortFunc(both.nodes, func(m, n *node) int { return m.id - n.id })
	for _, w := range []*unit{u, other} {
		for n := range w.rowed {
			both.rowed[n] = true
		}
	}
	return both
}

// units returns the units that become one step.
func (a *attention) units(f *fusion) []*unit {
	list := []*unit{a.group}
	for _, n := range slices.Concat(a.made, a.across, a.along) {
		list = append(list, f.of[n])
	}
	return list
}

// convex reports whether no other unit both depends on one of the units and is a dependency of one.
func (f *fusion) convex(units []*unit) bool {
	for _, w := range f.units {
		if w.dead || slices.Contains(units, w) {
			continue
		}
		before, after := false, false
		for _, u := range units {
			before = before || w.deps.has(u.id)
			after = after || u.deps.has(w.id)
		}
		if before && after {
			return false
		}
	}
	return true
}

// bundle joins the units of the attention into one.
func (f *fusion) bundle(a *attention) {
	units := a.units(f)
	own := *a.group
	own.nodes = slices.Clone(own.nodes)
	if a.tape == a.group {
		a.tape = &own
	}
	recomputed := slices.Clone(a.recomputed)
	for _, n := range a.tape.nodes {
		if f.of[n] != a.group {
			recomputed = append(recomputed, n)
		}
	}
	a.group.recomputed = recomputed
	for _, u := range units[1:] {
		f.join(u, a.group, a.group.row, nil)
	}
	a.group.fused, a.group.attention = false, a
}
