package geneval

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Results holds the content of an evaluation's folder.
type Results struct {
	Dir      string
	Manifest Manifest
	Prompts  []Metadata
	Records  []Record
	Probes   []Probe // of some prompts, in any order; empty when there were none
	Usage    []Usage
	Unscored []Unscored // failed searches, repeated or not
	Judged   *Agreement // of the judge with the truth of rendered scenes; nil if unknown
}

// ReadResults reads the folder of an evaluation, finished or not. A folder that
// holds none, or one that is damaged, is an error wrapping
// [reflectionflow.ErrInvalid]; a last line that was cut off is ignored.
func ReadResults(dir string) (Results, error) {
	r := Results{Dir: dir}
	data, err := readBounded(filepath.Join(dir, manifestFile), maxManifestBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, invalid("%s holds no evaluation: there is no %s", dir, manifestFile)
	case err != nil:
		return r, placeError(dir, err)
	}
	if r.Manifest, err = parseManifest(data); err != nil {
		return r, fmt.Errorf("%s: %w", dir, err)
	}
	if err := r.read(); err != nil {
		return r, fmt.Errorf("%s: %w", dir, err)
	}
	return r, nil
}

func (r *Results) read() (err error) {
	if r.Prompts, err = readPrompts(filepath.Join(r.Dir, promptsFile)); err != nil {
		return err
	}
	if r.Records, _, err = readLines[Record](filepath.Join(r.Dir, resultsFile)); err != nil {
		return err
	}
	if _, _, err = r.Manifest.group(r.Records, r.Prompts); err != nil {
		return err
	}
	if r.Probes, _, err = readLines[Probe](filepath.Join(r.Dir, probesFile)); err != nil {
		return err
	}
	probed := make(map[int]bool)
	for _, p := range r.Probes {
		if p.Index >= len(r.Prompts) || probed[p.Index] {
			return invalid("%s has prompt %d of %d, or has it twice", probesFile, p.Index+1, len(r.Prompts))
		}
		probed[p.Index] = true
	}
	r.Usage, _, err = readLines[Usage](filepath.Join(r.Dir, usageFile))
	if err != nil {
		return err
	}
	if r.Unscored, _, err = readLines[Unscored](filepath.Join(r.Dir, unscoredFile)); err != nil {
		return err
	}
	r.Judged, err = readJudged(filepath.Join(r.Dir, summaryFile))
	return err
}

// readPrompts reads the prompts file of a folder.
func readPrompts(path string) ([]Metadata, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	list, err := ReadMetadata(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return list, nil
}

// Finished counts the searches that are recorded, and all that there are to be.
func (r Results) Finished() (done, total int) {
	groups, _, err := r.Manifest.group(r.Records, r.Prompts)
	if err != nil {
		return 0, 0 // ReadResults has refused it
	}
	for _, a := range r.Manifest.Strategies {
		total += len(a.searches(r.Manifest.Budgets)) * len(r.Prompts) * r.Manifest.Samples
	}
	return len(groups), total
}

// tags are those of the prompts, in order.
func (r Results) tags() []string {
	tags := make([]string, len(r.Prompts))
	for i, m := range r.Prompts {
		tags[i] = m.Tag
	}
	return tags
}

// levels are those of the prompts, in order; empty for a prompt that was not probed.
func (r Results) levels() []Level {
	levels := make([]Level, len(r.Prompts))
	for _, p := range r.Probes {
		levels[p.Index] = p.Level()
	}
	return levels
}

// collect is the share of correct answers, or the mean score of a suite, by prompt, NaN for a prompt without scored
// searches, the mean cost of a search, and whether every search is recorded or listed
// as unscored.
func (r Results) collect(strategy string, budget int) (values []float64, cost Spent, whole bool) {
	var total Spent
	count := 0
	values, scored := make([]float64, len(r.Prompts)), make([]int, len(r.Prompts))
	for _, rec := range r.Records {
		if rec.Strategy != strategy || rec.Budget != budget || rec.Pending {
			continue
		}
		values[rec.Index] += r.Prompts[rec.Index].valueOf(rec) / float64(r.Manifest.Samples)
		total = total.plus(rec.Cost)
		scored[rec.Index]++
		count++
	}
	for i, n := range scored {
		if n < r.Manifest.Samples {
			values[i] *= float64(r.Manifest.Samples) / float64(n) // 0/0 is NaN: nothing is known
		}
	}
	all := len(r.Prompts) * r.Manifest.Samples
	return values, total.over(float64(max(count, 1))), count > 0 && count+r.missingOf(strategy, budget) == all
}

// arm finds a strategy by its name.
func (m Manifest) arm(name string) (Arm, bool) {
	for _, a := range m.Strategies {
		if a.Name == name {
			return a, true
		}
	}
	return Arm{}, false
}
