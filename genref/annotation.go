package genref

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow"
)

// Annotation is one line of a set's annotations.jsonl (GenRef-CoT, arXiv 2504.16080 §3): an
// annotator's judgment of a triplet, or the reason why there is none.
type Annotation struct {
	Key       string `json:"key"` // key of the triplet
	Annotator string `json:"annotator"`
	// FlawedFirst is the order in which the images were shown. The annotator does not know
	// which image is meant to be the better one.
	FlawedFirst bool `json:"flawed_first"`
	// Better is enhanced, flawed or neither; empty if Skipped is set.
	Better       string           `json:"better,omitempty"`
	Differences  []PairDifference `json:"differences,omitempty"`
	Instructions []string         `json:"instructions,omitempty"` // how to fix the worse image
	// Skipped is the reason why there is no judgment, Detail a text for people.
	Skipped string `json:"skipped,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// PairDifference is one difference between the images of a triplet.
type PairDifference struct {
	Category string `json:"category"` // one of [reflectionflow.DifferenceCategories]
	Flawed   string `json:"flawed"`
	Enhanced string `json:"enhanced"`
}

// The values of [Annotation.Better].
const (
	BetterEnhanced = "enhanced"
	BetterFlawed   = "flawed"
	BetterNeither  = "neither"
)

func (a Annotation) check() error {
	switch {
	case a.Key == "" || a.Annotator == "":
		return errors.New("key or annotator is missing")
	case (a.Better == "") == (a.Skipped == ""):
		return errors.New("it must have one of better and skipped")
	case a.Better != "" && !slices.Contains([]string{BetterEnhanced, BetterFlawed, BetterNeither}, a.Better):
		return fmt.Errorf("better is %.40q", a.Better)
	}
	return nil
}

// annotationsName is the file of a set with its annotations.
const annotationsName = "annotations.jsonl"

// Bounds on a line of annotations.
const (
	maxAnnotation = 64 << 10
	maxDetail     = 500
)

// Annotations returns the annotations of the set in the order in which they were written;
// none if the set is not annotated. An incomplete last line is ignored. A damaged line is
// an error wrapping [reflectionflow.ErrInvalid].
func (s *Set) Annotations() iter.Seq2[Annotation, error] {
	return func(yield func(Annotation, error) bool) {
		for line, err := range annotationLines(filepath.Join(s.dir, annotationsName)) {
			if !yield(line.Annotation, err) || err != nil {
				return
			}
		}
	}
}

// annotationLine is an annotation and the offset in bytes at which its line ends.
type annotationLine struct {
	Annotation
	end int64
}

func annotationLines(path string) iter.Seq2[annotationLine, error] {
	return func(yield func(annotationLine, error) bool) {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(annotationLine{}, fmt.Errorf("read annotations: %w", err))
			return
		}
		defer file.Close()
		reader := bufio.NewReaderSize(file, maxAnnotation)
		var line annotationLine
		for n := 1; ; n++ {
			data, err := reader.ReadSlice('\n')
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.Is(err, bufio.ErrBufferFull):
				err = fmt.Errorf("longer than %d bytes", maxAnnotation)
			case err != nil:
				yield(line, fmt.Errorf("read annotations: %w", err))
				return
			default:
				line.end += int64(len(data))
				line.Annotation, err = parseAnnotation(data)
			}
			if err != nil {
				err = fmt.Errorf("%w: %s, line %d is damaged: %v", reflectionflow.ErrInvalid, annotationsName, n, err)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

func parseAnnotation(data []byte) (Annotation, error) {
	var a Annotation
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return a, err
	}
	a.Skipped = currentReason(a.Skipped)
	return a, a.check()
}

// annotationLog appends to annotations.jsonl.
type annotationLog struct {
	file *os.File
	size int64 // bytes of complete lines
}

// openAnnotations opens or creates the file of a folder and removes an incomplete last line.
// It calls had with each annotation in the file.
func openAnnotations(dir string, had func(Annotation) error) (*annotationLog, error) {
	path := filepath.Join(dir, annotationsName)
	var log annotationLog
	for line, err := range annotationLines(path) {
		if err == nil {
			log.size = line.end
			err = had(line.Annotation)
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	if log.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		return nil, fmt.Errorf("open annotations: %w", err)
	}
	if err := log.file.Truncate(log.size); err != nil {
		return nil, errors.Join(fmt.Errorf("open annotations: %w", err), log.file.Close())
	}
	return &log, nil
}

// add appends lines and flushes them to disk. On failure the file is left unchanged.
func (l *annotationLog) add(list []Annotation) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, a := range list {
		if err := encoder.Encode(a); err != nil {
			return fmt.Errorf("encode an annotation: %w", err)
		}
	}
	_, err := l.file.Write(b.Bytes())
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write annotations: %w", err), l.file.Truncate(l.size))
	}
	l.size += int64(b.Len())
	return nil
}

func (l *annotationLog) close() error { return l.file.Close() }
