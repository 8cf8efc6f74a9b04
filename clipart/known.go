package clipart

import (
	"slices"

	"reflectionflow"
)

// Known returns the requirements of the kinds and relations that this world has, in
// order: numbers of objects, absence, and GenEval's four positions. It returns the list
// itself if all are, and a copy otherwise.
func Known(requirements []reflectionflow.Requirement) []reflectionflow.Requirement {
	if !slices.ContainsFunc(requirements, unknown) {
		return requirements
	}
	return slices.DeleteFunc(slices.Clone(requirements), unknown)
}

func unknown(r reflectionflow.Requirement) bool {
	switch r.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.Absent:
		return false
	case reflectionflow.Position:
		return !slices.Contains(relations[:], r.Relation)
	}
	return true
}
