package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"reflectionflow"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/terminal"
	"reflectionflow/search"
)

// Search shows the progress of a search. Generating and Progress may be called
// concurrently with Event.
type Search interface {
	watching
	Event(e search.Event)
	Close()
}

// watching receives the requests under way, and the progress of remote generators.
type watching interface {
	Generating(requests []reflectionflow.Request)
	Progress(p remote.Progress)
}

// NewSearch returns the display of a search for several prompts: a bar where out is a
// terminal, else one line per image.
func NewSearch(out io.Writer, prompts int, cfg search.Config) Search {
	if isTerminal(out) {
		return newSearchBar(out, prompts, cfg)
	}
	return newSearchLines(out, prompts, cfg)
}

// Silent returns a display that shows nothing.
func Silent() Search { return silent{} }

type silent struct{}

func (silent) Generating([]reflectionflow.Request) {}
func (silent) Progress(remote.Progress)            {}
func (silent) Event(search.Event)                  {}
func (silent) Close()                              {}

// searchLines is the display of a pipe or a log file: one line per image. Its total is
// that of the budget, and one more per failed image that a resumed search tries again; the
// line of a prompt that stopped says how many images it took.
type searchLines struct {
	out       io.Writer
	started   time.Time
	total     int   // the most images of all prompts; 0: only time bounds them
	done      []int // images of each prompt
	explained bool  // that higher scores are better
	unseeded  bool  // that seeds were not used is said
}

func newSearchLines(out io.Writer, prompts int, cfg search.Config) *searchLines {
	return &searchLines{out: out, started: time.Now(), total: prompts * mostImages(cfg), done: make([]int, prompts)}
}

func (l *searchLines) Generating([]reflectionflow.Request) {}
func (l *searchLines) Progress(remote.Progress)            {}
func (l *searchLines) Close()                              {}

func (l *searchLines) Event(e search.Event) {
	l.done[e.Task] = max(l.done[e.Task], e.Done)
	c := e.Candidate
	if retried(e) && l.total > 0 {
		l.total++
	}
	switch e.Kind {
	case search.Recalled:
		l.print(e.Task, fmt.Sprintf("image %d: recalled; %s", c.ID, l.verdict(c)))
	case search.Scored:
		l.print(e.Task, fmt.Sprintf("image %d: %s; %s; %s", c.ID, origin(c), l.verdict(c), bestSoFar(e.Best)))
		if c.Reason != "" {
			_, _ = fmt.Fprintf(l.out, "    reason: %s\n", terminal.Line(c.Reason))
		}
		if c.Unseeded && !l.unseeded {
			l.unseeded = true
			_, _ = fmt.Fprintln(l.out, "    warning: the generator did not use the seed: this run cannot be reproduced")
		}
		for _, text := range c.Warnings {
			_, _ = fmt.Fprintf(l.out, "    warning: %s\n", terminal.Line(Warning(c.ID, text)))
		}
	case search.Stopped:
		if t := e.Tiebreak; t != nil {
			l.print(e.Task, fmt.Sprintf("%d images have the same score: image %d chosen by %s of pairs", len(t.Tied), e.Best.ID, Plural(len(t.Duels), "comparison")))
		}
		l.print(e.Task, fmt.Sprintf("stopped after %s: %s", Plural(e.Done, "image"), Stopped(e.Reason, e.Best.Score)))
	}
}

// retried reports a recalled candidate that takes nothing of the budget: its place is
// tried again.
func retried(e search.Event) bool { return e.Kind == search.Recalled && e.Candidate.Retryable() }

// print prints a line about a prompt, after the images so far and the elapsed time.
func (l *searchLines) print(task int, text string) {
	count := fmt.Sprint(sum(l.done))
	if l.total > 0 {
		count += fmt.Sprintf("/%d", l.total)
	}
	if len(l.done) > 1 {
		text = fmt.Sprintf("prompt %d of %d, %s", task+1, len(l.done), text)
	}
	_, _ = fmt.Fprintf(l.out, "[%s, %s] %s\n", count, terminal.Elapsed(time.Since(l.started)), terminal.Line(text))
}

