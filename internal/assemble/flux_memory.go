package assemble

import (
	"fmt"
	"image"
	"runtime"
	"runtime/debug"
	"sort"
	"sync"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/internal/terminal"
	"reflectionflow/search"
)

// working returns the bytes that the images of a search take at the peak beside the mapped
// weights, corrections among them; 0 if the backend does not say. Sides of 0 are those of
// the search.
func (m *fluxModel) working(backend string, cfg search.Config, side int) (int64, error) {
	p, err := m.pipeline(backend)
	if err != nil {
		return 0, err
	}
	r := reflectionflow.Request{Prompt: "any", Width: cfg.ImageWidth, Height: cfg.ImageHeight, Steps: cfg.Steps, Guidance: cfg.Guidance}
	if side > 0 {
		r.Width, r.Height = side, side
	}
	need, err := p.Memory(r)
	if err != nil || !cfg.Corrects() {
		return need, err
	}
	correction, err := p.Memory(correctionOf(r))
	return max(need, correction), err
}

// correctionOf is a request to correct an image of r, without pixels.
func correctionOf(r reflectionflow.Request) reflectionflow.Request {
	r.Reflection, r.Reference = "any", &image.Alpha{Rect: image.Rect(0, 0, r.Width, r.Height)}
	return r
}

// fits reports searches whose images take more memory than the bound of the configuration,
// or by far more than is free.
func (m *fluxModel) fits(backend string, cfg search.Config) error {
	need, err := m.working(backend, cfg, 0)
	if err != nil {
		return err
	}
	free := cpu.FreeMemory()
	bound, what, remedy := free, terminal.Bytes(free)+" are free", "free memory"
	switch {
	case m.memory > 0 && need > m.memory:
		bound, what, remedy = m.memory, "the bound is "+terminal.Bytes(m.memory), fmt.Sprintf("raise the bound to %dMB", (need+999_999)/1e6)
	case need <= free || need-free <= free/2: // a little over is a warning: it may be freed
		return nil
	}
	if side := m.largestSide(backend, cfg, bound); side > 0 {
		remedy += fmt.Sprintf(", or use --size %d", side)
	}
	images := "an image"
	if cfg.Corrects() {
		images = "a correction"
	}
	return fmt.Errorf("%w: %s of %d×%d pixels takes %s beside the weights, and %s: %s",
		reflectionflow.ErrInvalid, images, cfg.ImageWidth, cfg.ImageHeight, terminal.Bytes(need), what, remedy)
}

// Sides of square images that are suggested are multiples of sideStep, from the least on.
const sideStep, leastSide = 64, 256

// largestSide is the largest side of a square image, below those of the search, that takes
// no more than bound; 0 if there is none.
func (m *fluxModel) largestSide(backend string, cfg search.Config, bound int64) int {
	n := (min(cfg.ImageWidth, cfg.ImageHeight) - leastSide + sideStep - 1) / sideStep
	over := sort.Search(max(0, n), func(i int) bool {
		need, err := m.working(backend, cfg, leastSide+i*sideStep)
		return err != nil || need > bound
	})
	if over == 0 {
		return 0
	}
	return leastSide + (over-1)*sideStep
}

// warning says what is wrong with the images of a search here; empty for nothing.
func (m *fluxModel) warning(backend string, cfg search.Config) (string, error) {
	stored, err := m.stored()
	if err != nil {
		return "", err
	}
	weights := int64(0)
	for _, bytes := range stored {
		weights += bytes
	}
	need, err := m.working(backend, cfg, 0)
	free := cpu.FreeMemory()
	switch {
	case err != nil:
		return "", err
	case need > free:
		return fmt.Sprintf("an image of %d×%d pixels takes about %s beside the weights, and %s are free", cfg.ImageWidth, cfg.ImageHeight, terminal.Bytes(need), terminal.Bytes(free)), nil
	case weights+need > free:
		return fmt.Sprintf("the weights have %s and an image takes about %s, and %s are free: the weights will be read from the disk again and again",
			terminal.Bytes(weights), terminal.Bytes(need), terminal.Bytes(free)), nil
	}
	return "", nil
}

// programMemory is what the program takes beside the arrays of an image: compiled programs,
// scratch memory of the workers, other networks, and garbage that is not collected yet.
const programMemory = 128 << 20

// bounded is the largest bound of the models that this process has opened.
var bounded struct {
	sync.Mutex
	images int64
}

// boundMemory bounds what images take, on top of what the process holds when all parts are
// loaded. A lower GOMEMLIMIT stays.
func boundMemory(images int64) {
	bounded.Lock()
	defer bounded.Unlock()
	before := debug.SetMemoryLimit(-1)
	if images <= bounded.images {
		return
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := int64(m.Sys-m.HeapReleased) + images + programMemory
	if bounded.images > 0 || limit < before { // one of GOMEMLIMIT is only lowered
		debug.SetMemoryLimit(limit)
	}
	bounded.images = images
}
