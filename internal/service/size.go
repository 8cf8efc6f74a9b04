package service

import (
	"errors"
	"fmt"
	"image"
	"math"

	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/search"
)

// maxRatio is the most that the longer side of an image is of the shorter one, where the
// server chooses the size.
const maxRatio = 3

// near returns the size of a model that has the proportions of an image of width x height
// pixels and about as many pixels as the model's own size. It is false where the model is not
// made for such a size.
func (m *models) near(name string, width, height int) (size string, ok bool) {
	i, _, err := m.split(name)
	if err != nil || width < 1 || height < 1 || max(width, height) > maxRatio*min(width, height) {
		return "", false
	}
	model := m.list[i].Model
	scale := math.Sqrt(float64(model.Width*model.Height) / float64(width*height))
	w, h := nearest16(float64(width)*scale), nearest16(float64(height)*scale)
	return fmt.Sprintf("%dx%d", w, h), model.SizeError(w, h, false) == nil
}

// nearest16 is the nearest side that an image can have.
func nearest16(side float64) int { return max(16, int(math.Round(side/16))*16) }

// planImages is plan for a request through OpenAI's API. Its clients have sizes built in that
// a model may not be made for. Then the search has a size of the model, and its images are
// scaled to fit into the size that was asked for. A size in the object reflectionflow is
// taken as it is, or refused.
func (s *Server) planImages(q *imageRequest) (search.Config, error) {
	plan := func() (search.Config, error) {
		settings, err := q.settings(0, nil)
		if err != nil {
			return search.Config{}, err
		}
		return s.models.plan(q.Model, settings)
	}
	cfg, err := plan()
	if errors.Is(err, assemble.ErrSize) && (q.Search == nil || q.Search.Size == "") {
		width, height, wrong := config.ParseSize(q.Size)
		if wrong != nil {
			return cfg, wrong
		}
		q.within = image.Pt(width, height)
		q.chosen, _ = s.models.near(q.Model, width, height)
		if cfg, err = plan(); errors.Is(err, assemble.ErrSize) {
			q.chosen = "auto"
			cfg, err = plan()
		}
	}
	q.generated = image.Pt(cfg.ImageWidth, cfg.ImageHeight)
	return cfg, err
}

// look says how an image is wanted.
type look struct {
	format string // of encoders
	// within are the pixels that the image must fit into; zero leaves it as it is. A smaller
	// image is enlarged where enlarge is set. Its proportions stay.
	within  image.Point
	enlarge bool
}

// size is that of an image which is looked at so.
func (l look) size(of image.Point) image.Point {
	if l.within == (image.Point{}) {
		return of
	}
	scale := min(float64(l.within.X)/float64(of.X), float64(l.within.Y)/float64(of.Y))
	if scale > 1 && !l.enlarge {
		return of
	}
	side := func(n int) int { return max(1, int(math.Round(float64(n)*scale))) }
	return image.Pt(side(of.X), side(of.Y))
}

func pixels(p image.Point) string { return fmt.Sprintf("%dx%d", p.X, p.Y) }
