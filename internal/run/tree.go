package run

import (
	"fmt"
	"slices"
)

// The layout of the tree, in CSS pixels: a column per generation, a row per leaf.
const (
	nodeSide     = 76
	columnPitch  = 124
	rowPitch     = 116
	nodeHeight   = 104 // of the image with its caption
	edgeCurve    = 24
	treeBoundary = 6
)

// tree is the candidates laid out by their parents, from left to right.
type tree struct {
	Width, Height int
	Nodes         []node
	Edges         []edge
}

type node struct {
	*card
	X, Y   int
	OnPath bool // it led to the best candidate
}

// edge leads from a parent to a child.
type edge struct {
	Path    string // SVG path data
	OnPath  bool
	Restart bool // the child starts from new noise, with a rewritten prompt
}

// treeOf lays out the cards; nil when none has a parent, where there is no tree.
func treeOf(cards []*card) *tree {
	children := make(map[int][]int)
	best := -1
	for _, c := range cards {
		if c.HasParent {
			children[c.Parent] = append(children[c.Parent], c.ID)
		}
		if c.IsBest {
			best = c.ID
		}
	}
	if len(children) == 0 {
		return nil
	}
	var path []*card
	if best >= 0 {
		path = lineage(cards, best)
	}
	t := &tree{Nodes: make([]node, len(cards))}
	row := 0
	// place puts a candidate on the current row, level with its first child. A parent
	// has a lower ID than its children, so the recursion ends.
	var place func(id, column int)
	place = func(id, column int) {
		t.Nodes[id] = node{cards[id], treeBoundary + column*columnPitch, treeBoundary + row*rowPitch, slices.Contains(path, cards[id])}
		t.Width, t.Height = max(t.Width, t.Nodes[id].X+nodeSide+treeBoundary), max(t.Height, t.Nodes[id].Y+nodeHeight+treeBoundary)
		for i, child := range children[id] {
			if i > 0 {
				row++
			}
			place(child, column+1)
			t.Edges = append(t.Edges, edgeBetween(t.Nodes[id], t.Nodes[child]))
		}
	}
	for _, c := range cards {
		if !c.HasParent {
			place(c.ID, 0)
			row++
		}
	}
	return t
}

func edgeBetween(from, to node) edge {
	x, y := from.X+nodeSide, from.Y+nodeSide/2
	u, v := to.X, to.Y+nodeSide/2
	return edge{fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x, y, x+edgeCurve, y, u-edgeCurve, v, u, v), from.OnPath && to.OnPath, to.FromNoise}
}
