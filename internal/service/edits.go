package service

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"reflectionflow"
)

// edits serves POST /v1/images/edits: the image is the flawed one, and the prompt is the
// reflection, a person's own correction. What the image should show is the field "prompt"
// of the object reflectionflow where it is given, else the reflection itself.
func (s *Server) edits(w http.ResponseWriter, r *http.Request) error {
	leave, err := s.enterUpload(w, r)
	if err != nil {
		return err
	}
	defer leave()
	q, uploads, err := readEdit(w, r)
	if err != nil {
		return err
	}
	if err := q.check(); err != nil {
		return err
	}
	if _, err := s.planImages(&q.imageRequest); err != nil {
		return err
	}
	if err := (reflectionflow.Prompt{Text: q.Prompt}).Validate(); err != nil {
		return err
	}
	most, err := s.models.references(q.Model)
	if err != nil {
		return err
	}
	if n := len(uploads); n > most { // clients send what a conversation has
		uploads = uploads[:most]
		q.notes = append(q.notes, fmt.Sprintf("%d images were sent, and the model takes %d: the others are not used", n, most))
	}
	q.image, err = s.fitImage(r.Context(), uploads[0], func(size image.Point) (image.Point, error) {
		if settings, err := q.settings(0, nil); err == nil && settings.Size == "" && q.within == (image.Point{}) { // the image's proportions
			if near, ok := s.models.near(q.Model, size.X, size.Y); ok {
				q.chosen = near
			}
		}
		cfg, err := s.planImages(&q.imageRequest)
		return image.Pt(cfg.ImageWidth, cfg.ImageHeight), err
	})
	if err != nil {
		return err
	}
	for _, upload := range uploads[1:] { // the model scales them
		other, err := s.fitImage(r.Context(), upload, func(size image.Point) (image.Point, error) { return bounded(size), nil })
		if err != nil {
			return err
		}
		q.others = append(q.others, other)
	}
	leave() // the search may take long
	q.reflection = q.Prompt
	if q.wanted != "" {
		q.Prompt = q.wanted
	}
	return s.serveImages(w, r, &q.imageRequest, "image_edit")
}

// enterDecoding waits for a place among the images that are decoded, until leave is called.
func (s *Server) enterDecoding(ctx context.Context) (leave func(), err error) {
	select {
	case s.decoding <- struct{}{}:
		return func() { <-s.decoding }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fitImage returns an image that a client sent as PNG in the size that a function chooses from
// its own. Few are in memory at a time: a small file may hold many pixels.
func (s *Server) fitImage(ctx context.Context, upload []byte, choose func(size image.Point) (image.Point, error)) ([]byte, error) {
	leave, err := s.enterDecoding(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	img, err := readUpload(upload)
	if err != nil {
		return nil, err
	}
	size, err := choose(img.Bounds().Size())
	if err != nil {
		return nil, err
	}
	return fit(img, size.X, size.Y)
}

// maxOther bounds the sides of further images.
const maxOther = 2048

// bounded is the size of a further image: its own, or with a larger side of maxOther.
func bounded(size image.Point) image.Point {
	side := max(size.X, size.Y)
	if side <= maxOther {
		return size
	}
	return image.Pt(max(1, size.X*maxOther/side), max(1, size.Y*maxOther/side))
}

// editRequest is a request for an edit.
type editRequest struct {
	imageRequest
	wanted string // what the image should show
}

// readEdit reads the form, or the JSON body, of an edit.
func readEdit(w http.ResponseWriter, r *http.Request) (q editRequest, uploads [][]byte, err error) {
	q.N = 1
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return readJSONEdit(w, r)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	form, err := r.MultipartReader()
	if err != nil {
		return q, nil, bad("", "the form cannot be read: %v", err)
	}
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			if uploads == nil {
				return q, nil, bad("image", "the image is missing: send it as the part image")
			}
			return q, uploads, nil
		case errors.As(err, new(*http.MaxBytesError)):
			return q, nil, err
		case err != nil:
			return q, nil, bad("", "the form is damaged: %v", err)
		}
		if uploads, err = readPart(part, &q, uploads); err != nil {
			return q, nil, err
		}
	}
}

// readPart reads a part of the form. The first image is the one to correct.
func readPart(part *multipart.Part, q *editRequest, uploads [][]byte) ([][]byte, error) {
	data, err := io.ReadAll(part)
	if err != nil {
		return nil, err
	}
	text := string(data)
	switch name := strings.TrimSuffix(part.FormName(), "[]"); name {
	case "image":
		if uploads = append(uploads, data); len(uploads) > reflectionflow.MaxReferences {
			return nil, bad("image", "more than %d images", reflectionflow.MaxReferences)
		}
	case "mask":
		return nil, bad("mask", "masks are not supported: say in the prompt what to change")
	case "prompt":
		q.Prompt = text
	case "model":
		q.Model = text
	case "size":
		q.Size = text
	case "quality":
		q.Quality = text
	case "output_format":
		q.OutputFormat = text
	case "response_format":
		q.ResponseFormat = text
	case "user":
		q.User = text
	case "n":
		q.N, err = strconv.Atoi(text)
	case "partial_images":
		q.PartialImages, err = strconv.Atoi(text)
	case "stream":
		q.Stream, err = strconv.ParseBool(text)
	case "reflectionflow":
		return uploads, q.readSearch(data)
	}
	if err != nil {
		return nil, bad(part.FormName(), "%s: %.40q is no number", part.FormName(), text)
	}
	return uploads, nil
}

// readSearch reads the object reflectionflow of an edit.
func (q *editRequest) readSearch(data []byte) error {
	var with struct {
		searchRequest
		Prompt string `json:"prompt"`
	}
	if err := json.Unmarshal(data, &with); err != nil {
		return bad("reflectionflow", "reflectionflow: %v", err)
	}
	q.Search, q.wanted = &with.searchRequest, with.Prompt
	return nil
}

// readJSONEdit reads an edit whose images are data URLs.
func readJSONEdit(w http.ResponseWriter, r *http.Request) (q editRequest, uploads [][]byte, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	var body struct {
		imageRequest
		Search json.RawMessage `json:"reflectionflow"`
		Images []struct {
			URL string `json:"image_url"`
		} `json:"images"`
	}
	body.N = 1
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return q, nil, err
		}
		return q, nil, bad("", "the body is no valid request: %v", err)
	}
	q.imageRequest = body.imageRequest
	if len(body.Search) > 0 {
		if err := q.readSearch(body.Search); err != nil {
			return q, nil, err
		}
	}
	if len(body.Images) == 0 {
		return q, nil, bad("images", "the image is missing: send images with an image_url")
	}
	if len(body.Images) > reflectionflow.MaxReferences {
		return q, nil, bad("images", "more than %d images", reflectionflow.MaxReferences)
	}
	for _, sent := range body.Images {
		_, data, ok := strings.Cut(sent.URL, ";base64,")
		if !ok || !strings.HasPrefix(sent.URL, "data:") {
			return q, nil, bad("images", "image_url must be a data URL in base64: this server fetches nothing")
		}
		upload, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return q, nil, bad("images", "image_url is no valid base64")
		}
		uploads = append(uploads, upload)
	}
	return q, uploads, nil
}
