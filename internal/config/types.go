package config

import (
	"slices"
	"strings"
)

// The kinds of parts, as a configuration names their groups.
const (
	Generators = "generators"
	Verifiers  = "verifiers"
	Reflectors = "reflectors"
	Refiners   = "refiners"
	Parsers    = "parsers"
	Annotators = "annotators"
	Comparers  = "comparers"
	Judges     = "judges"
)

// Type is one type of part: what a configuration may say of it, and what the reference
// says about it. Package assemble has the list; [Parse] checks by it.
type Type struct {
	Kind string
	Name string   // value of the key "type"
	Keys []string // that a part of the type may have besides "type"
	// Schemes are those that the key "url" may begin with; nil for any.
	Schemes []string
	Summary string // one line for the reference
	// Findings says which requirements a verifier gives findings for.
	Findings string
	// MayAsk is set for a type that works without the key "endpoint" as well.
	MayAsk bool
	// Alone is set for a type that needs no settings: its name can be used like that of a
	// part.
	Alone bool
	// Photo is set for the type that is used where a generator of photographs is and the
	// configuration has no part of the kind. It is Alone as well.
	Photo bool
}

// alone reports whether a name is that of a type of the kind that needs no entry.
func alone(types []Type, kind, name string) bool {
	t, ok := find(types, kind, name)
	return ok && t.Alone
}

// photo returns the type of a kind for generators of photographs, or otherwise.
func photo(types []Type, kind, otherwise string) string {
	for _, t := range types {
		if t.Kind == kind && t.Photo {
			return t.Name
		}
	}
	return otherwise
}

// find returns the type of a kind with a name.
func find(types []Type, kind, name string) (Type, bool) {
	i := slices.IndexFunc(types, func(t Type) bool { return t.Kind == kind && t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return types[i], true
}

// typeNames lists the types of a kind, in order of name.
func typeNames(types []Type, kind string) string {
	var names []string
	for _, t := range types {
		if t.Kind == kind {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
