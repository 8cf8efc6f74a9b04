package clipart

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed sources.tsv
var sourcesTable string

// sourcesHeader is the first line of sources.tsv.
const sourcesHeader = "class\tdrawing\tset\ticon\tversion\tlicence\tpaint"

// Source is the origin of one drawing, a line of sources.tsv.
type Source struct {
	Class   string // GenEval class name
	Drawing int    // number of the drawing within its class, from 0
	Set     string // Iconify name of the icon set, or OwnSet
	Icon    string // name within the set, or of the file in atlasgen/drawings
	Version string // of the npm package @iconify-json/Set; empty for OwnSet
	Licence string // SPDX identifier
	Paint   string // fill of a one-color icon as #rrggbb, otherwise empty
}

// OwnSet is the Set of the drawings made for this project.
const OwnSet = "own"

// Sources lists all drawings, grouped by class in the order of [Classes].
func Sources() []Source { return slices.Clone(sources()) }

// sources parses the embedded table once. A test checks the table, so a malformed one is a
// programming error.
var sources = sync.OnceValue(func() []Source {
	list, err := parseSources(sourcesTable)
	if err != nil {
		panic("clipart: " + err.Error())
	}
	return list
})

func parseSources(table string) ([]Source, error) {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if lines[0] != sourcesHeader {
		return nil, fmt.Errorf("sources.tsv: line 1 is %q, want %q", lines[0], sourcesHeader)
	}
	var list []Source
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		if len(f) != 7 {
			return nil, fmt.Errorf("sources.tsv: line %d has %d fields, want 7", i+2, len(f))
		}
		for k := range f {
			if f[k] == "-" {
				f[k] = ""
			}
		}
		drawing, err := strconv.Atoi(f[1])
		if err != nil {
			return nil, fmt.Errorf("sources.tsv: line %d: drawing number: %w", i+2, err)
		}
		list = append(list, Source{Class: f[0], Drawing: drawing, Set: f[2], Icon: f[3], Version: f[4], Licence: f[5], Paint: f[6]})
	}
	return list, nil
}

// worldClasses holds the classes in the order of the table, which is GenEval's, and the number of
// drawings of each.
type worldClasses struct {
	names    []string
	drawings []int
	index    map[string]int
}

var classes = sync.OnceValue(func() worldClasses {
	w := worldClasses{index: make(map[string]int)}
	for _, s := range sources() {
		i, known := w.index[s.Class]
		if !known {
			i = len(w.names)
			w.index[s.Class] = i
			w.names = append(w.names, s.Class)
			w.drawings = append(w.drawings, 0)
		}
		w.drawings[i]++
	}
	return w
})

// Classes returns the 80 class names in GenEval's order and spelling, singular.
func Classes() []string { return slices.Clone(classes().names) }

// Drawings returns the number of drawings of a class, 0 for an unknown class.
func Drawings(class string) int {
	w := classes()
	if i, known := w.index[class]; known {
		return w.drawings[i]
	}
	return 0
}

// AtlasFile returns the name, within the folder atlas, of the image that holds the drawings of a
// class side by side.
func AtlasFile(class string) string { return strings.ReplaceAll(class, " ", "_") + ".png" }
