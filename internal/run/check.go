package run

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"reflectionflow"
)

// checkRequirement reports a requirement that no parser could have written.
func checkRequirement(r reflectionflow.Requirement) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if !slices.Contains(reflectionflow.Kinds(), r.Kind) {
		return fmt.Errorf("%w: unknown kind %.40q", reflectionflow.ErrInvalid, r.Kind)
	}
	for _, name := range []string{r.Object, r.Color, string(r.Relation), r.Target, r.TargetColor, r.Second, r.Value, r.Words} {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// checkName reports a name that cannot be shown: one with control or format characters.
func checkName(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return fmt.Errorf("%w: %.60q has control characters", reflectionflow.ErrInvalid, name)
	}
	return nil
}

// checkPlaces reports what is in the place of the folder's files, or of images.
func (f *Folder) checkPlaces() error {
	for _, name := range []string{candidatesFile, bestFile, reportFile, resultFile, timingFile, elapsedFile, duelsFile} {
		if err := checkPlace(f.in(name)); err != nil {
			return err
		}
	}
	if info, err := os.Stat(f.in(imagesFolder)); err == nil && !info.IsDir() {
		return fmt.Errorf("%w: %s is a file, where the run keeps its images: move it away, then resume again", reflectionflow.ErrInvalid, f.in(imagesFolder))
	}
	return nil
}

// checkPlace reports a folder, pipe or the like in the place of a file. A file that is
// unreadable is reported on its use.
func checkPlace(path string) error {
	what := ""
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		what = "a folder"
	} else if err == nil && !info.Mode().IsRegular() {
		what = "no regular file"
	}
	if what == "" {
		return nil
	}
	return fmt.Errorf("%w: %s is %s, and the run writes a file of that name: move it away, then resume again", reflectionflow.ErrInvalid, path, what)
}
