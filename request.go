package reflectionflow

import (
	"fmt"
	"image"
	"slices"
)

// Request determines an image: the same request to the same generator gives the same
// pixels, whatever else is in the batch.
type Request struct {
	// Prompt describes the image. How it and Reflection become the text that a model
	// reads is the generator's own.
	Prompt string `json:"prompt"`
	// PooledPrompt is a shorter wording for the generators that also read the prompt as
	// a whole, such as FLUX.1; empty means Prompt.
	PooledPrompt string `json:"clip_prompt,omitempty"`
	// Seed chooses the starting noise: from 0 to [MaxSeed].
	Seed uint64 `json:"seed"`
	// Reference is the flawed image that the corrector starts from; nil generates
	// from noise alone. It is not part of the JSON form: a record names the parent
	// candidate.
	Reference image.Image `json:"-"`
	// Others are further images that the result takes from, for generators that take
	// several references; nil for none. They come after Reference, which must be there:
	// a text that says "the second image" means the first of them. They are not part of
	// the JSON form either.
	Others *Images `json:"-"`
	// Reflection says what is wrong with Reference and how to fix it.
	Reflection string `json:"reflection,omitempty"`
	// ReferenceCaption says what Reference shows, in the words of a prompt. A generator
	// with classifier-free guidance may use it as the negative prompt in place of the
	// empty one; others ignore it. It may be empty.
	ReferenceCaption string `json:"reference_caption,omitempty"`
	// Width and Height are in pixels, multiples of 16.
	Width  int `json:"width"`
	Height int `json:"height"`
	// Steps is the number of denoising steps.
	Steps int `json:"steps"`
	// Guidance is the guidance scale; each model defines what 1 means.
	Guidance float64 `json:"guidance"`
}

// Images is a list of images that does not change. Requests hold it as a pointer, so that
// they stay comparable.
type Images struct{ list []image.Image }

// NewImages returns a list of images, nil for none.
func NewImages(list ...image.Image) *Images {
	if len(list) == 0 {
		return nil
	}
	return &Images{slices.Clone(list)}
}

// All returns the images; the list may be nil.
func (i *Images) All() []image.Image {
	if i == nil {
		return nil
	}
	return slices.Clone(i.list)
}

// References returns Reference and Others, nil without any.
func (r Request) References() []image.Image {
	if r.Reference == nil {
		return nil
	}
	return append([]image.Image{r.Reference}, r.Others.All()...)
}

// MaxReferences bounds the references of a request.
const MaxReferences = 10

// ReflectionMark separates prompt and reflection in the text of correctors that were
// trained as ReflectionFlow's (train_flux). To other models it is noise: a generator
// writes it only for such a corrector, and a reflector never.
const ReflectionMark = " [Reflexion] "

// MaxSeed is the largest seed that is written to a file. Most readers of JSON hold an
// integer in 64 bits with a sign; Hugging Face datasets refuses a larger one.
const MaxSeed = 1<<63 - 1

// Bounds on a request, against mistakes and hostile input.
const (
	MaxSide  = 4096 // pixels
	MaxSteps = 1000
)

// nearestSide is the nearest side that an image can have; the larger of two.
func nearestSide(side int) int {
	return min(max((side+8)/16*16, 16), MaxSide)
}

// CheckReferences is [Request.Validate] for a generator that takes at most so many
// reference images: more are an error wrapping [ErrInvalid], and never left out.
func (r Request) CheckReferences(most int) error {
	if n := len(r.References()); n > most && most > 0 {
		return fmt.Errorf("%w: %d reference images, and the generator takes at most %d", ErrInvalid, n, most)
	}
	return r.Validate()
}

// Validate reports a request that no generator can serve, as an error wrapping
// [ErrInvalid].
func (r Request) Validate() error {
	if err := (Prompt{Text: r.Prompt}).Validate(); err != nil {
		return err
	}
	for _, side := range []int{r.Width, r.Height} {
		if side < 16 || side > MaxSide || side%16 != 0 {
			return fmt.Errorf("%w: size %dx%d: sides must be multiples of 16 from 16 to %d: the nearest is %dx%d",
				ErrInvalid, r.Width, r.Height, MaxSide, nearestSide(r.Width), nearestSide(r.Height))
		}
	}
	switch {
	case r.Others != nil && r.Reference == nil:
		return fmt.Errorf("%w: further reference images without the first one", ErrInvalid)
	case len(r.References()) > MaxReferences:
		return fmt.Errorf("%w: %d reference images, at most %d are allowed", ErrInvalid, len(r.References()), MaxReferences)
	case slices.Contains(r.Others.All(), nil):
		return fmt.Errorf("%w: a further reference image is missing", ErrInvalid)
	case r.Steps < 1 || r.Steps > MaxSteps:
		return fmt.Errorf("%w: %d steps: must be from 1 to %d", ErrInvalid, r.Steps, MaxSteps)
	case !(r.Guidance >= 0 && r.Guidance <= 100):
		return fmt.Errorf("%w: guidance %v: must be from 0 to 100", ErrInvalid, r.Guidance)
	case len(r.Reflection) > MaxPromptBytes:
		return fmt.Errorf("%w: the reflection has %d bytes, at most %d are allowed", ErrInvalid, len(r.Reflection), MaxPromptBytes)
	case len(r.ReferenceCaption) > MaxPromptBytes:
		return fmt.Errorf("%w: the caption of the reference has %d bytes, at most %d are allowed", ErrInvalid, len(r.ReferenceCaption), MaxPromptBytes)
	}
	return nil
}
