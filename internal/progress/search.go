package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"reflectionflow"
	"reflectionflow/remote"
	"reflectionflow/search"
)

// Search shows the progress of a search. Generating and Progress may be called
// concurrently with Event.
type Search interface {
	watching
	Event(e search.Event)
	Close()
}

// watching receives what is being generated, and the progress of remote generators.
type watching interface {
	Generating(requests []reflectionflow.Request)
	Progress(p remote.Progress)
}

// NewSearch returns the display of a search for the prompts: a bar where out is a
// terminal, else one line per image.
func NewSearch(out io.Writer, prompts []string, cfg search.Config) Search {
	if isTerminal(out) {
		return newBar(out, prompts, cfg)
	}
	return &lines{out: out, tasks: prompts}
}

// Silent returns a display that shows nothing.
func Silent() Search { return silent{} }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

type silent struct{}

func (silent) Generating([]reflectionflow.Request) {}
func (silent) Progress(remote.Progress)            {}
func (silent) Event(search.Event)                  {}
func (silent) Close()                              {}

// lines is the display of a pipe or a log file: one line an image.
type lines struct {
	out   io.Writer
	tasks []string
}

func (l *lines) Generating([]reflectionflow.Request) {}
func (l *lines) Progress(remote.Progress)            {}
func (l *lines) Close()                              {}

func (l *lines) Event(e search.Event) {
	prefix := ""
	if len(l.tasks) > 1 {
		prefix = fmt.Sprintf("prompt %d of %d, ", e.Task+1, len(l.tasks))
	}
	switch e.Kind {
	case search.Recalled:
		_, _ = fmt.Fprintf(l.out, "%simage %d: recalled, %s\n", prefix, e.Candidate.ID, verdict(e.Candidate))
	case search.Scored:
		of := ""
		if e.Total > 0 {
			of = fmt.Sprintf(" (%d of %d)", e.Done, e.Total)
		}
		if e.Candidate.Reason != "" {
			_, _ = fmt.Fprintf(l.out, "%simage %d: %s\n", prefix, e.Candidate.ID, e.Candidate.Reason)
		}
		_, _ = fmt.Fprintf(l.out, "%simage %d%s: round %d, %s: %s; %s\n", prefix, e.Candidate.ID, of, e.Candidate.Round, deed(e.Candidate), verdict(e.Candidate), bestSoFar(e.Best))
	}
}

// bar is the display of a terminal.
type bar struct {
	mu     sync.Mutex
	bar    *progressbar.ProgressBar
	room   int // columns for the description
	totals []int
	done   []int
	doing  string
	far    string // how far the drawing is, where the server says so
	best   string
}

func newBar(out io.Writer, tasks []string, cfg search.Config) *bar {
	width := 80
	if f, ok := out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	b := &bar{room: max(12, width-48), totals: make([]int, len(tasks)), done: make([]int, len(tasks)), doing: "loading"}
	total := 0
	for i := range b.totals {
		b.totals[i] = mostImages(cfg)
		total += b.totals[i]
	}
	if total == 0 {
		total = -1 // a spinner: only time bounds the search
	}
	b.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetWidth(16),
		progressbar.OptionShowCount(),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
	return b
}

// mostImages is the most images a prompt may get, 0 when only time bounds it.
func mostImages(cfg search.Config) int {
	n := cfg.Budget.Images
	if deep := cfg.Width * cfg.Depth; deep > 0 && (n == 0 || deep < n) {
		n = deep
	}
	return n
}

func (b *bar) Generating(requests []reflectionflow.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(requests) == 0 {
		return
	}
	b.doing, b.far = "drawing", ""
	for _, r := range requests {
		if r.Reflection != "" {
			b.doing = "correcting: " + lowerFirst(strings.TrimRight(r.Reflection, ". "))
			break
		}
	}
	b.describe()
}

func (b *bar) Progress(p remote.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	far := ""
	switch {
	case p.Queued:
		far = "queued, "
	case p.Done > 0:
		far = fmt.Sprintf("%.0f%%, ", 100*p.Done)
	}
	if far != b.far {
		b.far = far
		b.describe()
	}
}

func (b *bar) Event(e search.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Best.ID >= 0 {
		b.best = fmt.Sprintf("best %.3f", e.Best.Score.Value)
	}
	switch e.Kind {
	case search.Scored, search.Recalled:
		b.done[e.Task] = e.Done
		b.totals[e.Task] = max(b.totals[e.Task], e.Done) // others may leave it their budget
	case search.Stopped:
		if b.totals[e.Task] > e.Done { // an early stop gives budget back
			b.totals[e.Task] = e.Done
		}
	default:
		return
	}
	if total := sum(b.totals); total > 0 {
		b.bar.ChangeMax(total)
	}
	_ = b.bar.Set(sum(b.done)) // a display that fails is no reason to stop
	b.describe()
}

func (b *bar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.bar.Clear()
	_ = b.bar.Exit()
}

func (b *bar) describe() {
	text := b.far + b.doing
	if b.best != "" {
		text = b.best + ", " + text
	}
	if r := []rune(text); len(r) > b.room {
		text = string(r[:b.room-1]) + "…"
	}
	b.bar.Describe(text)
}

func sum(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// deed says how a candidate came to be.
func deed(c reflectionflow.Candidate) string {
	if n := len(c.Abandoned); n > 0 {
		whole := c
		whole.Abandoned = nil
		return fmt.Sprintf("%s, the %s of which were given up", deed(whole), Plural(n, "first noise"))
	}
	switch c.Action {
	case reflectionflow.Reflect:
		return "corrected (" + lowerFirst(strings.TrimRight(c.Request.Reflection, ". ")) + ")"
	case reflectionflow.Rewrite:
		return "rewritten prompt"
	}
	return "fresh noise"
}

func verdict(c reflectionflow.Candidate) string {
	if c.Error != "" {
		return "no picture: " + c.Error
	}
	text := fmt.Sprintf("score %.3f", c.Score.Value)
	if n := len(c.Score.Requirements); n > 0 {
		text += fmt.Sprintf(", %d of %d met", countMet(c.Score), n)
	}
	return text
}

func bestSoFar(best reflectionflow.Candidate) string {
	if best.ID < 0 {
		return "no best yet"
	}
	return fmt.Sprintf("best is %d with %.3f", best.ID, best.Score.Value)
}

func countMet(s reflectionflow.Score) int {
	n := 0
	for _, f := range s.Requirements {
		if f.Verdict == reflectionflow.Met {
			n++
		}
	}
	return n
}

func lowerFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToLower(first)) + text[size:]
}
