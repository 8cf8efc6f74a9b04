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

// Annotation is one line of a set's annotations.jsonl (GenRef-CoT, arXiv 2504.16080 §3):
// what an annotator said about a triplet, or why it said nothing.
type Annotation struct {
	Key       string `json:"key"` // of the triplet
	Annotator string `json:"annotator"`
	// FlawedFirst says in which order the pictures were shown. The annotator is not told
	// which is which.
	FlawedFirst bool `json:"flawed_first"`
	// Better is enhanced, flawed or neither; empty beside Skipped.
	Better       string           `json:"better,omitempty"`
	Differences  []PairDifference `json:"differences,omitempty"`
	Instructions []string         `json:"instructions,omitempty"` // for the worse picture
	// Skipped says in a phrase why there is no annotation, Detail more of it.
	Skipped string `json:"skipped,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// PairDifference is one thing in which a triplet's pictures differ.
type PairDifference struct {
	Category string `json:"category"` // one of [reflectionflow.DifferenceCategories]
	Flawed   string `json:"flawed"`
	Enhanced string `json:"enhanced"`
}

// What an annotation can say of which picture is better.
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

// annotationsName is the file of a set that holds its annotations.
const annotationsName = "annotations.jsonl"

// Bounds on a line of annotations.
const (
	maxAnnotation = 64 << 10
	maxDetail     = 500
)

// Annotations reads what annotators have said about the set, in the order in which it
// was said; nothing where the set is not annotated. A line that was cut off at the end is
// left out. A damaged line is an error wrapping [reflectionflow.ErrInvalid].
func (s *Set) Annotations() iter.Seq2[Annotation, error] {
	return func(yield func(Annotation, error) bool) {
		for line, err := range annotationLines(filepath.Join(s.dir, annotationsName)) {
			if !yield(line.Annotation, err) || err != nil {
				return
			}
		}
	}
}

// annotationLine is an annotation and where its line ends in the file.
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
	return a, a.check()
}

// annotationLog is annotations.jsonl, to which lines are added.
type annotationLog struct {
	file *os.File
	size int64 // of the whole lines
}

// openAnnotations opens the file of a folder, or makes it, and cuts off what is no whole
// line at its end. had is called with each annotation that is there.
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

// add writes lines and flushes them to the disk, or leaves the file as it was.
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
