package geneval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The marks around the notes, which are kept when a page is written again.
const (
	notesBegin = "<!-- notes: written by hand, kept -->"
	notesEnd   = "<!-- end of notes -->"
)

const maxPageBytes = 1 << 20

// WritePage writes the results page: the paper's tables and figures with ours in the
// same layout, and the claims that agree. The figures go into the folder images next
// to the page. Notes in an existing page are kept. command is the command that made
// the results.
func (r Results) WritePage(path, command string) error {
	notes, err := readNotes(path)
	if err != nil {
		return err
	}
	s := r.Summarize()
	if len(s.Rows) == 0 {
		return r.errUnfinished()
	}
	figures, err := r.figures(s)
	if err != nil {
		return err
	}
	f := &folder{path: filepath.Dir(path)}
	if err := os.MkdirAll(f.in("images"), 0o755); err != nil {
		return placeError(f.path, err)
	}
	others, err := r.others()
	if err != nil {
		return err
	}
	rendered := make(map[string]bool)
	figures, short := shortPage(figures)
	for _, fig := range figures {
		rendered[fig.Name] = true
		if err := f.write(pageImage(path, fig.Name+".svg"), fig.SVG); err != nil {
			return err
		}
	}
	if !short {
		sheet, err := r.judgeSheet()
		if err != nil {
			return err
		}
		if err := f.write(pageImage(path, judgeSheetName+".png"), sheet); err != nil {
			return err
		}
	}
	w := &pageWriter{results: r, table: table{r.Manifest, s}, rendered: rendered, others: others, path: path}
	w.write(command)
	w.line("%s", notesBegin+"\n"+notes+"\n"+notesEnd)
	return f.write(filepath.Base(path), []byte(w.b.String()))
}

// errUnfinished is the error for an evaluation without a finished row.
func (r Results) errUnfinished() error {
	if slices.ContainsFunc(r.Records, func(rec Record) bool { return rec.Pending }) {
		return invalid("%s: the images are not judged yet: let GenEval's scorer judge the folders STRATEGY-BUDGET and give its results.jsonl to: evaluate report --verdicts", r.Dir)
	}
	return invalid("%s: no strategy is finished at any budget yet: resume with evaluate", r.Dir)
}

// readNotes returns the notes of an existing page, empty where there is none.
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
		return "", invalid("%s is not a results page (it has no marks for notes) and would be overwritten: choose another file", path)
	}
	return strings.TrimSpace(notes), nil
}

// pageImage is the path of an image of the page, relative to the page's folder.
func pageImage(page, name string) string {
	base := strings.TrimSuffix(filepath.Base(page), filepath.Ext(page))
	return "images/" + base + "-" + name
}

type pageWriter struct {
	results  Results
	table    table
	rendered map[string]bool
	others   []otherJudge
	path     string // of the page
	b        strings.Builder
}

func (w *pageWriter) line(format string, args ...any) {
	_, _ = fmt.Fprintf(&w.b, format+"\n\n", args...)
}

// ofTasks returns the first text where the evaluation has tasks of GenEval, else the second.
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
	if w.rendered[name] {
		w.line("![%s](%s)", title, pageImage(w.path, name+".svg"))
	}
}

func (w *pageWriter) grid(rows [][]string) {
	writeTable(&w.b, rows)
	w.b.WriteByte('\n')
}

func (w *pageWriter) write(command string) {
	if w.rendered["accuracy"] {
		w.writeAccuracy(command)
		return
	}
	w.line("# Results on %s", w.ofTasks("GenEval's tasks", "compound prompts"))
	w.line("The paper's tables and figures (FLUX.1-dev on GenEval's 553 prompts) and, in the same layout, ours: the embedded model on %s %s, scored by a judge that no search uses. Scores are the percentage of prompts that are right; the overall score is the mean of the tasks, as in GenEval. Intervals are 95%%: Bayesian bootstraps over prompts, melded over tasks, with half a prompt that was not seen, so that six of six right are no certainty; simulations show that they hold the truth in 93%% of cases or more. Comparisons are paired by prompt, and verdicts within a table are corrected for their number (Holm). Compare the order of the methods, not the numbers: models and prompts differ.", w.prompts(), w.ofTasks("of the same six tasks", "that compound GenEval's tasks"))
	w.line("`%s` writes this page; only the notes at its end are written by hand.", command)
	w.points(append(w.table.sum.facts(), w.judges()...))
	if done, total := w.results.Finished(); done < total {
		w.line("**The evaluation is not finished: %d of %d searches. Incomplete rows are left out.**", done, total)
	}
	w.baseline()
	w.claims()
	w.scores()
	w.seenRows()
	w.budgets()
	w.verifiers()
	w.levels()
	w.widths()
	w.costs()
	for _, o := range w.others {
		w.line("## By another judge: %s", o.Judge)
		w.line("%s", strings.TrimSpace(o.Markdown(w.results)))
	}
	w.line("## What the judge saw")
	w.line("Images of every task with the judge's detections, as many right as wrong ones (framed), sampled evenly over the prompts: use them to check the judge by eye.")
	w.line("![What the judge saw](%s)", pageImage(w.path, judgeSheetName+".png"))
	w.line("## Notes")
}

