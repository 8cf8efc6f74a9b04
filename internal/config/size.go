package config

import (
	"fmt"
	"strconv"
	"strings"

	"reflectionflow"
)

// ParseSize reads the size of an image in pixels: "128", or "128x96" as width x height.
func ParseSize(text string) (width, height int, err error) {
	w, h, two := strings.Cut(text, "x")
	if !two {
		h = w
	}
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	if errW != nil || errH != nil {
		return 0, 0, fmt.Errorf("%w: size %.40q: use pixels as 128 or 128x96", reflectionflow.ErrInvalid, text)
	}
	return width, height, nil
}
