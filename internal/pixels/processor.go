package pixels

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"

	"reflectionflow"
)

// Files of a Hugging Face folder that describe an image processor.
const (
	File          = "preprocessor_config.json"
	processorFile = "processor_config.json" // newer: under the key image_processor
)

// maxSide bounds the sides of what a network reads.
const maxSide = 1 << 12

// Size is a size in its forms: a number, {"shortest_edge"} or {"height", "width"}.
type Size struct {
	Shortest      int
	Height, Width int
}

// UnmarshalJSON reads one of the forms.
func (s *Size) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] != '{' {
		*s = Size{}
		return json.Unmarshal(text, &s.Shortest)
	}
	var j struct {
		Shortest int `json:"shortest_edge"`
		Height   int `json:"height"`
		Width    int `json:"width"`
	}
	err := json.Unmarshal(text, &j)
	*s = Size(j)
	return err
}

// square is a crop's size, where one number means a square.
func (s Size) square() image.Point {
	if s.Shortest > 0 {
		return image.Pt(s.Shortest, s.Shortest)
	}
	return image.Pt(s.Width, s.Height)
}

// Processor says how an image becomes a network's input. Its JSON form is transformers' preprocessor_config.json,
// in which an absent key keeps its value.
type Processor struct {
	Type      string     `json:"image_processor_type"`
	Older     string     `json:"feature_extractor_type"`
	Resize    bool       `json:"do_resize"`
	Size      Size       `json:"size"`
	Filter    Filter     `json:"resample"`
	Crop      bool       `json:"do_center_crop"`
	CropSize  Size       `json:"crop_size"`
	Rescale   bool       `json:"do_rescale"`
	Factor    float64    `json:"rescale_factor"`
	Normalize bool       `json:"do_normalize"`
	Mean      [3]float64 `json:"image_mean"`
	Std       [3]float64 `json:"image_std"`
}

// CLIP is the processor of CLIP at a side: the short side resized, the middle cut out.
func CLIP(side int) Processor {
	return Processor{
		Resize: true, Size: Size{Shortest: side}, Filter: Bicubic, Crop: true, CropSize: Size{Height: side, Width: side},
		Rescale: true, Factor: 1.0 / 255, Normalize: true,
		Mean: [3]float64{0.48145466, 0.4578275, 0.40821073}, Std: [3]float64{0.26862954, 0.26130258, 0.27577711},
	}
}

// SigLIP is the processor of SigLIP at a side: stretched to a square.
func SigLIP(side int, f Filter) Processor {
	half := [3]float64{0.5, 0.5, 0.5}
	return Processor{
		Resize: true, Size: Size{Height: side, Width: side}, Filter: f,
		Rescale: true, Factor: 1.0 / 255, Normalize: true, Mean: half, Std: half,
	}
}

// OWLv2 is the processor of OWLv2 at a side: padded to a square and resized.
func OWLv2(side int) Processor {
	p := CLIP(side)
	p.Size, p.Crop, p.CropSize = Size{Height: side, Width: side}, false, Size{}
	return p
}

// Read reads the processor of a folder over the defaults, and reports whether the folder has one.
// A file that cannot be read gives an error wrapping [reflectionflow.ErrInvalid].
func (p *Processor) Read(fsys fs.FS) (found bool, err error) {
	text, err := fs.ReadFile(fsys, File)
	name := File
	if errors.Is(err, fs.ErrNotExist) {
		name = processorFile
		var whole struct {
			Processor json.RawMessage `json:"image_processor"`
		}
		if text, err = fs.ReadFile(fsys, processorFile); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err == nil {
			err = json.Unmarshal(text, &whole)
		}
		if err == nil && len(whole.Processor) == 0 {
			return false, nil
		}
		text = whole.Processor
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(text)).Decode(p)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, name, err)
	}
	return true, nil
}

// Check reports a processor that cannot give a square image of a side, as an error wrapping
// [reflectionflow.ErrInvalid].
func (p Processor) Check(side int) error {
	var problem string
	got := p.outcome(image.Pt(side, side))
	switch {
	case side > maxSide:
		problem = fmt.Sprintf("an input of %d pixels a side, at most %d are allowed", side, maxSide)
	case !p.Resize:
		problem = "do_resize is false: only networks whose images are resized are supported"
	case p.Size.Shortest < 0 || p.Size.Height < 0 || p.Size.Width < 0 || max(p.Size.Shortest, p.Size.Height, p.Size.Width) > maxSide || p.Size == (Size{}):
		problem = fmt.Sprintf("the size must be 1 to %d", maxSide)
	case got != image.Pt(side, side):
		problem = fmt.Sprintf("images become %d×%d, the network reads %d×%d", got.X, got.Y, side, side)
	case p.Filter.support() == 0:
		problem = fmt.Sprintf("the resampling filter %d is not supported: 1 (lanczos), 2 (bilinear) and 3 (bicubic) are", p.Filter)
	}
	for c := range 3 {
		if !(p.Std[c] > 0) || math.IsInf(p.Std[c], 0) || !(math.Abs(p.Mean[c]) < 1e6) {
			problem = "image_mean and image_std must be three numbers, image_std above 0"
		}
	}
	if problem != "" {
		return fmt.Errorf("%w: %s: %s", reflectionflow.ErrInvalid, File, problem)
	}
	return nil
}

// outcome is the size of what an image of a size becomes.
func (p Processor) outcome(n image.Point) image.Point {
	if p.Crop {
		return p.CropSize.square()
	}
	return p.resizedSize(n)
}

// resizedSize is the size of an image of size n after resizing.
func (p Processor) resizedSize(n image.Point) image.Point {
	short := p.Size.Shortest
	switch {
	case short == 0:
		return image.Pt(p.Size.Width, p.Size.Height)
	case n.X <= n.Y:
		return image.Pt(short, int(float64(short*n.Y)/float64(n.X)))
	}
	return image.Pt(int(float64(short*n.X)/float64(n.Y)), short)
}

// Pixels returns an image as the network reads it: [height, width, 3]. An image that is nil or empty
// gives an error wrapping [reflectionflow.ErrInvalid].
func (p Processor) Pixels(img image.Image) ([]float32, image.Point, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, image.Point{}, fmt.Errorf("%w: the image is missing or empty", reflectionflow.ErrInvalid)
	}
	size := p.resizedSize(img.Bounds().Size())
	view := image.Rectangle{Max: size}
	if p.Crop {
		crop := p.CropSize.square()
		view = image.Rectangle{Max: crop}.Add(image.Pt(floorHalf(size.X-crop.X), floorHalf(size.Y-crop.Y)))
	}
	rgb, err := Resized(img, p.Filter, size, view)
	if err != nil {
		return nil, image.Point{}, err
	}
	table := p.table()
	values := make([]float32, len(rgb))
	for i, v := range rgb {
		values[i] = table[i%3][v]
	}
	return values, view.Size(), nil
}

// floorHalf is n/2, rounded down.
func floorHalf(n int) int { return n >> 1 }

// table maps the bytes of the three colors.
func (p Processor) table() (t [3][256]float32) {
	for c := range t {
		for v := range t[c] {
			t[c][v] = p.normalized(c, p.rescaled(v))
		}
	}
	return t
}

// rescaled is a byte times the factor.
func (p Processor) rescaled(v int) float32 {
	if !p.Rescale {
		return float32(v)
	}
	return float32(float64(v) * p.Factor)
}

func (p Processor) normalized(c int, v float32) float32 {
	if !p.Normalize {
		return v
	}
	return (v - float32(p.Mean[c])) / float32(p.Std[c])
}
