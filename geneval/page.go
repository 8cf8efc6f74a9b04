package geneval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Notes stand between these marks and are kept when a page is written again.
const (
	notesBegin = "<!-- notes: written by hand, kept -->"
	notesEnd   = "<!-- end of notes -->"
)

const maxPageBytes = 1 << 20

// WritePage writes the results page: the paper's tables and figures, each beside
// ours in the same layout, and what agrees. The figures go into the folder images
// beside it. Notes in a page that is there already are kept. command says how the
// results were made.
func (r Results) WritePage(path, command string) error {
	notes, err := readNotes(path)
	if err != nil {
		return err
	}
	s := r.Summarize()
	if len(s.Rows) == 0 {
		return errUnfinished(r.Dir)
	}
	figures, err := r.figures(s)
	if err != nil {
		return err
	}
	f := &folder{path: filepath.Dir(path)}
	if err := os.MkdirAll(f.in("images"), 0o755); err != nil {
		return placeError(f.path, err)
	}
	drawn := make(map[string]bool)
	for _, fig := range figures {
		drawn[fig.Name] = true
		if err := f.write(pageImage(path, fig.Name+".svg"), fig.SVG); err != nil {
			return err
		}
	}
	sheet, err := r.judgeSheet()
	if err != nil {
		return err
	}
	if err := f.write(pageImage(path, judgeSheetName+".png"), sheet); err != nil {
		return err
	}
	w := &pageWriter{results: r, table: table{r.Manifest, s}, drawn: drawn, path: path}
	w.write(command)
	w.line("%s", notesBegin+"\n"+notes+"\n"+notesEnd)
	return f.write(filepath.Base(path), []byte(w.b.String()))
}

// errUnfinished is of an evaluation that not even one row is finished of.
func errUnfinished(dir string) error {
	return invalid("%s: no strategy is finished at any budget yet: go on with evaluate", dir)
}

// readNotes are the notes of the page, empty when there is none.
func readNotes(path string) (string, error) {
	data, err := readBounded(path, maxPageBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", placeError(filepath.Dir(path), err)
	}
	_, rest, begun := strings.Cut(string(data), notesBegin)
	notes, _, ended := strings.Cut(rest, notesEnd)
	if !begun || !ended {
		return "", invalid("%s is no results page: it has no place for notes, and would be lost", path)
	}
	return strings.TrimSpace(notes), nil
}

// pageImage is where a picture of the page lies, from the page's folder.
func pageImage(page, name string) string {
	base := strings.TrimSuffix(filepath.Base(page), filepath.Ext(page))
	return "images/" + base + "-" + name
}

type pageWriter struct {
	results Results
	table   table
	drawn   map[string]bool
	path    string // of the page
	b       strings.Builder
}

func (w *pageWriter) line(format string, args ...any) {
	_, _ = fmt.Fprintf(&w.b, format+"\n\n", args...)
}

// ofTasks is the first text where the evaluation is of tasks of GenEval, else the second.
func (w *pageWriter) ofTasks(genEval, compound string) string {
	for _, tag := range Tags() {
		if w.table.sum.Prompts[tag] > 0 {
			return genEval
		}
	}
	return compound
}

// points is a list of sentences.
func (w *pageWriter) points(list []string) {
	if len(list) > 0 {
		w.line("- %s", strings.Join(list, "\n- "))
	}
}

func (w *pageWriter) figure(name, title string) {
	if w.drawn[name] {
		w.line("![%s](%s)", title, pageImage(w.path, name+".svg"))
	}
}

func (w *pageWriter) grid(rows [][]string) {
	writeTable(&w.b, rows)
	w.b.WriteByte('\n')
}

