//go:build slow

package flux2

const trueShapes = true
