package geneval

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"sync"

	"reflectionflow"
)

// Case is an image to be judged, with what it must show.
type Case struct {
	Metadata Metadata
	Image    image.Image
}

// Judgment is a judge's verdict on one image.
type Judgment struct {
	Result
	// Objects are the detections that counted, of a judge that detects.
	Objects []reflectionflow.Object
	// Probabilities are those of the expected answers to the questions of
	// [Metadata.Questions], in their order, of a judge that asks.
	Probabilities []float64
	// Floored counts the expected answers that no token had, which count as
	// [chat.LeastProbability].
	Floored int
	Cost    reflectionflow.Cost
	// Details is the JSON text of the record; empty for "{}".
	Details string
	// Pending is set where the verdict comes later, from another program.
	Pending bool
}

// Judge decides whether images show what their prompts ask for.
//
// Judge returns one judgment per case, in order, which depends on its own case alone.
// When ctx ends it returns ctx.Err() soon. An error is of the whole call; a case that
// the judge can never decide wraps [reflectionflow.ErrInvalid]. A judge may be called by
// one goroutine at a time; see [Shared].
type Judge interface {
	Judge(ctx context.Context, cases []Case) ([]Judgment, error)
}

// ByRules is the judge that applies GenEval's rules ([Evaluate]) to the objects that a
// detector finds, with the detector's own thresholds (see [ThresholdsOf]).
func ByRules(d Detector) Judge {
	return byRules{func(ctx context.Context, cases []Case) ([][]reflectionflow.Object, error) {
		images := make([]image.Image, len(cases))
		for i, c := range cases {
			images[i] = c.Image
		}
		return d.Detect(ctx, images)
	}, ThresholdsOf(d)}
}

// Searcher is a detector that looks for what each image must and must not show, and for
// nothing else. The rules are those of [Detector].
type Searcher interface {
	Search(ctx context.Context, cases []Case) ([][]reflectionflow.Object, error)
}

// BySearch is [ByRules] for a detector that has to be told what to look for.
func BySearch(s Searcher, t Thresholds) Judge { return byRules{s.Search, t} }

type byRules struct {
	find       func(ctx context.Context, cases []Case) ([][]reflectionflow.Object, error)
	thresholds Thresholds
}

// Thresholds implements [Calibrated].
func (j byRules) Thresholds() Thresholds { return j.thresholds }

// Judge implements [Judge].
func (j byRules) Judge(ctx context.Context, cases []Case) ([]Judgment, error) {
	found, err := j.find(ctx, cases)
	if err != nil {
		return nil, err
	}
	if len(found) != len(cases) {
		return nil, fmt.Errorf("the judge returned %d lists of objects for %d images", len(found), len(cases))
	}
	judgments := make([]Judgment, len(cases))
	for i, c := range cases {
		if err := Detectable(c.Metadata); err != nil {
			return nil, err
		}
		size := c.Image.Bounds().Size()
		judgments[i].Result = Evaluate(c.Metadata, j.thresholds, size, found[i])
		judgments[i].Objects = j.thresholds.counted(c.Metadata.Tag, found[i])
		if judgments[i].Details, err = details(size, judgments[i].Objects); err != nil {
			return nil, err
		}
	}
	return judgments, nil
}

// details states the detections that counted as GenEval's results.jsonl does.
func details(size image.Point, objects []reflectionflow.Object) (string, error) {
	boxes := make(map[string][][5]float64)
	width, height := float64(size.X), float64(size.Y)
	for _, o := range objects {
		boxes[o.Class] = append(boxes[o.Class], [5]float64{o.Box[0] * width, o.Box[1] * height, o.Box[2] * width, o.Box[3] * height, o.Confidence})
	}
	data, err := json.Marshal(boxes) // map keys come out sorted
	if err != nil {
		return "", fmt.Errorf("encode detections: %w", err)
	}
	return string(data), nil
}

// Later is the judge of images that another program judges: see [Results.WithVerdicts].
type Later struct{}

// Judge implements [Judge]: all verdicts are pending.
func (Later) Judge(ctx context.Context, cases []Case) ([]Judgment, error) {
	judgments := make([]Judgment, len(cases))
	for i := range judgments {
		judgments[i] = Judgment{Result: Result{Reason: "not judged yet"}, Pending: true}
	}
	return judgments, ctx.Err()
}

// Shared lets several goroutines share a judge.
func Shared(judge Judge) Judge { return &shared{judge: judge} }

type shared struct {
	mu    sync.Mutex
	judge Judge
}

// Judge implements [Judge].
func (s *shared) Judge(ctx context.Context, cases []Case) ([]Judgment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return judgeAll(ctx, s.judge, cases)
}

// judgeAll calls the judge and checks the number of its judgments.
func judgeAll(ctx context.Context, judge Judge, cases []Case) ([]Judgment, error) {
	judgments, err := judge.Judge(ctx, cases)
	if err == nil && len(judgments) != len(cases) {
		err = fmt.Errorf("the judge returned %d judgments for %d images", len(judgments), len(cases))
	}
	return judgments, err
}
