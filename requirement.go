package reflectionflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of requirements and notes.
const (
	MaxRequirements     = 64    // of a prompt
	MaxRequirementBytes = 512   // of each of a requirement's strings
	MaxCount            = 10000 // of a requirement
	MaxNotes            = 16    // of a prompt
	MaxNoteBytes        = 2048  // of each note
)

// Kind names what a [Requirement] asks for.
type Kind string

// The kinds of requirement. The first four cover GenEval's include and exclude lists.
// The fields that a kind uses are named in its comment; the others are empty. Object
// kinds are AtLeast, Exactly and AtMost: the kinds that say how many objects there are.
// Position, Interaction, Place and Activity are about one object where Count is 0; a Count
// of 1 says that there are others besides.
const (
	AtLeast     Kind = "at_least"    // Count or more of Object (of Color, when set)
	Exactly     Kind = "exactly"     // exactly Count of Object (of Color, when set)
	Absent      Kind = "absent"      // no Object (of Color, when set)
	Position    Kind = "position"    // Count of Object (of Color) are in the spatial Relation to Target (of TargetColor), and Second for Between
	AtMost      Kind = "at_most"     // Count or fewer of Object (of Color, when set)
	Color       Kind = "color"       // Count of Object are of Color; Count 0: all of them
	Attribute   Kind = "attribute"   // Count of Object (of Color) are Value, a property of the Aspect; Count 0: all of them
	Interaction Kind = "interaction" // Count of Object (of Color) do what Relation says, such as "riding", to Target (of TargetColor)
	Place       Kind = "place"       // Count of Object (of Color) are at Value in the image, one of [Places]
	Text        Kind = "text"        // the text Value is in the image, letter for letter; on Object, when set
	Activity    Kind = "action"      // Count of Object (of Color) do Value, such as "sleeping"
	Scene       Kind = "scene"       // the image is set in Value, such as "a beach at sunset"
	Style       Kind = "style"       // the image has the style or medium Value, such as "watercolor"
	Free        Kind = "free"        // Value, in the prompt's words: no parser could read it
)

// Kinds returns all kinds, in the order of their constants.
func Kinds() []Kind {
	return []Kind{AtLeast, Exactly, Absent, Position, AtMost, Color, Attribute, Interaction, Place, Text, Activity, Scene, Style, Free}
}

// Relation says how an object stands to another: one of the spatial [Relations] for
// [Position], a verb phrase such as "riding" for [Interaction].
type Relation string

// The spatial relations. The first four are GenEval's, between box centers; y points
// down.
const (
	LeftOf    Relation = "left of"
	RightOf   Relation = "right of"
	Above     Relation = "above"
	Below     Relation = "below"
	Behind    Relation = "behind"
	InFrontOf Relation = "in front of"
	Inside    Relation = "inside"
	On        Relation = "on"
	Under     Relation = "under"
	Between   Relation = "between" // Target and Second
	NextTo    Relation = "next to"
)

// Relations returns the spatial relations, in the order of their constants.
func Relations() []Relation {
	return []Relation{LeftOf, RightOf, Above, Below, Behind, InFrontOf, Inside, On, Under, Between, NextTo}
}

// Places returns the values of a [Place]. "left", "right", "top" and "bottom" are halves
// of the image, "center" and the corners are thirds of both sides, "background" and
// "foreground" are about depth.
func Places() []string {
	return []string{
		"left", "right", "top", "bottom", "center",
		"top left", "top right", "bottom left", "bottom right",
		"background", "foreground",
	}
}

// Aspect says which property an [Attribute] names.
type Aspect string

// The aspects. An attribute of none of them has an empty aspect.
const (
	Material Aspect = "material" // wooden
	Pattern  Aspect = "pattern"  // striped
	Texture  Aspect = "texture"  // fluffy
	Size     Aspect = "size"     // big
	Shape    Aspect = "shape"    // round
	State    Aspect = "state"    // open
)

// Weight says how much a requirement matters.
type Weight string

// The weights.
const (
	Must   Weight = ""       // an image without it is wrong
	Should Weight = "should" // an image without it may still be right
)

// Requirement is one condition on the image. Requirements can be compared with ==.
type Requirement struct {
	Kind        Kind     `json:"kind"`
	Object      string   `json:"object,omitempty"`   // singular; GenEval's spelling where it is one of its classes
	Color       string   `json:"color,omitempty"`    // empty for any
	Count       int      `json:"count,omitempty"`    // at least 1 for AtLeast and Exactly, at most MaxCount
	Relation    Relation `json:"relation,omitempty"` // for Position and Interaction
	Target      string   `json:"target,omitempty"`   // for Position and Interaction: the reference object
	TargetColor string   `json:"target_color,omitempty"`
	Second      string   `json:"second,omitempty"` // for Between: the other reference object
	Value       string   `json:"value,omitempty"`  // what Attribute, Place, Text, Activity, Scene, Style and Free ask for
	Aspect      Aspect   `json:"aspect,omitempty"` // for Attribute
	Weight      Weight   `json:"weight,omitempty"`
	Words       string   `json:"words,omitempty"` // the words of the prompt that ask for it, where known
}

// Counts reports whether the requirement says how many objects there are.
func (r Requirement) Counts() bool { return r.Kind == AtLeast || r.Kind == Exactly || r.Kind == AtMost }

