package testserver

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// ImageRequest is a request to a double of an image server, in terms that all servers share.
// Fields that a server does not have are zero.
type ImageRequest struct {
	Prompt, CLIPPrompt, Negative string
	Seed                         uint64
	Width, Height, Steps         int
	Guidance                     float64
	Reference                    image.Image
	Strength                     float64
	Model                        string
}

// ExpectedImage returns the image that every double generates for a request. Different
// requests give different pixels, so tests can tell what was asked.
func ExpectedImage(d ImageRequest) *image.NRGBA {
	h := fnv.New64a()
	write := func(values ...uint64) {
		for _, v := range values {
			h.Write(binary.LittleEndian.AppendUint64(nil, v))
		}
	}
	for _, text := range []string{d.Prompt, d.CLIPPrompt, d.Negative, d.Model} {
		h.Write([]byte(text + "\x00"))
	}
	write(d.Seed, uint64(d.Width), uint64(d.Height), uint64(d.Steps), math.Float64bits(d.Guidance), math.Float64bits(d.Strength))
	if d.Reference != nil {
		b := d.Reference.Bounds()
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				r, g, bl, a := d.Reference.At(x, y).RGBA()
				write(uint64(r)<<48 | uint64(g)<<32 | uint64(bl)<<16 | uint64(a))
			}
		}
	}
	sum := h.Sum64()
	img := image.NewNRGBA(image.Rect(0, 0, d.Width, d.Height))
	for y := range d.Height {
		for x := range d.Width {
			img.SetNRGBA(x, y, color.NRGBA{uint8(sum) + uint8(x), uint8(sum>>8) + uint8(y), uint8(sum >> 16), 255})
		}
	}
	return img
}

// Damage changes one image: its bytes, or their base64 in protocols that use it.
type Damage struct {
	Bytes func(honest []byte) []byte
	Text  func(honest string) string
}

// Images is the part that all doubles of image servers share.
type Images struct {
	// URL is the base URL.
	URL string
	// Paint makes the images where it is set, instead of [ExpectedImage].
	Paint func(ImageRequest) image.Image
	// ExtraImages is the number of images too many in a reply; negative for too few.
	ExtraImages int

	server    *httptest.Server
	mux       *http.ServeMux
	mu        sync.Mutex
	faults    map[string][]Fault
	calls     []string
	damages   []Damage
	generated []ImageRequest
	model     string
}

func newImages(t testing.TB, path string) *Images {
	t.Helper()
	s := &Images{mux: http.NewServeMux(), faults: map[string][]Fault{}}
	s.server = httptest.NewServer(s.mux)
	s.URL = s.server.URL + path
	t.Cleanup(s.Close)
	return s
}

// Close ends the server; later connections are refused.
func (s *Images) Close() { s.server.Close() }

// Fail queues faults: each of the next requests to a route, such as
// "POST /v1/images/edits", gets one, in order.
func (s *Images) Fail(route string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[route] = append(s.faults[route], faults...)
}

// Damage queues damages: each of the next images gets one, in order.
func (s *Images) Damage(damages ...Damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damages = append(s.damages, damages...)
}

// SetModel changes the model that the server names, if its protocol does. "", the default,
// names none.
func (s *Images) SetModel(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model = name
}

func (s *Images) served() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.model
}

// Calls returns the number of requests to a route, failed ones included.
func (s *Images) Calls(route string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if call == route {
			n++
		}
	}
	return n
}

// Generated returns the requests of the generated images, in order.
func (s *Images) Generated() []ImageRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.generated)
}

// handle serves a route with its queued faults.
func (s *Images) handle(route string, honest http.HandlerFunc) {
	s.mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls = append(s.calls, route)
		var fault Fault
		if list := s.faults[route]; len(list) > 0 {
			fault, s.faults[route] = list[0], list[1:]
		}
		s.mu.Unlock()
		if fault != nil {
			fault(w, r, honest)
			return
		}
		honest(w, r)
	})
}

// generateImage returns the PNG for a request and its base64, damaged if that is queued.
func (s *Images) generateImage(d ImageRequest) ([]byte, string) {
	paint := s.Paint
	if paint == nil {
		paint = func(d ImageRequest) image.Image { return ExpectedImage(d) }
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, paint(d)); err != nil {
		panic(err) // an image of valid size always encodes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated = append(s.generated, d)
	var damage Damage
	if len(s.damages) > 0 {
		damage, s.damages = s.damages[0], s.damages[1:]
	}
	data := buf.Bytes()
	if damage.Bytes != nil {
		data = damage.Bytes(data)
	}
	text := base64.StdEncoding.EncodeToString(data)
	if damage.Text != nil {
		text = damage.Text(text)
	}
	return data, text
}

// readImage decodes an image that a client has sent as base64 or a data URI.
func readImage(text string) (image.Image, error) {
	if _, after, ok := bytes.Cut([]byte(text), []byte(";base64,")); ok {
		text = string(after)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(data))
}
