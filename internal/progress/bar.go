package progress

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"reflectionflow/internal/terminal"
)

// terminalOf returns the terminal that w writes to, and false if it is not one.
func terminalOf(w io.Writer) (*os.File, bool) {
	if safe, ok := w.(*terminal.Writer); ok {
		w = safe.Unwrap()
	}
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func isTerminal(w io.Writer) bool {
	_, ok := terminalOf(w)
	return ok
}

// bar is a progress bar. It moves the cursor by escape sequences, so it writes past
// [terminal.Writer], and escapes descriptions itself. Failures to display are ignored:
// they must not end the work.
type bar struct{ *progressbar.ProgressBar }

// newBar returns a bar on a terminal; total is -1 where it is not known.
func newBar(out io.Writer, total int, more ...progressbar.Option) bar {
	if f, ok := terminalOf(out); ok {
		out = f
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(16), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true), progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
	}
	return bar{progressbar.NewOptions(total, append(options, more...)...)}
}

// describe sets the text at the end of the bar, cut to width columns; 0 is no limit.
func (b bar) describe(text string, width int) {
	text = terminal.Line(text)
	if r := []rune(text); width > 0 && len(r) > width {
		text = string(r[:width-1]) + "…"
	}
	b.Describe(text)
}

func (b bar) set(done int) { _ = b.Set(done) }

func (b bar) close() {
	_ = b.Clear()
	_ = b.Exit()
}