// String returns the requirement in words, for example "exactly 2 clock",
// "red cup left of blue bowl" or "person riding horse".
func (r Requirement) String() string {
	object := join(r.Color, r.Object)
	switch r.Kind {
	case AtLeast:
		return fmt.Sprintf("at least %d %s", r.Count, object)
	case Exactly:
		return fmt.Sprintf("exactly %d %s", r.Count, object)
	case AtMost:
		return fmt.Sprintf("at most %d %s", r.Count, object)
	case Absent:
		return "no " + object
	case Position, Interaction:
		target := join(r.TargetColor, r.Target)
		if r.Second != "" {
			target += " and " + r.Second
		}
		return fmt.Sprintf("%s %s %s", r.some(object), r.Relation, target)
	case Color:
		return r.share(r.Object, r.Color)
	case Attribute:
		return r.share(object, r.Value)
	case Place:
		return fmt.Sprintf("%s in the %s of the image", r.some(object), r.Value)
	case Text:
		if object == "" {
			return fmt.Sprintf("the text %q", r.Value)
		}
		return fmt.Sprintf("%s with the text %q", object, r.Value)
	case Activity:
		return r.some(object) + " " + r.Value
	case Scene:
		return "the scene: " + r.Value
	case Style:
		return "the style: " + r.Value
	case Free:
		return r.Value
	}
	return strings.TrimSpace(string(r.Kind) + " " + join(object, r.Value))
}

// some are the objects that a relation, a place or an activity is about.
func (r Requirement) some(object string) string {
	if r.Count == 0 {
		return object
	}
	return fmt.Sprintf("at least %d %s", r.Count, object)
}

// share says that Count objects, or all, have a property.
func (r Requirement) share(object, property string) string {
	if r.Count == 0 {
		return fmt.Sprintf("every %s is %s", object, property)
	}
	return fmt.Sprintf("at least %d %s that is %s", r.Count, object, property)
}

func join(color, object string) string {
	if color == "" {
		return object
	}
	return color + " " + object
}

// Validate reports a requirement that lacks a field which its kind needs, or that has a
// field out of range, as an error wrapping [ErrInvalid]. Of kinds that this package does
// not define it checks the lengths and ranges only.
func (r Requirement) Validate() error {
	for _, s := range []string{string(r.Kind), r.Object, r.Color, string(r.Relation), r.Target, r.TargetColor, r.Second, r.Value, r.Words} {
		switch {
		case len(s) > MaxRequirementBytes:
			return fmt.Errorf("%w: %.40q… has %d bytes, at most %d are allowed", ErrInvalid, s, len(s), MaxRequirementBytes)
		case !utf8.ValidString(s):
			return fmt.Errorf("%w: %.40q is not valid UTF-8", ErrInvalid, s)
		}
	}
	least := 0
	if r.Kind == AtLeast || r.Kind == Exactly {
		least = 1
	}
	switch {
	case r.Kind == "":
		return fmt.Errorf("%w: the requirement has no kind", ErrInvalid)
	case r.Count < least || r.Count > MaxCount:
		return fmt.Errorf("%w: count %d: must be from %d to %d", ErrInvalid, r.Count, least, MaxCount)
	case r.Weight != Must && r.Weight != Should:
		return fmt.Errorf("%w: unknown weight %.40q: leave it empty or say %q", ErrInvalid, r.Weight, Should)
	case r.Aspect != "" && !slices.Contains([]Aspect{Material, Pattern, Texture, Size, Shape, State}, r.Aspect):
		return fmt.Errorf("%w: unknown aspect %.40q", ErrInvalid, r.Aspect)
	}
	return r.validateKind()
}

func (r Requirement) validateKind() error {
	missing := func(what string) error {
		return fmt.Errorf("%w: %s without %s", ErrInvalid, r.Kind, what)
	}
	switch r.Kind {
	case AtLeast, Exactly, Absent, AtMost, Position, Color, Attribute, Interaction, Place, Activity:
		if r.Object == "" {
			return missing("an object")
		}
	}
	switch r.Kind {
	case Color:
		if r.Color == "" {
			return missing("a color")
		}
	case Position, Interaction:
		switch {
		case r.Relation == "":
			return missing("a relation")
		case r.Kind == Position && !slices.Contains(Relations(), r.Relation):
			return fmt.Errorf("%w: unknown relation %.40q", ErrInvalid, r.Relation)
		case r.Target == "":
			return missing("a target")
		case r.Kind == Position && r.Relation == Between && r.Second == "":
			return missing("a second target")
		}
	case Attribute, Place, Text, Activity, Scene, Style, Free:
		switch {
		case strings.TrimSpace(r.Value) == "":
			return missing("a value")
		case r.Kind == Place && !slices.Contains(Places(), r.Value):
			return fmt.Errorf("%w: unknown place %.40q", ErrInvalid, r.Value)
		}
	}
	return nil
}

// rank orders the kinds by what they depend on: a requirement needs only requirements
// of a lower rank. Requirements of rank 0 need nothing and nothing needs them.
func (r Requirement) rank() int {
	switch r.Kind {
	case AtLeast, Exactly, AtMost:
		if r.Color == "" {
			return 1
		}
		return 2
	case Color:
		return 3
	case Attribute, Position, Interaction, Place, Text, Activity:
		return 4
	}
	return 0
}

// needs reports whether r is asked only where other is met. See [Prompt.Needs].
func (r Requirement) needs(other Requirement) bool {
	// A prompt that allows no object ("at most 2 dogs") does not say that one is there.
	if other.rank() == 0 || other.rank() > 3 || other.rank() >= r.rank() || other.Kind == AtMost {
		return false
	}
	about := func(object, color string) bool {
		return object != "" && other.Object == object && (other.Color == "" || other.Color == color)
	}
	return about(r.Object, r.Color) || about(r.Target, r.TargetColor) || about(r.Second, "")
}
