package assemble

import (
	"slices"

	"reflectionflow/internal/config"
)

// partType is a type of part: what a configuration may say of it, and how it is built
// from the settings of a part with that name. The embedded part of a kind is nil.
type partType[Settings, Part any] struct {
	config.Type
	build func(b *Builder, name string, s Settings) (Part, error)
}

// embeddedType is the entry of a kind's embedded part, which may be given a name.
func embeddedType[Settings, Part any](kind, summary string) partType[Settings, Part] {
	return partType[Settings, Part]{
		Type:  config.Type{Kind: kind, Name: config.Embedded, Summary: summary},
		build: func(*Builder, string, Settings) (part Part, err error) { return part, nil },
	}
}

// Types lists the types of all kinds. Checks of configurations and their reference go
// by this list; a new type is an entry in the list of its kind.
func Types() []config.Type {
	var list []config.Type
	list = describe(list, generatorTypes())
	list = describe(list, verifierTypes())
	list = describe(list, reflectorTypes())
	list = describe(list, refinerTypes())
	list = describe(list, parserTypes())
	list = describe(list, annotatorTypes())
	list = describe(list, comparerTypes())
	return describe(list, judgeTypes())
}

func describe[S, P any](list []config.Type, types []partType[S, P]) []config.Type {
	for _, t := range types {
		list = append(list, t.Type)
	}
	return list
}

// build builds the part of a kind with a name; an unknown type is an error that names
// the known ones.
func build[S, P any](b *Builder, types []partType[S, P], name, typ string, settings S) (part P, err error) {
	if name == config.Embedded {
		return part, nil
	}
	if typ == "" { // of a part that needs no settings
		typ = name
	}
	for _, t := range types {
		if t.Name == typ {
			return t.build(b, name, settings)
		}
	}
	return part, b.config.UnknownType(types[0].Kind, name, typ)
}

// HasType reports whether parts of a kind have a type of the name.
func HasType(kind, name string) bool {
	return slices.ContainsFunc(Types(), func(t config.Type) bool { return t.Kind == kind && t.Name == name })
}

// ReadConfig reads a configuration of the types in [Types] from a file.
func ReadConfig(path string) (*config.Config, error) { return config.Read(path, Types()) }

// ParseConfig reads a configuration that is in memory, see [config.Parse].
func ParseConfig(name string, data []byte, dir string) (*config.Config, error) {
	return config.Parse(name, data, dir, Types())
}

// NewConfig returns the configuration in which all parts are embedded; name is what
// errors call it.
func NewConfig(name string) *config.Config { return config.New(name, Types()) }
