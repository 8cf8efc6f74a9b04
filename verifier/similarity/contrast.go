package similarity

import (
	"slices"
	"strings"

	"reflectionflow"
)

// contrast is a choice: what is asked for comes first. Each alternative has one or more wordings.
type contrast struct{ wordings [][]string }

// Alternatives by aspect. Words of one group mean nearly the same, so they are no alternatives to one
// another.
//
//nolint:dupword // lists of words
var (
	colors    = groups("red,crimson,scarlet", "orange", "yellow,golden,gold", "green", "blue", "purple,violet", "pink", "brown", "black", "white", "gray,grey,silver")
	materials = groups("wooden,wood", "metal,metallic,steel,iron", "plastic", "glass,transparent", "stone,marble,concrete", "leather", "fabric,cloth,woolen,knitted", "paper,cardboard", "ceramic,porcelain,clay", "rubber", "brick")
	patterns  = groups("striped", "checkered,plaid,checked", "polka dot,dotted,spotted", "floral,flowery", "plain,solid", "camouflage")
	textures  = groups("smooth", "rough,bumpy", "fluffy,furry,fuzzy,hairy", "shiny,glossy,polished", "rusty,rusted")
	shapes    = groups("round,circular,spherical", "square,rectangular,cubic", "triangular", "oval", "heart-shaped", "star-shaped")
	scenes    = groups("a beach,the beach,the sea,the ocean,the seaside", "a forest,the forest,the woods,a jungle", "a city street,a street,the city,a city,a town", "a desert,the desert", "mountains,the mountains,a mountain", "snow,the snow,a snowy landscape",
		"a kitchen,the kitchen", "a living room,the living room,a room", "a bedroom,the bedroom", "an office,the office", "a garden,the garden,a park,the park", "a field,a meadow,the grass", "outer space,space,the moon", "a restaurant,a cafe", "a studio,a plain background")
	styles = groups("a photograph,photo,photograph,photorealistic,photography,realistic,cinematic", "an oil painting,oil painting,oil on canvas", "a watercolor painting,watercolor,watercolour", "a pencil sketch,pencil sketch,pencil drawing,sketch,charcoal",
		"a cartoon,cartoon,comic", "anime,manga", "a 3D render,3d render,3d", "pixel art", "a vector illustration,vector art,flat illustration,illustration", "low poly", "claymation,clay")
	opposites = [][]string{
		{"big", "small"},
		{"large", "small"},
		{"huge", "tiny"},
		{"tall", "short"},
		{"long", "short"},
		{"thick", "thin"},
		{"wide", "narrow"},
		{"open", "closed"},
		{"full", "empty"},
		{"broken", "intact"},
		{"wet", "dry"},
		{"clean", "dirty"},
		{"old", "new"},
		{"old", "young"},
		{"hot", "cold"},
		{"lit", "unlit"},
		{"ripe", "unripe"},
		{"cooked", "raw"},
		{"burning", "unburnt"},
		{"folded", "unfolded"},
		{"fresh", "rotten"},
		{"soft", "hard"},
		{"straight", "curved"},
	}
)

// groups splits lists of words.
func groups(lists ...string) [][]string {
	var all [][]string
	for _, list := range lists {
		all = append(all, strings.Split(list, ","))
	}
	return all
}

// contrastOf returns the choice for a requirement of a prompt, and false where the network cannot judge
// it: it is of another kind, nothing is known to contrast it with, or another object of the prompt has a
// property of its kind, which the network would mix up.
func contrastOf(prompt reflectionflow.Prompt, i int) (contrast, bool) {
	r := prompt.Requirements[i]
	object := strings.TrimSpace(r.Color + " " + r.Object)
	switch r.Kind {
	case reflectionflow.Color:
		if r.Count > 0 || shared(prompt, i) {
			return contrast{}, false
		}
		return choose(r.Color, colors, func(c string) []string {
			return []string{"a photo of a " + c + " " + r.Object, "a photo of a " + c + "-colored " + r.Object, "a photo of a " + c + " object"}
		})
	case reflectionflow.Attribute:
		if r.Count > 0 || shared(prompt, i) {
			return contrast{}, false
		}
		return choose(r.Value, alternatives(r), func(value string) []string { return []string{"a photo of a " + value + " " + object} })
	case reflectionflow.Scene:
		return choose(r.Value, scenes, func(place string) []string { return []string{"a photo of " + place, "an image set in " + place} })
	case reflectionflow.Style:
		return choose(r.Value, styles, func(style string) []string { return []string{style, "an image in the style of " + style} })
	}
	return contrast{}, false
}

// alternatives lists the groups of words of an attribute's aspect.
func alternatives(r reflectionflow.Requirement) [][]string {
	switch r.Aspect {
	case reflectionflow.Material:
		return materials
	case reflectionflow.Pattern:
		return patterns
	case reflectionflow.Texture:
		return textures
	case reflectionflow.Shape:
		return shapes
	}
	for _, pair := range opposites {
		if slices.Contains(pair, strings.ToLower(r.Value)) {
			return [][]string{pair[:1], pair[1:]}
		}
	}
	return nil
}

// choose builds the contrast of a value with the other groups, each by its first word.
func choose(value string, groups [][]string, words func(string) []string) (contrast, bool) {
	value = strings.ToLower(strings.TrimSpace(value))
	c := contrast{wordings: [][]string{words(value)}}
	for _, group := range groups {
		if !mentions(value, group) {
			c.wordings = append(c.wordings, words(group[0]))
		}
	}
	return c, len(c.wordings) > 1
}

// mentions reports whether a value is one of the words, or holds one of them as whole words.
func mentions(value string, group []string) bool {
	return slices.ContainsFunc(group, func(word string) bool {
		for _, article := range []string{"a ", "an ", "the "} {
			word = strings.TrimPrefix(word, article)
		}
		return strings.Contains(" "+value+" ", " "+word+" ")
	})
}

// shared reports whether another object of the prompt has a property of the same kind as requirement i.
func shared(prompt reflectionflow.Prompt, i int) bool {
	r := prompt.Requirements[i]
	for k, other := range prompt.Requirements {
		if k == i {
			continue
		}
		if r.Kind == reflectionflow.Attribute && other.Kind == r.Kind && other.Aspect == r.Aspect && (other.Object != r.Object || other.Value != r.Value) {
			return true
		}
		if r.Kind == reflectionflow.Color && (otherColor(other.Color, other.Object, r) || otherColor(other.TargetColor, other.Target, r)) {
			return true
		}
	}
	return false
}

func otherColor(color, object string, r reflectionflow.Requirement) bool {
	return color != "" && (color != r.Color || object != r.Object)
}
