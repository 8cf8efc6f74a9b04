package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"slices"

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// Role is what a worker does.
type Role string

// The roles. Reflect includes refining prompts.
const (
	Draw    Role = "draw"
	Verify  Role = "verify"
	Reflect Role = "reflect"
)

// Roles returns all roles.
func Roles() []Role { return []Role{Draw, Verify, Reflect} }

// task is a message: what to do, for one image. One of Draw, Verify, Reflect and Refine is
// set.
type task struct {
	ID  string `json:"id"`  // of this call
	Key string `json:"key"` // of what determines the answer
	To  string `json:"to"`  // the subject that is told when the answer is stored
	// Trace is the span that the task is for, see package tracing; empty without tracing.
	Trace string `json:"trace,omitempty"`
	// Sketches is set where the caller wants sketches of the image there: the milliseconds
	// between two.
	Sketches int64 `json:"sketches,omitempty"`
	question
}

// question is what determines the answer of a model.
type question struct {
	Draw    *reflectionflow.Request `json:"draw,omitempty"`
	Verify  *reflectionflow.Prompt  `json:"verify,omitempty"`
	Reflect *observation            `json:"reflect,omitempty"`
	Refine  *observation            `json:"refine,omitempty"`
	// Image is the hash of the image to look at, Reference that of the request's, and Others
	// those of its further ones.
	Image     string   `json:"image,omitempty"`
	Reference string   `json:"reference,omitempty"`
	Others    []string `json:"others,omitempty"`
}

// observation is an observation without its images, and without what its score cost.
type observation struct {
	Prompt     reflectionflow.Prompt  `json:"prompt"`
	Request    reflectionflow.Request `json:"request"`
	Score      reflectionflow.Score   `json:"score"`
	Reflection string                 `json:"reflection,omitempty"`
	Seed       uint64                 `json:"seed"`
}

func (q question) role() Role {
	switch {
	case q.Draw != nil:
		return Draw
	case q.Verify != nil:
		return Verify
	}
	return Reflect
}

// key is the hash of a model and a question.
func (q question) key(fingerprint string) (string, error) {
	data, err := json.Marshal(struct {
		Form        int      `json:"form"`
		Fingerprint string   `json:"fingerprint"`
		Question    question `json:"question"`
	}{1, fingerprint, q})
	if err != nil {
		return "", fmt.Errorf("%w: it cannot be sent to a worker: %v", reflectionflow.ErrInvalid, err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// readTask reads a message.
func readTask(data []byte) (task, error) {
	var t task
	if err := json.Unmarshal(data, &t); err != nil {
		return t, fmt.Errorf("read a task: %w", err)
	}
	set := 0
	for _, is := range []bool{t.Draw != nil, t.Verify != nil, t.Reflect != nil, t.Refine != nil} {
		if is {
			set++
		}
	}
	if set != 1 || !isHash(t.Key) || t.ID == "" || !t.namesImages() {
		return t, fmt.Errorf("read task %.64q: it is damaged, or of another version of the program", t.ID)
	}
	return t, nil
}

// namesImages reports whether the hashes of the images of a question are some.
func (q question) namesImages() bool {
	if len(q.Others) > 0 && q.Reference == "" || len(q.Others) >= reflectionflow.MaxReferences {
		return false
	}
	return (q.Image == "" || isHash(q.Image)) && (q.Reference == "" || isHash(q.Reference)) &&
		!slices.ContainsFunc(q.Others, func(hash string) bool { return !isHash(hash) })
}

func isHash(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}

// answer is the answer to a task as it is stored.
type answer struct {
	Image      string                     `json:"image,omitempty"` // hash of the generated image
	Unseeded   bool                       `json:"unseeded,omitempty"`
	Warnings   []string                   `json:"warnings,omitempty"`
	Score      *reflectionflow.Score      `json:"score,omitempty"`
	Reflection *reflectionflow.Reflection `json:"reflection,omitempty"`
	Refinement string                     `json:"refinement,omitempty"`
	Cost       reflectionflow.Cost        `json:"cost"`
	Seconds    float64                    `json:"seconds,omitempty"`
	Failure    *failure                   `json:"failure,omitempty"`
}

// cost is what the answer cost.
func (a answer) cost() reflectionflow.Cost {
	a.Cost.Seconds = a.Seconds
	return a.Cost
}

// priced sets what the answer cost.
func (a answer) priced(c reflectionflow.Cost) answer {
	a.Cost, a.Seconds = c, c.Seconds
	return a
}

// failure is an error of a worker.
type failure struct {
	Text      string `json:"text"`
	Invalid   bool   `json:"invalid,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
	// Call is set for an error of the whole call, not of the image alone.
	Call bool `json:"call,omitempty"`
	// Missing is set where an image of the question was not stored.
	Missing bool `json:"missing,omitempty"`
}

// failed is the answer for an error.
func failed(err error, call bool) answer {
	return answer{Failure: &failure{
		Text: err.Error(), Invalid: errors.Is(err, reflectionflow.ErrInvalid),
		Permanent: errors.Is(err, reflectionflow.ErrPermanent), Call: call,
	}}
}

// lasting reports whether the same question has this answer whoever asks it.
func (a answer) lasting() bool { return a.Failure == nil || a.Failure.Permanent && !a.Failure.Call }

// Error implements error.
func (f *failure) Error() string { return f.Text }

// Is implements the interface of [errors.Is].
func (f *failure) Is(target error) bool {
	return f.Invalid && target == reflectionflow.ErrInvalid || f.Permanent && target == reflectionflow.ErrPermanent //nolint:errorlint // it is what Is compares
}

// maxImageBytes bounds an image file: a 4096×4096 image of noise fits.
const maxImageBytes = 96 << 20

// encode returns an image as a PNG file and its hash.
func encode(img image.Image) (file []byte, hash string, err error) {
	b := img.Bounds()
	if b.Empty() || b.Dx() > reflectionflow.MaxSide || b.Dy() > reflectionflow.MaxSide {
		return nil, "", fmt.Errorf("%w: an image of %d×%d pixels: sides must be from 1 to %d", reflectionflow.ErrInvalid, b.Dx(), b.Dy(), reflectionflow.MaxSide)
	}
	if file, err = jobs.PNG(img); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(file)
	return file, hex.EncodeToString(sum[:]), nil
}

// decode is the reverse of encode.
func decode(file []byte) (image.Image, error) {
	size, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read a stored image: %w", err)
	}
	if size.Width > reflectionflow.MaxSide || size.Height > reflectionflow.MaxSide {
		return nil, fmt.Errorf("read a stored image: it has %d×%d pixels", size.Width, size.Height)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read a stored image: %w", err)
	}
	return img, nil
}