func (w *pageWriter) write(command string) {
	w.line("# Results%s", w.ofTasks("", " on compound prompts"))
	w.line("The paper's tables and figures (FLUX.1-dev on GenEval's 553 prompts) and, in the same layout, ours (the embedded model on held-out prompts %s, by a judge that no search sees). All scores are per cent of prompts right; the mean over the tasks is GenEval's overall score; intervals are 95%%, by bootstrap over prompts (where all or none of a task is right, exact). The numbers of the two are not comparable, their order is.", w.ofTasks("of the same six tasks", "that compound GenEval's tasks"))
	w.line("This page is written by `%s`; only the notes at its end are by hand.", command)
	w.points(w.table.sum.facts())
	if done, total := w.results.Finished(); done < total {
		w.line("**The evaluation is not finished: %d of %d searches. Rows that are not whole are left out.**", done, total)
	}
	w.claims()
	w.scores()
	w.budgets()
	w.verifiers()
	w.levels()
	w.widths()
	w.costs()
	w.line("## What the judge saw")
	w.line("Pictures of every task with the judge's boxes, as many that it calls right as wrong (framed), taken evenly over all prompts: for checking the judge by eye.")
	w.line("![What the judge saw](%s)", pageImage(w.path, judgeSheetName+".png"))
	w.line("## Notes")
}

func (w *pageWriter) claims() {
	w.line("## What agrees and what does not")
	w.line("A difference whose interval holds 0 is not decided by this many prompts; reached is what no part of the interval is below.")
	rows := [][]string{{"claim", "the paper", "ours", "verdict"}}
	for _, c := range w.results.claims(w.table) {
		rows = append(rows, []string{c.Text, c.Paper, c.Ours, c.Verdict})
	}
	w.grid(rows)
	w.points(w.reasons())
}

// reasons say what ours is limited by, as far as it was measured.
func (w *pageWriter) reasons() []string {
	var list []string
	s := w.table.sum
	if v := s.Verify; v != nil && v.Pairs > 0 {
		list = append(list, fmt.Sprintf("Choosing: of two pictures of a prompt that the base drew, one right and one wrong, the verifier prefers the right one in %.0f%% (%d pairs; 50%% is chance).", 100*v.Rate, v.Pairs))
	}
	oracle, there := w.table.row("reflection+oracle", w.table.largest())
	plain, than := w.table.row("reflection", w.table.largest())
	if there && than {
		list = append(list, fmt.Sprintf("With a verifier that never errs, reflection reaches %s instead of %s: the first difference is the verifier's, the remaining %.1f points are the generator's.", percent(oracle.Overall), percent(plain.Overall), 100-100*oracle.Overall))
	}
	if len(s.Levels) > 0 {
		list = append(list, fmt.Sprintf("The base finds %d of the prompts easy, %d medium and %d hard (right in more than two, in one to two, in less than one of three pictures).", s.Levels[Easy], s.Levels[Medium], s.Levels[Hard]))
	}
	return list
}

// scores are Table 1.
func (w *pageWriter) scores() {
	w.line("## By task")
	w.paperScores()
	tags := w.table.sum.tags()
	rows := [][]string{append([]string{"ours", "images", "overall (95%)"}, tags...)}
	for i, r := range w.table.contenders() {
		name := r.Strategy
		if i == 0 && r.Budget == 1 {
			name = "base"
		}
		line := []string{name, fmt.Sprint(r.Budget), fmt.Sprintf("%s (%.0f–%.0f)", percent(r.Overall), 100*r.CILow, 100*r.CIHigh)}
		for _, tag := range tags {
			text := "–"
			if e, ok := r.TagIntervals[tag]; ok {
				text = fmt.Sprintf("%.0f (%.0f–%.0f)", 100*e.Mean, 100*e.Low, 100*e.High)
			}
			line = append(line, text)
		}
		rows = append(rows, line)
	}
	w.grid(rows)
	w.figure("tasks", "Score by task")
}

func (w *pageWriter) paperScores() {
	rows := [][]string{append([]string{"the paper", "images", "overall"}, Tags()...)}
	for _, p := range paperTable {
		line := []string{p.method, fmt.Sprint(p.images), fmt.Sprintf("%.0f", p.overall)}
		for _, v := range p.tags {
			line = append(line, fmt.Sprintf("%.0f", v))
		}
		rows = append(rows, line)
	}
	w.grid(rows)
}

// budgets are the budget curve.
func (w *pageWriter) budgets() {
	w.line("## Score against images")
	w.curves("the paper", paperCurves)
	rows := [][]string{w.budgetHeader("ours")}
	for _, a := range w.table.plains() {
		rows = append(rows, w.budgetRow(a.Name, a.Name))
	}
	w.grid(rows)
	w.figure("score-images", "Score against images")
	w.figure("score-seconds", "Score against seconds")
}

