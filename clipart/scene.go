package clipart

// Scene is a picture before it is rendered: a plain background and the objects
// on it, drawn in order.
type Scene struct {
	Background int // index into Backgrounds
	Objects    []Placement
}

// Placement is one object of a scene. The box is the drawing's square, as
// fractions of the picture's sides, y pointing down.
type Placement struct {
	Class   string  // GenEval class name, singular
	Color   string  // one of Colors, or empty for the drawing's own colours
	Drawing int     // 0 to Drawings(Class)-1
	X, Y    float64 // centre, in [0, 1]
	Size    float64 // side of the square as a fraction of the picture's shorter side
	Flip    bool    // mirrored left to right
}
