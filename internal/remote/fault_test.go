package remote_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// wantKind checks that an error is an *endpoint.Error of a kind that names the endpoint.
func wantKind(t *testing.T, what string, err error, kind endpoint.Kind) {
	t.Helper()
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Endpoint != "painter" || !strings.Contains(err.Error(), "endpoint painter") {
		t.Errorf("%s: got %v, want an error of kind %q that names the endpoint", what, err, kind)
	}
}

// TestFaults: every protocol is tried with everything that networks and servers do wrong,
// where it starts an image or a correction, and where it polls a job.
func TestFaults(t *testing.T) {
	var list []testserver.Client
	for _, c := range clients() {
		list = append(list, c.trial("image", testserver.Generates, c.generate, false), c.trial("correcting", testserver.Generates, c.edit, true))
		for _, route := range c.follow {
			list = append(list, c.trial(route, testserver.Polls, route, true))
		}
	}
	testserver.Faults(t, list)
}

// trial is a use of a client: requests to a route, for an image or a correction.
func (c client) trial(name string, work testserver.Work, route string, corrects bool) testserver.Client {
	start := func(t *testing.T, o testserver.StartOptions) testserver.Trial {
		t.Helper()
		address, double := c.start(t)
		g := open(t, address, func(p *remote.Options) {
			p.Endpoint.MaxResponse = 512 << 10
			p.Endpoint.Timeouts.Idle = o.Idle
		})
		calls := func(route string) func() int { return func() int { return double.Calls(route) } }
		started := calls(c.generate)
		if corrects {
			started = calls(c.edit)
		}
		return testserver.Trial{
			Endpoint: "painter", Fail: func(faults ...testserver.Fault) { double.Fail(route, faults...) },
			Requests: calls(route), Begun: started, Close: double.Close,
			Use: func(ctx context.Context, n int) ([]testserver.Outcome, error) {
				list := slices.Repeat(requests()[:1], n)
				if corrects {
					list = slices.Repeat(requests()[1:2], n)
				}
				generated, err := g.Generate(ctx, list)
				out := make([]testserver.Outcome, len(generated))
				for i, d := range generated {
					d.Cost.Seconds = 0
					out[i] = testserver.Outcome{Text: fmt.Sprintf("%x %+v", checksum(d.Image), d.Cost), Err: d.Err}
				}
				return out, err
			},
		}
	}
	return testserver.Client{Name: c.name + "/" + name, Work: work, Start: start}
}

// checksum of all pixels.
func checksum(img image.Image) [32]byte {
	if img == nil {
		return [32]byte{}
	}
	var buf bytes.Buffer
	b := img.Bounds()
	for i := range b.Dx() * b.Dy() {
		fmt.Fprint(&buf, img.At(b.Min.X+i%b.Dx(), b.Min.Y+i/b.Dx()))
	}
	return sha256.Sum256(buf.Bytes())
}

// TestAbandonedJobsAreCancelled: a job that is abandoned after a bad reply is cancelled.
func TestAbandonedJobsAreCancelled(t *testing.T) {
	ends := map[string]string{"sdcpp": "POST /sdcpp/v1/jobs/{id}/cancel", "comfyui": "GET /queue"}
	for _, c := range clients() {
		if ends[c.name] == "" {
			continue
		}
		address, double := c.start(t)
		double.Fail(c.follow[0], testserver.HTML())
		if _, err := open(t, address).Generate(t.Context(), requests()[:1]); err != nil {
			t.Fatal(err)
		}
		if double.Calls(ends[c.name]) != 1 {
			t.Errorf("%s: nobody waits for the job any more, and the server is not told", c.name)
		}
	}
}

// bomb returns a PNG whose header says w×h pixels and that holds next to none.
func bomb(w, h uint32) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		out = append(out, body...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	chunk("IHDR", append(header, 8, 6, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 1, 0, 0, 0xff, 0xff})
	chunk("IEND", nil)
	return out
}

func file(t *testing.T, name string) func([]byte) []byte {
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return func([]byte) []byte { return data }
}