func (w *pageWriter) curves(first string, curves []paperCurve) {
	header := []string{first}
	for _, b := range paperBudgets {
		header = append(header, fmt.Sprint(b))
	}
	rows := [][]string{header}
	for _, c := range curves {
		line := []string{c.name}
		for _, v := range c.values {
			line = append(line, fmt.Sprintf("%.1f", v))
		}
		rows = append(rows, line)
	}
	w.grid(rows)
}

func (w *pageWriter) budgetHeader(first string) []string {
	header := []string{first}
	for _, b := range w.table.Budgets {
		header = append(header, fmt.Sprint(b))
	}
	return header
}

func (w *pageWriter) budgetRow(name, strategy string) []string {
	line := []string{name}
	for _, r := range w.table.rows(strategy) {
		line = append(line, fmt.Sprintf("%s (%.0f–%.0f)", percent(r.Overall), 100*r.CILow, 100*r.CIHigh))
	}
	return line
}

func (w *pageWriter) verifiers() {
	w.line("## Choice of the verifier")
	w.curves("the paper, reflection by", paperVerifiers)
	if !w.drawn["verifiers"] {
		w.line("Ours was not measured in this evaluation: add strategies such as `reflection+oracle`.")
		return
	}
	rows := [][]string{w.budgetHeader("ours, reflection by")}
	for _, a := range w.table.Strategies {
		if plain, ok := w.table.arm("reflection"); ok && len(w.table.rows(a.Name)) > 0 && a.Kind == "reflection" && a.Width == plain.Width {
			name := a.Verifier
			if name == "" {
				name = "detector and reward (default)"
			}
			rows = append(rows, w.budgetRow(name, a.Name))
		}
	}
	w.grid(rows)
	w.figure("verifiers", "Choice of the verifier")
}

func (w *pageWriter) levels() {
	w.line("## By difficulty")
	rows := [][]string{{"", "easy", "medium", "hard"}}
	for i, name := range []string{"the paper, base at 1", "the paper, reflection at 32"} {
		line := []string{name}
		for _, level := range Levels() {
			line = append(line, fmt.Sprintf("%.0f", paperLevels[level][i]))
		}
		rows = append(rows, line)
	}
	if w.drawn["difficulty"] {
		for _, r := range w.table.contenders() {
			line := []string{"ours, " + r.name()}
			for _, level := range Levels() {
				text := "–"
				if e, ok := r.Levels[level]; ok {
					text = fmt.Sprintf("%.0f (%.0f–%.0f)", 100*e.Mean, 100*e.Low, 100*e.High)
				}
				line = append(line, text)
			}
			rows = append(rows, line)
		}
	}
	w.grid(rows)
	w.figure("difficulty", "Score by difficulty of the prompt")
}

func (w *pageWriter) widths() {
	w.line("## Width against depth at equal images")
	w.line("The paper: deeper consistently outperforms wider; it gives no figures.")
	if !w.drawn["width-depth"] {
		w.line("Ours was not measured in this evaluation: add strategies such as `reflection+width8`.")
		return
	}
	rows := [][]string{w.budgetHeader("ours, width")}
	for _, a := range w.table.Strategies {
		if a.Kind == "reflection" && a.Verifier == "" && len(w.table.rows(a.Name)) > 0 {
			rows = append(rows, w.budgetRow(fmt.Sprint(a.Width), a.Name))
		}
	}
	w.grid(rows)
	w.figure("width-depth", "Width against depth at equal images")
}

func (w *pageWriter) costs() {
	w.line("## Cost of a prompt")
	w.line("The paper counts images only. Seconds are those of drawing and verifying, added up, on the machine that this was run on.")
	rows := [][]string{{"ours", "budget", "images", "denoising steps", "verifier calls", "seconds"}}
	for _, r := range w.table.contenders() {
		rows = append(rows, []string{
			r.Strategy, fmt.Sprint(r.Budget), fmt.Sprintf("%.1f", r.Cost.Images), fmt.Sprintf("%.0f", r.Cost.DenoiseSteps),
			fmt.Sprintf("%.1f", r.Cost.VerifierCalls), fmt.Sprintf("%.1f", r.Cost.Seconds),
		})
	}
	w.grid(rows)
}
