package service

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif" // what clients send
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/HugoSmits86/nativewebp"
	xdraw "golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // what clients send

	"reflectionflow"
	"reflectionflow/internal/config"
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

// imageFile returns the image of a candidate as it is wanted. Few are made at a time: a
// small file may hold many pixels.
func (s *Server) imageFile(ctx context.Context, id string, candidate int, l look) ([]byte, error) {
	if !jobs.ValidID(id) {
		return nil, jobs.ErrUnknown
	}
	file, err := s.queue.Image(ctx, fmt.Sprintf("%s/%d.png", id, candidate))
	if err != nil || l == asStored {
		return file, err
	}
	leave, err := s.enterDecoding(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read candidate %d of job %s: %w", candidate, id, err)
	}
	var out bytes.Buffer
	if err := encoders[l.format](&out, scaled(img, l.size(img.Bounds().Size()))); err != nil {
		return nil, fmt.Errorf("encode candidate %d of job %s: %w", candidate, id, err)
	}
	return out.Bytes(), nil
}

// asStored is the look of the files that a search stores.
var asStored = look{format: "png"}

// readLook reads the parameters format, side and size.
func readLook(query url.Values) (l look, err error) {
	l = look{format: cmp.Or(query.Get("format"), "png")}
	if encoders[l.format] == nil {
		return l, bad("format", "unknown format %.20q: use png, jpeg or webp", l.format)
	}
	if text := query.Get("side"); text != "" {
		side, err := strconv.Atoi(text)
		if err != nil || side < 1 || side > maxThumbnail {
			return l, bad("side", "side %.20q: must be from 1 to %d pixels", text, maxThumbnail)
		}
		l.within = image.Pt(side, side)
	}
	if text := query.Get("size"); text != "" {
		width, height, err := config.ParseSize(text)
		if err != nil || min(width, height) < 1 || max(width, height) > reflectionflow.MaxSide {
			return l, bad("size", "size %.20q: use WIDTHxHEIGHT, at most %d pixels a side", text, reflectionflow.MaxSide)
		}
		l.within, l.enlarge = image.Pt(width, height), true
	}
	return l, nil
}

// image serves GET /api/v1/jobs/{id}/images/{candidate}?format=&side=&size=. An image never
// changes, so that it may be cached for ever.
func (s *Server) image(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.mine(r); err != nil {
		return err
	}
	candidate, err := strconv.Atoi(r.PathValue("candidate"))
	if err != nil || candidate < 0 {
		return jobs.ErrNoImage
	}
	l, err := readLook(r.URL.Query())
	if err != nil {
		return err
	}
	file, err := s.imageFile(r.Context(), r.PathValue("id"), candidate, l)
	if err != nil {
		return err
	}
	serveImage(w, r, file, l.format)
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

// checkUpload reports what is no image that a client may send, without decoding it.
func checkUpload(file []byte) error {
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return bad("image", "the image cannot be read: send PNG, JPEG, WebP or GIF")
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return bad("image", "the image has %d×%d pixels, at most %d are allowed", config.Width, config.Height, maxPixels)
	}
	return nil
}

// readUpload decodes an image that a client sent, within bounds.
func readUpload(file []byte) (image.Image, error) {
	if err := checkUpload(file); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, bad("image", "the image is damaged: %v", err)
	}
	return img, nil
}

// storeReferences stores the images that a job starts from, and names them in its spec. Each
// job has its own, so that they go with the job; with an idempotency key the names are the
// same again.
func (s *Server) storeReferences(ctx context.Context, spec *jobs.Spec, a accepted) error {
	if a.image == nil {
		return nil
	}
	key := a.key
	if key == "" {
		key = rand.Text()
	}
	for i, file := range append([][]byte{a.image}, a.others...) {
		of := spec.Owner + "\x00" + key + "\x00"
		if i > 0 {
			of += strconv.Itoa(i) + "\x00"
		}
		sum := sha256.Sum256(append([]byte(of), file...))
		name := "uploads/" + hex.EncodeToString(sum[:]) + ".png"
		if _, err := s.queue.PutImage(ctx, name, file); err != nil {
			return errors.Join(err, s.removeReferences(context.WithoutCancel(ctx), *spec))
		}
		if i == 0 {
			spec.Image = name
		} else {
			spec.Others = append(spec.Others, name)
		}
	}
	return nil
}

// removeReferences removes the images of a job that was not submitted.
func (s *Server) removeReferences(ctx context.Context, spec jobs.Spec) error {
	var err error
	for _, name := range append([]string{spec.Image}, spec.Others...) {
		if name != "" {
			err = errors.Join(err, s.queue.RemoveImage(ctx, name))
		}
	}
	return err
}

// fit returns an image as PNG in the given size.
func fit(img image.Image, width, height int) ([]byte, error) {
	if width < 1 || height < 1 || width > reflectionflow.MaxSide || height > reflectionflow.MaxSide {
		return nil, bad("size", "size %dx%d: sides must be from 16 to %d", width, height, reflectionflow.MaxSide)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, scaled(img, image.Pt(width, height))); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// scaled returns an image in a size.
func scaled(img image.Image, size image.Point) image.Image {
	if b := img.Bounds(); b.Size() != size {
		canvas := image.NewNRGBA(image.Rectangle{Max: size})
		xdraw.CatmullRom.Scale(canvas, canvas.Bounds(), img, b, draw.Src, nil)
		return canvas
	}
	return img
}
