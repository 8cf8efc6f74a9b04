package service

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif" // what clients send
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strconv"

	"github.com/HugoSmits86/nativewebp"
	xdraw "golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // what clients send

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// encoders write the formats that a request may ask for; the empty name is PNG.
var encoders = map[string]func(io.Writer, image.Image) error{
	"":     png.Encode,
	"png":  png.Encode,
	"jpeg": func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, &jpeg.Options{Quality: 92}) },
	"webp": func(w io.Writer, m image.Image) error { return nativewebp.Encode(w, m, nil) },
}

const (
	maxThumbnail = 1024        // pixels of the longer side
	maxPixels    = 4096 * 4096 // of an image that a client sends
	forEver      = "private, max-age=31536000, immutable"
)

// imageFile returns the image of a candidate in a format; side bounds its longer side in
// pixels, 0 leaves it.
func (s *Server) imageFile(ctx context.Context, id string, candidate int, format string, side int) ([]byte, error) {
	if !jobs.ValidID(id) {
		return nil, jobs.ErrUnknown
	}
	file, err := s.queue.Image(ctx, fmt.Sprintf("%s/%d.png", id, candidate))
	if err != nil || format == "png" && side == 0 {
		return file, err
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read candidate %d of job %s: %w", candidate, id, err)
	}
	if b := img.Bounds(); side > 0 && max(b.Dx(), b.Dy()) > side {
		scale := float64(side) / float64(max(b.Dx(), b.Dy()))
		small := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(b.Dx())*scale)), max(1, int(float64(b.Dy())*scale))))
		xdraw.CatmullRom.Scale(small, small.Bounds(), img, b, draw.Src, nil)
		img = small
	}
	var out bytes.Buffer
	if err := encoders[format](&out, img); err != nil {
		return nil, fmt.Errorf("encode candidate %d of job %s: %w", candidate, id, err)
	}
	return out.Bytes(), nil
}

// image serves GET /api/v1/jobs/{id}/images/{candidate}?format=&side=. An image never
// changes, so that it may be cached for ever.
func (s *Server) image(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.mine(r); err != nil {
		return err
	}
	candidate, err := strconv.Atoi(r.PathValue("candidate"))
	if err != nil || candidate < 0 {
		return jobs.ErrNoImage
	}
	format := cmp.Or(r.URL.Query().Get("format"), "png")
	if encoders[format] == nil {
		return bad("format", "unknown format %.20q: use png, jpeg or webp", format)
	}
	side := 0
	if text := r.URL.Query().Get("side"); text != "" {
		if side, err = strconv.Atoi(text); err != nil || side < 1 || side > maxThumbnail {
			return bad("side", "side %.20q: must be from 1 to %d pixels", text, maxThumbnail)
		}
	}
	file, err := s.imageFile(r.Context(), r.PathValue("id"), candidate, format, side)
	if err != nil {
		return err
	}
	serveImage(w, r, file, format)
	return nil
}

// serveImage replies with an image that never changes.
func serveImage(w http.ResponseWriter, r *http.Request, file []byte, format string) {
	sum := sha256.Sum256(file)
	w.Header().Set("Content-Type", "image/"+format)
	w.Header().Set("Cache-Control", forEver)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", noTime, bytes.NewReader(file)) // ranges and ETags
}

// readUpload decodes an image that a client sent, within bounds, and returns it as PNG in
// the size that the model is given.
func readUpload(file []byte) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, bad("image", "the image cannot be read: send PNG, JPEG, WebP or GIF")
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return nil, bad("image", "the image has %d×%d pixels, at most %d are allowed", config.Width, config.Height, maxPixels)
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, bad("image", "the image is damaged: %v", err)
	}
	return img, nil
}

// storeReference stores an image that a job corrects. Each job has its own, so that it goes
// with the job; with an idempotency key the name is the same again.
func (s *Server) storeReference(ctx context.Context, owner, key string, file []byte) (string, error) {
	if key == "" {
		key = rand.Text()
	}
	sum := sha256.Sum256(append([]byte(owner+"\x00"+key+"\x00"), file...))
	name := "uploads/" + hex.EncodeToString(sum[:]) + ".png"
	if _, err := s.queue.PutImage(ctx, name, file); err != nil {
		return "", err
	}
	return name, nil
}

// fit returns an image as PNG in the given size.
func fit(img image.Image, width, height int) ([]byte, error) {
	if width < 1 || height < 1 || width > reflectionflow.MaxSide || height > reflectionflow.MaxSide {
		return nil, bad("size", "size %dx%d: sides must be from 16 to %d", width, height, reflectionflow.MaxSide)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, scaled(img, width, height)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// scaled returns an image in a size.
func scaled(img image.Image, width, height int) image.Image {
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		canvas := image.NewNRGBA(image.Rect(0, 0, width, height))
		xdraw.CatmullRom.Scale(canvas, canvas.Bounds(), img, b, draw.Src, nil)
		return canvas
	}
	return img
}
