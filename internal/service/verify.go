package service

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// verifyRequest is the body of POST /api/v1/verify.
type verifyRequest struct {
	Prompt string `json:"prompt"`
	Model  string `json:"model"`
	// Verifier is a variant of the model's verifier, empty for its own.
	Verifier string `json:"verifier"`
	Image    []byte `json:"image"` // a file: PNG, JPEG, WebP or GIF
}

// verifyReply is what the verifier found.
type verifyReply struct {
	Model  string                `json:"model"`
	Prompt reflectionflow.Prompt `json:"prompt"` // as it was read
	Score  reflectionflow.Score  `json:"score"`
	Right  bool                  `json:"right"` // whether everything that was asked for is met
}

// maxVerifying is how many images wait for the verifier or are verified at once; more are
// refused.
const maxVerifying = 32

// verify serves POST /api/v1/verify: it judges an image of the client's by a prompt, without
// a job. It keeps nothing.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	leave, err := s.enterUpload(w, r)
	if err != nil {
		return err
	}
	defer leave()
	var q verifyRequest
	if err := decodeUpTo(w, r, &q, true, maxUpload); err != nil {
		return err
	}
	text := strings.TrimSpace(q.Prompt)
	if err := (reflectionflow.Prompt{Text: text}).Validate(); err != nil {
		return err
	}
	if len(q.Image) == 0 {
		return bad("image", "the image is missing: send a file in base64")
	}
	if err := s.verifying.enter(); err != nil {
		return err
	}
	defer s.verifying.leave()
	if err := checkUpload(q.Image); err != nil {
		return err
	}
	answer, err := s.verifyImage(r.Context(), q, text)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, answer)
	return nil
}

// verifyImage decodes and judges an image when it is its turn.
func (s *Server) verifyImage(ctx context.Context, q verifyRequest, text string) (verifyReply, error) {
	verifier, e, err := s.models.verifier(q.Model, q.Verifier)
	if err != nil {
		return verifyReply{}, err
	}
	prompt, parsing, err := e.Parse(ctx, text)
	if err != nil {
		return verifyReply{}, err
	}
	scores, err := oneByOne(ctx, s.verifying.turns, []reflectionflow.PromptedImage{{Prompt: prompt}}, func(ctx context.Context, list []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
		img, err := readUpload(q.Image)
		if err != nil {
			return nil, err
		}
		list[0].Image = img
		return verifier.Verify(ctx, list)
	})
	if err != nil {
		return verifyReply{}, err
	}
	score := scores[0]
	score.Cost = score.Cost.Add(parsing)
	s.metrics.judged(score.Cost)
	return verifyReply{Model: e.Name, Prompt: prompt, Score: score, Right: score.Right()}, nil
}

// waiting bounds the images of verify calls.
type waiting struct {
	turns *turns
	n     atomic.Int32
}

func (v *waiting) enter() error {
	if v.n.Add(1) > maxVerifying {
		v.n.Add(-1)
		return &jobs.LimitError{What: "too many images wait for the verifier", RetryAfter: 5 * time.Second}
	}
	return nil
}

func (v *waiting) leave() { v.n.Add(-1) }

// verifier opens the verifier of a model, or a variant of it.
func (m *models) verifier(name, variant string) (reflectionflow.Verifier, *engine, error) {
	e, err := m.open(name)
	if err != nil || variant == "" {
		if err != nil {
			return nil, nil, err
		}
		return e.verifier, e, nil
	}
	i := slices.Index(e.Verifiers, variant)
	if i < 0 {
		return nil, nil, bad("verifier", "model %s has no verifier %.40q: use one of %s, or leave it out for the model's own", e.Name, variant, cmp.Or(strings.Join(e.Verifiers, ", "), "none"))
	}
	v, err := e.variants[i](m.ctx)
	return v, e, err
}