// verdict is that of the candidate; the first score comes with its direction.
func (l *searchLines) verdict(c reflectionflow.Candidate) string {
	if c.Error != "" {
		return "no image: " + c.Error
	}
	if c.Score.Unanswered != "" {
		return "not judged: " + c.Score.Unanswered
	}
	text := "score " + Score(c.Score.Value)
	if !l.explained {
		l.explained = true
		text += " (higher is better)"
	}
	switch n := len(c.Score.Requirements); {
	case n > 0 && len(c.Score.Judged()) == 0:
		text += ", nothing judged of " + Plural(n, "requirement")
	case n > 0:
		text += fmt.Sprintf(", %d of %s met", countMet(c.Score), Plural(n, "requirement"))
	}
	return text
}

// searchBar is the display of a terminal.
type searchBar struct {
	mu      sync.Mutex
	bar     bar
	room    int // columns for the description
	totals  []int
	done    []int
	doing   string
	percent string // progress of the image, where the server reports it
	best    string
}

func newSearchBar(out io.Writer, prompts int, cfg search.Config) *searchBar {
	width := 80
	if f, ok := terminalOf(out); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	b := &searchBar{room: max(12, width-48), totals: make([]int, prompts), done: make([]int, prompts), doing: "loading"}
	total := 0
	for i := range b.totals {
		b.totals[i] = mostImages(cfg)
		total += b.totals[i]
	}
	if total == 0 {
		total = -1 // a spinner: only time bounds the search
	}
	b.bar = newBar(out, total, progressbar.OptionShowCount(), progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish())
	return b
}

// mostImages is the most images that a prompt can get from its own budget, 0 when only
// time bounds it.
func mostImages(cfg search.Config) int {
	n := cfg.Budget.Images
	if deep := cfg.Width * cfg.Depth; deep > 0 && (n == 0 || deep < n) {
		n = deep
	}
	return n
}

func (b *searchBar) Generating(requests []reflectionflow.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(requests) == 0 {
		return
	}
	b.doing, b.percent = "generating", ""
	for _, r := range requests {
		if r.Reflection != "" {
			b.doing = "correcting: " + lowerFirst(strings.TrimRight(r.Reflection, ". "))
			break
		}
	}
	b.describe()
}

func (b *searchBar) Progress(p remote.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	percent := ""
	switch {
	case p.Queued:
		percent = "queued, "
	case p.Done > 0:
		percent = fmt.Sprintf("%.0f%%, ", 100*p.Done)
	}
	if percent != b.percent {
		b.percent = percent
		b.describe()
	}
}

func (b *searchBar) Event(e search.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Best.ID >= 0 {
		b.best = "best score " + Score(e.Best.Score.Value)
	}
	switch e.Kind {
	case search.Scored, search.Recalled:
		if retried(e) && b.totals[e.Task] > 0 {
			b.totals[e.Task]++
		}
		b.done[e.Task] = e.Done
		b.totals[e.Task] = max(b.totals[e.Task], e.Done) // a prompt may get the budget left by others
	case search.Stopped:
		if b.totals[e.Task] > e.Done { // the rest of the budget will not be used
			b.totals[e.Task] = e.Done
		}
	default:
		return
	}
	if total := sum(b.totals); total > 0 {
		b.bar.ChangeMax(total)
	}
	b.bar.set(sum(b.done))
	b.describe()
}

func (b *searchBar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bar.close()
}

func (b *searchBar) describe() {
	text := b.percent + b.doing
	if b.best != "" {
		text = b.best + ", " + text
	}
	b.bar.describe(text, b.room)
}

func sum(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// origin says how a candidate was made.
func origin(c reflectionflow.Candidate) string {
	text := "new noise"
	switch c.Action {
	case reflectionflow.Reflect:
		text = "correction (" + lowerFirst(strings.TrimRight(c.Request.Reflection, ". ")) + ")"
	case reflectionflow.Rewrite:
		text = "rewritten prompt"
	}
	if n := len(c.Abandoned); n > 0 {
		text += ", " + Plural(n, "noise") + " abandoned early"
	}
	return text
}

func bestSoFar(best reflectionflow.Candidate) string {
	if best.ID < 0 {
		return "no best image yet"
	}
	return fmt.Sprintf("best so far: image %d with %s", best.ID, Score(best.Score.Value))
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
