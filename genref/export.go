package genref

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
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

// Format is what an export is for.
type Format string

// The formats.
const (
	// ShareGPT is LLaMA-Factory's: the reflector answers a flawed picture with what to do.
	ShareGPT Format = "sharegpt"
	// TRL is the same in TRL's columns messages and images.
	TRL Format = "trl"
	// Preferences is for verifiers: both pictures, and which is better. It is TRL's
	// columns prompt, chosen, rejected and images, and beside it the CSV that the authors'
	// reward trainer reads (image1, image2, prompt, VQ).
	Preferences Format = "preferences"
)

// Formats lists the formats.
func Formats() []Format { return []Format{ShareGPT, TRL, Preferences} }

// Exporting says what to export.
type Exporting struct {
	Sets   []*Set
	Out    string // folder
	Format Format
}

// ExportReport is what came of an export.
type ExportReport struct {
	Rows     map[clipart.Split]int
	Skipped  map[string]int // by reason
	Problems Problems       // what of the sets was passed over
}

// The reasons for which a triplet is not exported.
const (
	SkippedDisagreed = "triplets whose annotator does not find the enhanced picture better"
	SkippedWordless  = "triplets without a reflection"
	SkippedLeak      = "triplets with a picture of another split"
)

// Export writes the triplets of sets for the tuning of other models. Every row goes by
// its prompt into train, validation or test ([clipart.SplitOf]); a triplet with a picture
// that was in another split before is left out, so that nothing leaks between them. The
// instructions of an annotation that finds the enhanced picture better take the place of
// the reflection; a triplet with one that does not is left out.
//
// The folder gets a file a split, the pictures, and export.json. It must be empty, or
// hold an export of the same kind, which is made anew. notify may be nil; it is called
// with the number of rows.
func Export(ctx context.Context, e Exporting, notify func(rows int)) (ExportReport, error) {
	x := exporter{Exporting: e, seed: maphash.MakeSeed(), splits: make(map[uint64]clipart.Split), notify: notify}
	x.report.Rows, x.report.Skipped = make(map[clipart.Split]int), make(map[string]int)
	if !slices.Contains(Formats(), e.Format) {
		return x.report, fmt.Errorf("%w: there is no format %.40q: use sharegpt, trl or preferences", reflectionflow.ErrInvalid, e.Format)
	}
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
		return x.report, fmt.Errorf("%w: there is nothing to export%s", reflectionflow.ErrInvalid, because(x.report.Skipped))
	}
	return x.report, x.finish()
}

type exporter struct {
	Exporting
	seed    maphash.Seed
	splits  map[uint64]clipart.Split // of pictures, by their bytes' hash
	files   []*rowFile
	notify  func(int)
	report  ExportReport
	rows    int
	folders map[string]bool // that were made
}

// exportName is the file that marks a folder as an export.
const exportName = "export.json"

// begin makes the folder fit to be written to.
func (x *exporter) begin() error {
	if err := os.MkdirAll(x.Out, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	mark, err := json.Marshal(map[string]any{"format": x.Format})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	mark = append(mark, '\n')
	data, err := os.ReadFile(filepath.Join(x.Out, exportName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		entries, err := os.ReadDir(x.Out)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		for _, e := range entries {
			if e.Name() != exportName+disk.Temporary {
				return fmt.Errorf("%w: %s holds files that are no export: use an empty folder", reflectionflow.ErrInvalid, x.Out)
			}
		}
	case err != nil:
		return fmt.Errorf("export: %w", err)
	case !bytes.Equal(data, mark):
		return fmt.Errorf("%w: %s holds another export: use another folder", reflectionflow.ErrInvalid, x.Out)
	}
	if err := disk.WriteFile(filepath.Join(x.Out, exportName), mark); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, split := range []clipart.Split{clipart.Train, clipart.Validation, clipart.Test} {
		for _, ending := range []string{".jsonl", ".csv"} { // of the export before
			if err := os.Remove(filepath.Join(x.Out, string(split)+ending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("export: %w", err)
			}
		}
	}
	x.folders = make(map[string]bool)
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

// annotationsByKey finds annotations, which stand nearly in the order of the triplets.
type annotationsByKey struct {
	next  func() (Annotation, error, bool)
	stop  func()
	ahead map[string]Annotation // read before their triplets
}

// find is the annotation of a triplet, a zero one for none.
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

// triplet exports one triplet, or counts why not.
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
	if _, _, err := s.decoded(); err != nil {
		x.report.Skipped[SkippedBadPicture]++
		x.report.Problems.add(ProblemPicture, "%.100s: %v", s.Key, err)
		return nil
	}
	split := clipart.SplitOf(s.Prompt)
	if x.leaks(s, split) {
		x.report.Skipped[SkippedLeak]++
		return nil
	}
	r := exportRow{Key: s.Key, Prompt: plainText([]byte(s.Prompt)), Words: words, FlawedFirst: flawedFirst(s.Key)}
	var err error
	if r.Flawed, err = x.picture("flawed", s.Flawed); err != nil {
		return err
	}
	if x.Format == Preferences {
		if r.Enhanced, err = x.picture("enhanced", s.Enhanced); err != nil {
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

// leaks reports whether a picture was in another split before, and else notes where both
// are now.
func (x *exporter) leaks(s Sample, split clipart.Split) bool {
	hashes := [2]uint64{maphash.Bytes(x.seed, s.Flawed), maphash.Bytes(x.seed, s.Enhanced)}
	for _, h := range hashes {
		if was, there := x.splits[h]; there && was != split {
			return true
		}
	}
	for _, h := range hashes {
		x.splits[h] = split
	}
	return false
}

// picturesAFolder bounds the files of one folder.
const picturesAFolder = 1000

// picture writes a picture of the next row and returns its path within the folder.
func (x *exporter) picture(what string, data []byte) (string, error) {
	folder := fmt.Sprintf("images/%04d", x.rows/picturesAFolder)
	if !x.folders[folder] {
		if err := os.MkdirAll(filepath.Join(x.Out, filepath.FromSlash(folder)), 0o755); err != nil {
			return "", fmt.Errorf("export: %w", err)
		}
		x.folders[folder] = true
	}
	name := fmt.Sprintf("%s/%07d-%s.jpg", folder, x.rows, what)
	if err := disk.WriteFile(filepath.Join(x.Out, filepath.FromSlash(name)), data); err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	return name, nil
}

// sentences joins instructions: each begins with a capital and ends with a stop.
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
