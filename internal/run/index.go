package run

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path/filepath"
	"time"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

//go:embed index.html.tmpl
var indexTemplate string

//go:embed index.css
var indexStyle string

// indexFile is a page over the runs of a batch folder.
const indexFile = "index.html"

// index is the data of the index's template.
type index struct {
	Style    template.CSS
	Headline string
	Costs    []figure
	Runs     []indexRun
	Facts    string
}

type indexRun struct {
	Folder     string // as a relative URL
	Prompt     string
	Finished   bool
	Image      bool // there is a best image
	Score      string
	Met, Asked int
	AllMet     bool
	Images     int
}

// WriteIndex writes index.html into the batch folder dir: every run with its prompt,
// best image and score, and a link to its report, and timing.js with the elapsed time. It reads the runs' files, which other
// processes may be adding to. A folder that is no batch is left alone.
func WriteIndex(dir string) error {
	b, err := readBatch(dir)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	page := index{Style: template.CSS(sharedStyle + indexStyle)} //nolint:gosec // embedded in the program
	var total reflectionflow.Cost
	finished, right := 0, 0
	var elapsed time.Duration // the runs share it
	for _, name := range b.Runs {
		f, err := peek(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && b.Manifests != nil {
			continue // it is still to be created
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		r := f.indexRun(name)
		total = total.Add(f.cost())
		_, spent := f.loadTiming()
		elapsed = max(elapsed, spent)
		if r.Finished {
			finished++
		}
		if r.AllMet {
			right++
		}
		page.Runs = append(page.Runs, r)
		page.Facts = "Model " + f.modelName() + ", version " + f.manifest.Program + ". Scores and verdicts are those of the verifier that guided the search."
	}
	page.Headline = fmt.Sprintf("%d of %d met every requirement.", right, len(b.Runs))
	if finished < len(b.Runs) {
		page.Headline += fmt.Sprintf(" %d not finished.", len(b.Runs)-finished)
	}
	page.Costs = costs(total)
	data, err := render(indexTemplate, page)
	if err != nil {
		return fmt.Errorf("write index.html: %w", err)
	}
	for _, name := range []string{elapsedFile, indexFile} {
		if err := checkPlace(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := disk.WriteFile(filepath.Join(dir, elapsedFile), []byte(elapsedScript(elapsed))); err != nil {
		return err
	}
	return disk.WriteFile(filepath.Join(dir, indexFile), data)
}

// peek reads a run folder without taking its lock, and without its images.
func peek(dir string) (*Folder, error) {
	data, err := readBounded(filepath.Join(dir, manifestFile), maxManifestBytes)
	if err != nil {
		return nil, err
	}
	f := &Folder{path: dir}
	if f.manifest, err = parseManifest(data); err != nil {
		return nil, err
	}
	if data, err = readBounded(f.in(candidatesFile), maxCandidates*maxLineBytes); err != nil {
		return nil, err
	}
	if f.entries, _, err = parseEntries(data); err != nil {
		return nil, err
	}
	f.outcome, err = f.loadOutcome()
	return f, err
}

func (f *Folder) indexRun(name string) indexRun {
	r := indexRun{Folder: url.PathEscape(name), Prompt: f.manifest.userPrompt(), Images: f.cost().Images}
	if f.outcome == nil {
		return r
	}
	r.Finished, r.Image = true, f.outcome.Best >= 0
	r.Score = fmt.Sprintf("%.3f", f.outcome.Score.Value)
	r.Met, r.Asked, r.AllMet = met(f.outcome.Score), len(f.outcome.Score.Requirements), f.outcome.Score.Right()
	return r
}
