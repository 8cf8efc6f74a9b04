package photo

import (
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/requirements"
	"reflectionflow/vision/colorname"
)

// broader are words for more than a class: what is seen of the class is one.
var broader = map[string]string{"table": "dining table", "ball": "sports ball"}

// class returns the class that a noun names. whole is set when every object of the class is one; of a
// narrower noun, such as puppy, none is there where none of the class is seen, but one that is seen may
// be of another kind.
func class(noun string) (name string, whole, known bool) {
	if name, known = broader[strings.ToLower(noun)]; known {
		return name, true, true
	}
	name, narrower := requirements.Class(noun)
	return name, !narrower, name != ""
}

// maxCount is how many objects of a class can be counted.
const maxCount = 5

// Judges reports whether the photo detector can judge a requirement at all: its kind is one of [Abilities], its
// objects are of the detector's classes, its colors are clear, and it counts at most five.
func Judges(r reflectionflow.Requirement) bool { return coco.judges(r) }

// judges reports whether a requirement can be judged at all: as [Judges], for any detector.
func (k *rules) judges(r reflectionflow.Requirement) bool {
	if !Abilities().Judges(r.Kind) || r.Count > k.most {
		return false
	}
	for _, noun := range []string{r.Object, r.Target, r.Second} {
		if noun == "" {
			continue
		}
		if _, _, known := k.class(noun); !known {
			return false
		}
	}
	for _, color := range []string{r.Color, r.TargetColor} {
		if color == "" {
			continue
		}
		if _, known := colorname.Term(color); !known {
			return false
		}
	}
	if _, _, known := k.class(r.Object); !known {
		return false
	}
	return r.Kind != reflectionflow.Position || slices.Contains(relations(), r.Relation)
}

// exact reports whether the objects of a requirement are whole classes, so that it can be met.
func (k *rules) exact(r reflectionflow.Requirement) bool {
	for _, noun := range []string{r.Object, r.Target, r.Second} {
		if noun == "" {
			continue
		}
		if _, whole, _ := k.class(noun); !whole {
			return false
		}
	}
	return true
}
