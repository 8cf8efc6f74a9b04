package remote_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/testserver"
	"reflectionflow/remote"
)

// typed checks that an error is the endpoint's own, of a kind, and names it.
func typed(t *testing.T, what string, err error, kind endpoint.Kind) {
	t.Helper()
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Endpoint != "painter" || !strings.Contains(err.Error(), "endpoint painter") {
		t.Errorf("%s: got %v, want an error of kind %q that names the endpoint", what, err, kind)
	}
}

func impatient(o *remote.Options) { o.Endpoint.Timeouts.Idle = time.Second }

// TestDrawingFaults: what goes wrong when a drawing is begun. Nothing that may have
// been drawn, and paid for, is begun again.
func TestDrawingFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults []testserver.Fault
		kind   endpoint.Kind // "" for a correct image
		call   bool          // the error is that of the call
		begun  int
	}{
		{"reset in mid-body", []testserver.Fault{testserver.ResetMidBody()}, endpoint.Interrupted, false, 1},
		{"slow loris", []testserver.Fault{testserver.SlowLoris()}, endpoint.Timeout, false, 1},
		{"storm", testserver.Storm(3, "1"), "", false, 4},
		{"endless storm", testserver.Storm(9, "1"), endpoint.Status, true, 4},
		{"500 then success", []testserver.Fault{testserver.WithStatus(500, `{"error":"out of memory"}`)}, endpoint.Status, false, 1},
		{"503", []testserver.Fault{testserver.WithStatus(503, `{"detail":"loading"}`)}, endpoint.Status, true, 1},
		{"not authorized", []testserver.Fault{testserver.WithStatus(401, `{"error":{"message":"no"}}`)}, endpoint.Status, true, 1},
		{"HTML", []testserver.Fault{testserver.HTML()}, endpoint.Malformed, false, 1},
		{"truncated", []testserver.Fault{testserver.Truncated()}, endpoint.Malformed, false, 1},
		{"endless", []testserver.Fault{testserver.Endless(1 << 20)}, endpoint.TooLarge, false, 1},
		{"another type", []testserver.Fault{testserver.WithStatus(200, `[1,2]`)}, endpoint.Malformed, false, 1},
		{"nothing in it", []testserver.Fault{testserver.WithStatus(200, `{}`)}, endpoint.Malformed, false, 1},
	}
	for _, c := range clients() {
		for _, tt := range tests {
			t.Run(c.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				address, double := c.start(t)
				double.Fail(c.draw, tt.faults...)
				g := open(t, address, impatient, func(o *remote.Options) {
					o.Endpoint.MaxResponse = 512 << 10
					o.Endpoint.Retry.Attempts = 4
				})
				r := requests()[0]
				out, err := g.Generate(t.Context(), []reflectionflow.Request{r})
				if n := double.Calls(c.draw); n != tt.begun {
					t.Errorf("begun %d times, want %d", n, tt.begun)
				}
				switch {
				case tt.kind == "" && (err != nil || out[0].Err != nil):
					t.Error(err, out)
				case tt.kind == "":
					same(t, "image", out[0].Image, c.want(r))
				case tt.call:
					typed(t, "the call", err, tt.kind)
				case err != nil:
					t.Errorf("the call failed for one image: %v", err)
				default:
					typed(t, "the image", out[0].Err, tt.kind)
				}
			})
		}
	}
}

// TestFollowingFaults: what goes wrong when a job is asked for, which may be done again.
func TestFollowingFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults []testserver.Fault
		kind   endpoint.Kind
	}{
		{"reset in mid-body", []testserver.Fault{testserver.ResetMidBody(), testserver.Drop()}, ""},
		{"slow loris", []testserver.Fault{testserver.SlowLoris()}, ""},
		{"storm", testserver.Storm(3, "1"), ""},
		{"500 then success", []testserver.Fault{testserver.WithStatus(500, "")}, ""},
		{"HTML", []testserver.Fault{testserver.HTML()}, endpoint.Malformed},
		{"truncated", []testserver.Fault{testserver.Truncated()}, endpoint.Malformed},
	}
	for _, c := range clients() {
		for _, tt := range tests {
			if c.follow == "" {
				continue
			}
			t.Run(c.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				address, double := c.start(t)
				double.Fail(c.follow, tt.faults...)
				r := requests()[0]
				out, err := open(t, address, impatient).Generate(t.Context(), []reflectionflow.Request{r})
				if err != nil {
					t.Fatal(err)
				}
				if tt.kind != "" {
					typed(t, "the image", out[0].Err, tt.kind)
					ends := map[string]string{"sdcpp": "POST /sdcpp/v1/jobs/{id}/cancel", "comfyui": "GET /queue"}
					if double.Calls(ends[c.name]) != 1 {
						t.Error("nobody waits for the job any more, and the server is not told")
					}
					return
				}
				same(t, "image", out[0].Image, c.want(r))
				if n := double.Calls(c.draw); n != 1 {
					t.Errorf("begun %d times", n)
				}
			})
		}
	}
}