func recode(t *testing.T, change func(image.Image) image.Image, encode func(*bytes.Buffer, image.Image) error) func([]byte) []byte {
	return func(data []byte) []byte {
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Error(err)
		}
		var buf bytes.Buffer
		if err := encode(&buf, change(img)); err != nil {
			t.Error(err)
		}
		return buf.Bytes()
	}
}

// TestBadImages: the second of three images is bad. It is decoded or fails alone; the others
// are not affected. (testdata holds what Go cannot encode, written with Pillow.)
func TestBadImages(t *testing.T) {
	keep := func(img image.Image) image.Image { return img }
	asPNG := func(b *bytes.Buffer, img image.Image) error { return png.Encode(b, img) }
	tests := []struct {
		name   string
		damage testserver.Damage
		fine   bool
	}{
		{"truncated base64", testserver.Damage{Text: func(s string) string { return s[:len(s)/2] }, Bytes: func(b []byte) []byte { return b[:len(b)/2] }}, false},
		{"damaged base64", testserver.Damage{Text: func(s string) string { return s[:20] + "*" + s[21:] }, Bytes: func(b []byte) []byte { return append([]byte("*"), b...) }}, false},
		{"no image", testserver.Damage{Bytes: func([]byte) []byte { return []byte("<html>") }}, false},
		{"empty", testserver.Damage{Bytes: func([]byte) []byte { return nil }}, false},
		{"bomb", testserver.Damage{Bytes: func([]byte) []byte { return bomb(50000, 50000) }}, false},
		{"bomb of the right size", testserver.Damage{Bytes: func([]byte) []byte { return bomb(64, 64) }}, false},
		{"another size", testserver.Damage{Bytes: recode(t, func(img image.Image) image.Image {
			return img.(*image.RGBA).SubImage(image.Rect(0, 0, 32, 64))
		}, asPNG)}, false},
		{"JPEG labelled PNG", testserver.Damage{Bytes: recode(t, keep, func(b *bytes.Buffer, img image.Image) error { return jpeg.Encode(b, img, nil) })}, true},
		{"CMYK", testserver.Damage{Bytes: file(t, "cmyk.jpg")}, true},
		{"animated PNG", testserver.Damage{Bytes: file(t, "animated.png")}, true},
		{"animated GIF", testserver.Damage{Bytes: file(t, "animated.gif")}, true},
	}
	for _, c := range clients() {
		for _, tt := range tests {
			t.Run(c.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				address, double := c.start(t)
				double.Damage(testserver.Damage{}, tt.damage)
				list := requests()
				list[1].Reference = nil
				out, err := open(t, address).Generate(t.Context(), list)
				if err != nil {
					t.Fatal(err)
				}
				bad := 0
				for i, r := range list {
					generated := double.Generated()
					if len(generated) > 1 && generated[1].Prompt == c.want(r).Prompt && generated[1].Width == r.Width {
						bad = i
						if tt.fine && (out[i].Err != nil || out[i].Image.Bounds().Size() != image.Pt(64, 64)) {
							t.Errorf("got %v", out[i].Err)
						}
						if !tt.fine {
							wantKind(t, "the bad image", out[i].Err, endpoint.Malformed)
							if out[i].Image != nil || out[i].Cost.Images != 1 {
								t.Errorf("a bad image: %v at cost %+v", out[i].Image, out[i].Cost)
							}
						}
						continue
					}
					wantImage(t, "another image", out[i].Image, c.want(r))
				}
				if bad != 1 {
					t.Errorf("image %d was damaged", bad)
				}
			})
		}
	}
}

// TestWrongNumberOfImages: too few or too many images are an error of their batch.
func TestWrongNumberOfImages(t *testing.T) {
	for _, c := range clients() {
		for _, surplus := range []int{-1, 1} {
			t.Run(c.name, func(t *testing.T) {
				address, double := c.start(t)
				double.ExtraImages = surplus
				r := requests()[0]
				out, err := open(t, address).Generate(t.Context(), []reflectionflow.Request{r})
				if err != nil {
					t.Fatal(err)
				}
				if c.name == "a1111" && surplus > 0 {
					wantImage(t, "the first image", out[0].Image, c.want(r)) // what an extension adds comes behind
					return
				}
				wantKind(t, "the image", out[0].Err, endpoint.Malformed)
			})
		}
	}
}
