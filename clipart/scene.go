package clipart

// Scene describes an image before it is rendered: a plain background and the objects on it,
// rendered in order.
type Scene struct {
	Background int // index into Backgrounds
	Objects    []Placement
}

// Placement is one object of a scene. Its square is given in fractions of the image's sides, y
// pointing down.
type Placement struct {
	Class   string  // GenEval class name, singular
	Color   string  // one of Colors, or empty for the drawing's own colors
	Drawing int     // 0 to Drawings(Class)-1
	X, Y    float64 // center, in [0, 1]
	Size    float64 // side of the square as a fraction of the image's shorter side
	Flip    bool    // mirrored left to right
}