func (w *pageWriter) claims() {
	w.line("## What agrees and what does not")
	w.line("A row is above another where the difference is significant among all claims (Holm), and reaches it where the interval of their difference does not go below −1.5 points.")
	rows := [][]string{{"claim", "the paper", "ours", "verdict"}}
	for _, c := range w.results.claims(w.table) {
		rows = append(rows, []string{c.Text, c.Paper, c.Ours, c.Verdict})
	}
	w.grid(rows)
	w.points(w.reasons())
}

// reasons say what limits our results, as far as it was measured.
func (w *pageWriter) reasons() []string {
	var list []string
	s := w.table.sum
	if v := s.Verify; v != nil && v.Pairs > 0 {
		list = append(list, fmt.Sprintf("Choosing: of a right and a wrong image that the base generated for one prompt, the verifier prefers the right one in %.0f%% of %d pairs (chance is 50%%).", 100*v.Rate, v.Pairs))
	}
	oracle, there := w.table.row("reflection+oracle", w.table.largest())
	plain, than := w.table.row("reflection", w.table.largest())
	if there && than {
		list = append(list, fmt.Sprintf("With a verifier that never errs, reflection scores %s instead of %s: this difference is due to the verifier, the remaining %.1f points to the generator.", percent(oracle.Overall), percent(plain.Overall), 100-100*oracle.Overall))
	}
	if len(s.Levels) > 0 {
		list = append(list, fmt.Sprintf("For the base, %d prompts are easy, %d medium and %d hard: more than two thirds, one to two thirds, or less than one third of its images are right.", s.Levels[Easy], s.Levels[Medium], s.Levels[Hard]))
	}
	return list
}

// scores are Table 1.
func (w *pageWriter) scores() {
	w.line("## By task")
	w.paperScores()
	tags := w.table.sum.tags()
	rows := [][]string{append([]string{"ours", "images per prompt", "overall (95%)"}, tags...)}
	for i, r := range w.table.contenders() {
		name := r.Strategy
		if i == 0 && r.Budget == 1 {
			name = "base"
		}
		line := []string{name, fmt.Sprint(r.Budget), interval(r) + w.also(r.Strategy, r.Budget)}
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
	rows := [][]string{append([]string{"the paper", "images per prompt", "overall"}, Tags()...)}
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
	w.line("## Score against images per prompt")
	w.curves("the paper", paperCurves)
	rows := [][]string{w.budgetHeader("ours")}
	for _, a := range w.table.plains() {
		rows = append(rows, w.budgetRow(a.Name, a.Name))
	}
	w.grid(rows)
	w.figure("score-images", "Score against images per prompt")
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
	for _, budget := range w.table.Budgets {
		cell := "–"
		if r, ok := w.table.row(strategy, budget); ok {
			cell = interval(r) + w.also(strategy, budget)
		}
		line = append(line, cell)
	}
	return line
}

func (w *pageWriter) verifiers() {
	w.line("## Choice of the verifier")
	w.curves("the paper, reflection by", paperVerifiers)
	if !w.rendered["verifiers"] {
		w.line("Ours was not measured in this evaluation: add strategies such as `reflection+oracle`.")
		return
	}
	rows := [][]string{w.budgetHeader("ours, reflection by")}
	for _, a := range w.table.Strategies {
		if plain, ok := w.table.arm("reflection"); ok && len(w.table.rows(a.Name)) > 0 && a.Kind == "reflection" && a.Errors == nil && a.Width == plain.Width {
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
	if w.rendered["difficulty"] {
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
	if !w.rendered["width-depth"] {
		w.line("Ours was not measured in this evaluation: add strategies such as `reflection+width8`.")
		return
	}
	rows := [][]string{w.budgetHeader("ours, width")}
	for _, a := range w.table.Strategies {
		if a.Kind == "reflection" && a.Verifier == "" && a.Errors == nil && len(w.table.rows(a.Name)) > 0 {
			rows = append(rows, w.budgetRow(fmt.Sprint(a.Width), a.Name))
		}
	}
	w.grid(rows)
	w.figure("width-depth", "Width against depth at equal images")
}

func (w *pageWriter) costs() {
	w.line("## Cost per prompt")
	w.line("The paper counts images only. Seconds are the sum of generating and verifying, on the machine of this evaluation.")
	header := []string{"ours", "budget", "images", "denoising steps", "verifier calls", "seconds"}
	if w.table.sum.priced() {
		header = append(header, "USD")
	}
	rows := [][]string{header}
	for _, r := range w.table.contenders() {
		line := []string{
			r.Strategy, fmt.Sprint(r.Budget), fmt.Sprintf("%.1f", r.Cost.Images), fmt.Sprintf("%.0f", r.Cost.DenoiseSteps),
			fmt.Sprintf("%.1f", r.Cost.VerifierCalls), fmt.Sprintf("%.1f", r.Cost.Seconds),
		}
		if w.table.sum.priced() {
			line = append(line, fmt.Sprintf("%.4f", r.Cost.Money))
		}
		rows = append(rows, line)
	}
	w.grid(rows)
}
