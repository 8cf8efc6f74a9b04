package run

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"reflectionflow"
)

// maxCount is the largest count of a requirement.
const maxCount = 100

// checkRequirement reports a requirement that no parser could have written.
func checkRequirement(r reflectionflow.Requirement) error {
	least := 0
	switch r.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly:
		least = 1
	case reflectionflow.Absent:
	case reflectionflow.Position:
		relations := []reflectionflow.Relation{reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below}
		switch {
		case !slices.Contains(relations, r.Relation):
			return fmt.Errorf("%w: unknown relation %.40q", reflectionflow.ErrInvalid, r.Relation)
		case r.Target == "":
			return fmt.Errorf("%w: it has a relation and no target", reflectionflow.ErrInvalid)
		}
	default:
		return fmt.Errorf("%w: unknown kind %.40q", reflectionflow.ErrInvalid, r.Kind)
	}
	switch {
	case r.Count < least || r.Count > maxCount:
		return fmt.Errorf("%w: count %d: must be from %d to %d", reflectionflow.ErrInvalid, r.Count, least, maxCount)
	case r.Object == "":
		return fmt.Errorf("%w: it names no object", reflectionflow.ErrInvalid)
	}
	for _, name := range []string{r.Object, r.Color, r.Target, r.TargetColor} {
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
	for _, name := range []string{candidatesFile, bestFile, reportFile, resultFile, timingFile, elapsedFile} {
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
