//go:build !slow

package flux2

// trueShapes makes tests use the shapes of published models; with -tags slow.
const trueShapes = false