// bomb is a PNG that says it has w×h pixels and holds next to nothing.
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

// TestBadImages: the second of three images is bad; the others are not touched by
// that, and it is a correct image or an error of its own. (testdata holds what Go
// cannot encode, written with Pillow.)
func TestBadImages(t *testing.T) {
	keep := func(img image.Image) image.Image { return img }
	asPNG := func(b *bytes.Buffer, img image.Image) error { return png.Encode(b, img) }
	tests := []struct {
		name  string
		spoil testserver.Spoil
		fine  bool
	}{
		{"truncated base64", testserver.Spoil{Text: func(s string) string { return s[:len(s)/2] }, Bytes: func(b []byte) []byte { return b[:len(b)/2] }}, false},
		{"spoilt base64", testserver.Spoil{Text: func(s string) string { return s[:20] + "*" + s[21:] }, Bytes: func(b []byte) []byte { return append([]byte("*"), b...) }}, false},
		{"no image", testserver.Spoil{Bytes: func([]byte) []byte { return []byte("<html>") }}, false},
		{"empty", testserver.Spoil{Bytes: func([]byte) []byte { return nil }}, false},
		{"bomb", testserver.Spoil{Bytes: func([]byte) []byte { return bomb(50000, 50000) }}, false},
		{"bomb of the right size", testserver.Spoil{Bytes: func([]byte) []byte { return bomb(64, 64) }}, false},
		{"another size", testserver.Spoil{Bytes: recode(t, func(img image.Image) image.Image {
			return img.(*image.RGBA).SubImage(image.Rect(0, 0, 32, 64))
		}, asPNG)}, false},
		{"JPEG labelled PNG", testserver.Spoil{Bytes: recode(t, keep, func(b *bytes.Buffer, img image.Image) error { return jpeg.Encode(b, img, nil) })}, true},
		{"CMYK", testserver.Spoil{Bytes: file(t, "cmyk.jpg")}, true},
		{"animated PNG", testserver.Spoil{Bytes: file(t, "animated.png")}, true},
		{"animated GIF", testserver.Spoil{Bytes: file(t, "animated.gif")}, true},
	}
	for _, c := range clients() {
		for _, tt := range tests {
			t.Run(c.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				address, double := c.start(t)
				double.Spoil(testserver.Spoil{}, tt.spoil)
				list := requests()
				list[1].Reference = nil
				out, err := open(t, address).Generate(t.Context(), list)
				if err != nil {
					t.Fatal(err)
				}
				bad := 0
				for i, r := range list {
					drawn := double.Drawings()
					if len(drawn) > 1 && drawn[1].Prompt == c.want(r).Prompt && drawn[1].Width == r.Width {
						bad = i
						if tt.fine && (out[i].Err != nil || out[i].Image.Bounds().Size() != image.Pt(64, 64)) {
							t.Errorf("got %v", out[i].Err)
						}
						if !tt.fine {
							typed(t, "the bad image", out[i].Err, endpoint.Malformed)
							if out[i].Image != nil || out[i].Cost.Images != 1 {
								t.Errorf("a bad image: %v at cost %+v", out[i].Image, out[i].Cost)
							}
						}
						continue
					}
					same(t, "another image", out[i].Image, c.want(r))
				}
				if bad != 1 {
					t.Errorf("image %d was spoilt", bad)
				}
			})
		}
	}
}

// TestWrongCounts: too few or too many images are an error of their drawing.
func TestWrongCounts(t *testing.T) {
	for _, c := range clients() {
		for _, surplus := range []int{-1, 1} {
			t.Run(c.name, func(t *testing.T) {
				address, double := c.start(t)
				double.Surplus = surplus
				r := requests()[0]
				out, err := open(t, address).Generate(t.Context(), []reflectionflow.Request{r})
				if err != nil {
					t.Fatal(err)
				}
				if c.name == "a1111" && surplus > 0 {
					same(t, "the first image", out[0].Image, c.want(r)) // what an extension adds comes behind
					return
				}
				typed(t, "the image", out[0].Err, endpoint.Malformed)
			})
		}
	}
}

// TestServerGone: without a server, nothing is drawn and the call says so; a bad
// request costs no call.
func TestServerGone(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			double.Close()
			g := open(t, address)
			out, err := g.Generate(t.Context(), requests())
			typed(t, "the call", err, endpoint.Refused)
			if errors.Is(err, reflectionflow.ErrInvalid) || out != nil {
				t.Errorf("got %v with %d generations", err, len(out))
			}
		})
	}
}
