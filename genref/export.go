package genref

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/internal/disk"
)

// Format is the format of an export.
type Format string

// The formats.
const (
	// ShareGPT is LLaMA-Factory's format: the reflector answers a flawed image with a reflection.
	ShareGPT Format = "sharegpt"
	// TRL has the same content in TRL's columns messages and images.
	TRL Format = "trl"
	// Preferences is for verifiers: both images, and which is better. It has TRL's columns
	// prompt, chosen, rejected and images, and a CSV that the authors' reward trainer reads
	// (image1, image2, prompt, VQ).
	Preferences Format = "preferences"
)

// Formats lists the formats.
func Formats() []Format { return []Format{ShareGPT, TRL, Preferences} }

// ExportOptions sets what to export.
type ExportOptions struct {
	Sets   []*Set
	Out    string // folder
	Format Format
}

// ExportReport is the result of an export.
type ExportReport struct {
	Rows     map[clipart.Split]int
	Skipped  map[string]int // by reason
	Problems Problems       // damage of the sets that was skipped
}

// The reasons for which a triplet is not exported.
const (
	SkippedDisagreed = "triplets whose annotator does not find the enhanced image better"
	SkippedWordless  = "triplets without a reflection"
	SkippedLeak      = "triplets with an image of another split"
	SkippedRepeated  = "triplets that are exported already"
)

// Export writes the triplets of sets as training data for other models.
//
// Every row is in the split of its prompt ([clipart.SplitOf]). Two kinds of triplets are
// skipped: one with an image that is in another split already, so that no image leaks
// between splits, and one with the images and the prompt of an earlier triplet. If an
// annotation finds the enhanced image better, its instructions replace the reflection; if it
// does not, the triplet is skipped.
//
// The folder gets the images, a file of rows per split, and export.json with the number of
// rows and the checksums of the files, in this order. Each file is complete before it gets
// its name, and until then an earlier export stays complete. After an interruption the same
// call reads the sets again, reuses the images, and ends with byte-identical files.
//
// Errors wrap [reflectionflow.ErrInvalid] for an unknown format, for sets without a row to
// export, for a folder that another process writes to, and for a folder that is neither
// empty nor an export of the same format, which is replaced. notify may be nil; it is called
// with the number of rows.
func Export(ctx context.Context, e ExportOptions, notify func(rows int)) (report ExportReport, err error) {
	x := exporter{ExportOptions: e, splits: make(map[imageSum]clipart.Split), pairs: make(map[imageSum]bool), folders: make(map[string]bool), notify: notify}
	x.report.Rows, x.report.Skipped = make(map[clipart.Split]int), make(map[string]int)
	if !slices.Contains(Formats(), e.Format) {
		return x.report, fmt.Errorf("%w: unknown format %.40q: use sharegpt, trl or preferences", reflectionflow.ErrInvalid, e.Format)
	}
	claim, err := claimFolder(e.Out)
	if err != nil {
		return x.report, err
	}
	defer func() { err = errors.Join(err, claim.release()) }()
	if err := x.begin(); err != nil {
		return x.report, err
	}
	defer x.abandon()
	for _, set := range e.Sets {
		if err := x.set(ctx, set); err != nil {
			return x.report, err
		}
	}
	if x.rows == 0 {
		if x.fresh {
			_ = os.Remove(x.at(exportName)) // the folder can be used for another export
		}
		return x.report, fmt.Errorf("%w: there is nothing to export%s", reflectionflow.ErrInvalid, because(x.report.Skipped))
	}
	return x.report, x.finish()
}

type exporter struct {
	ExportOptions
	splits  map[imageSum]clipart.Split // of images
	pairs   map[imageSum]bool          // sums of triplets
	files   []*rowFile
	notify  func(int)
	report  ExportReport
	rows    int
	folders map[string]bool // folders that exist
	fresh   bool            // the folder had no export
}

// exportName is the file that marks a folder as an export.
const exportName = "export.json"

// exportMark is its content. Until the export is complete, it has a format only.
type exportMark struct {
	Format Format                `json:"format"`
	Rows   map[clipart.Split]int `json:"rows,omitempty"`
	Files  []exportFile          `json:"files,omitempty"` // files of rows
}

type exportFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// begin marks an empty folder, or checks that it has an export of the format.
func (x *exporter) begin() error {
	data, err := os.ReadFile(filepath.Join(x.Out, exportName))
	if err == nil {
		var was exportMark
		if json.Unmarshal(data, &was) != nil || was.Format != x.Format {
			return fmt.Errorf("%w: %s holds another export: use another folder", reflectionflow.ErrInvalid, x.Out)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("export: %w", err)
	}
	entries, err := os.ReadDir(x.Out)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, e := range entries {
		if e.Name() != exportName+disk.Temporary && e.Name() != disk.LockName {
			return fmt.Errorf("%w: %s has other files: use an empty folder", reflectionflow.ErrInvalid, x.Out)
		}
	}
	x.fresh = true
	return x.describe(exportName, exportMark{Format: x.Format})
}

// describe writes a JSON file into the folder.
func (x *exporter) describe(name string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = disk.WriteFile(filepath.Join(x.Out, name), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// set exports one set.
func (x *exporter) set(ctx context.Context, set *Set) error {
	annotations := annotationsByKey{ahead: make(map[string]Annotation)}
	annotations.next, annotations.stop = iter.Pull2(set.Annotations())
	defer annotations.stop()
	problems, err := set.Walk(ctx, func(s Sample) error {
		a, err := annotations.find(s.Key)
		if err != nil {
			return err
		}
		return x.triplet(s, a)
	})
	x.report.Problems.merge(problems)
	return err
}

// annotationsByKey finds annotations by key. They are nearly in the order of the triplets.
type annotationsByKey struct {
	next  func() (Annotation, error, bool)
	stop  func()
	ahead map[string]Annotation // read before their triplets
}

// find returns the annotation of a triplet, or a zero one.
func (a *annotationsByKey) find(key string) (Annotation, error) {
	for {
		if found, ok := a.ahead[key]; ok {
			delete(a.ahead, key)
			return found, nil
		}
		read, err, more := a.next()
		if err != nil || !more {
			return Annotation{}, err
		}
		a.ahead[read.Key] = read
	}
}

// triplet exports one triplet, or counts why it is skipped.
func (x *exporter) triplet(s Sample, a Annotation) error {
	words := plainText([]byte(s.Reflection))
	switch {
	case a.Better == BetterEnhanced:
		words = sentences(a.Instructions)
	case a.Better != "":
		x.report.Skipped[SkippedDisagreed]++
		return nil
	}
	if words == "" && x.Format != Preferences {
		x.report.Skipped[SkippedWordless]++
		return nil
	}
	if strings.TrimSpace(s.Prompt) == "" {
		x.report.Skipped[SkippedBadPrompt]++
		return nil
	}
	r := exportRow{Key: s.Key, Prompt: plainText([]byte(s.Prompt)), Words: words, FlawedFirst: flawedFirst(s.Key)}
	flawed, enhanced := x.imageOf("flawed", s.Flawed), x.imageOf("enhanced", s.Enhanced)
	shown := []exportImage{flawed}
	if r.Flawed = flawed.name; x.Format == Preferences {
		r.Enhanced, shown = enhanced.name, append(shown, enhanced)
	}
	for _, p := range shown {
		if err := p.check(); err != nil {
			x.report.Skipped[SkippedBadImage]++
			x.report.Problems.add(ProblemImage, "%.100s: %v", s.Key, err)
			return nil
		}
	}
	split := clipart.SplitOf(s.Prompt)
	switch {
	case x.exported(flawed.sum, enhanced.sum, r.Prompt):
		x.report.Skipped[SkippedRepeated]++
		return nil
	case x.leaks(flawed.sum, enhanced.sum, split):
		x.report.Skipped[SkippedLeak]++
		return nil
	}
	for _, p := range shown {
		if err := x.put(p); err != nil {
			return err
		}
	}
	if err := x.write(split, r); err != nil {
		return err
	}
	x.rows++
	x.report.Rows[split]++
	if x.notify != nil {
		x.notify(x.rows)
	}
	return nil
}

// exported reports whether a triplet was exported before, from any of the sets.
func (x *exporter) exported(flawed, enhanced imageSum, prompt string) bool {
	pair := sha256.Sum256(append(append(flawed[:], enhanced[:]...), prompt...))
	sum := imageSum(pair[:])
	was := x.pairs[sum]
	x.pairs[sum] = true
	return was
}

// leaks reports whether one of a triplet's images is in another split. If not, it records
// the split of both.
func (x *exporter) leaks(flawed, enhanced imageSum, split clipart.Split) bool {
	for _, sum := range []imageSum{flawed, enhanced} {
		if was, there := x.splits[sum]; there && was != split {
			return true
		}
	}
	x.splits[flawed], x.splits[enhanced] = split, split
	return false
}

// sentences joins instructions into sentences, with a capital first letter and a full stop.
func sentences(instructions []string) string {
	var list []string
	for _, text := range instructions {
		text = plainText([]byte(text))
		if text == "" {
			continue
		}
		text = strings.ToUpper(text[:1]) + text[1:]
		if !strings.ContainsAny(text[len(text)-1:], ".!?") {
			text += "."
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}
