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

// memoryUnits are the units of [ParseMemory], in bytes.
var memoryUnits = []struct {
	name  string
	bytes float64
}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"B", 1}, {"", 1}}

// ParseMemory reads an amount of memory in bytes: "8GB", "7.5GB", "6GiB" or "800MB".
func ParseMemory(text string) (int64, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	for _, unit := range memoryUnits {
		number, ok := strings.CutSuffix(upper, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err == nil && n > 0 && n*unit.bytes <= 1<<50 {
			return int64(n * unit.bytes), nil
		}
	}
	return 0, fmt.Errorf("%w: memory %.40q: use an amount such as 8GB or 800MB", reflectionflow.ErrInvalid, text)
}
