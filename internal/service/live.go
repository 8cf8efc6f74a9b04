package service

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"strconv"
	"sync"
	"time"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/search"
)

// live is what those who watch a job are told of a candidate that is under way. It is not
// stored: the latest of each kind and candidate counts.
type live struct {
	Kind string `json:"kind"` // liveProgress or livePreview
	ID   int    `json:"id"`   // of the candidate
	// Of liveProgress.
	Stage      search.EventKind      `json:"stage,omitempty"` // planned or generated
	Parent     int                   `json:"parent,omitempty"`
	Action     reflectionflow.Action `json:"action,omitempty"`
	Reflection string                `json:"reflection,omitempty"`
	Total      int                   `json:"total,omitempty"` // candidates, at most; 0 where time alone bounds the search
	// Of livePreview: a JPEG file of at most reflectionflow.MaxSketchSide pixels a side.
	Step  int    `json:"step,omitempty"`
	Steps int    `json:"steps,omitempty"`
	Image []byte `json:"image,omitempty"`
}

// The kinds of live.
const (
	liveProgress = "progress"
	livePreview  = "preview"
)

const (
	sketchTime = 300 * time.Millisecond // between sketches of an image
	maxSketch  = 64 << 10               // bytes of a preview's file; larger ones are dropped
)

// reporter tells those who watch a job what its search is doing.
type reporter struct {
	run   *jobs.Run
	mutex sync.Mutex
	ids   map[string]int // candidates under way, by what determines their images
}

func newReporter(r *jobs.Run) *reporter { return &reporter{run: r, ids: map[string]int{}} }

// key names the request of a candidate under way. A correction without words of its own is
// of the job's image.
func (p *reporter) key(r reflectionflow.Request) string {
	reflection := r.Reflection
	if reflection == "" {
		reflection = p.run.Reflection
	}
	return strconv.FormatUint(r.Seed, 10) + "\x00" + r.Prompt + "\x00" + reflection
}

// notify receives the events of the search.
func (p *reporter) notify(e search.Event) {
	c := e.Candidate
	switch e.Kind {
	case search.Planned, search.Generated:
		p.mutex.Lock()
		if e.Kind == search.Planned {
			p.ids[p.key(c.Request)] = c.ID
		} else {
			delete(p.ids, p.key(c.Request))
		}
		p.mutex.Unlock()
		p.tell(live{Kind: liveProgress, ID: c.ID, Stage: e.Kind, Parent: c.Parent, Action: c.Action, Reflection: c.Request.Reflection, Total: e.Total})
	default: // the journal has it, or will
	}
}

// sketch receives the sketches of the generator.
func (p *reporter) sketch(s reflectionflow.Sketch) {
	p.mutex.Lock()
	id, known := p.ids[p.key(s.Request)]
	p.mutex.Unlock()
	var file bytes.Buffer
	if !known || jpeg.Encode(&file, s.Image, &jpeg.Options{Quality: 80}) != nil || file.Len() > maxSketch {
		return
	}
	p.tell(live{Kind: livePreview, ID: id, Step: s.Step, Steps: s.Request.Steps, Image: file.Bytes()})
}

func (p *reporter) tell(l live) {
	if data, err := json.Marshal(l); err == nil {
		p.run.Tell(data)
	}
}
