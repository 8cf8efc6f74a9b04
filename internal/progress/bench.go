package progress

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// Bench shows the progress of a benchmark: a bar on a terminal, one line per part
// elsewhere.
type Bench struct {
	out io.Writer
	bar *bar // nil if not on a terminal
}

// NewBench returns the display of a benchmark.
func NewBench(out io.Writer) *Bench {
	d := &Bench{out: out}
	if isTerminal(out) {
		b := newBar(out, 100, progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(true))
		d.bar = &b
	}
	return d
}

// Begin shows what is measured next, and the share in [0, 1] that is done.
func (d *Bench) Begin(what string, done float64) {
	if d.bar == nil {
		_, _ = fmt.Fprintf(d.out, "%3.0f%%  %s\n", 100*done, what)
		return
	}
	d.bar.describe(what, 0)
	d.bar.set(int(100 * done))
}

// Close ends the display.
func (d *Bench) Close() {
	if d.bar != nil {
		d.bar.close()
	}
}
