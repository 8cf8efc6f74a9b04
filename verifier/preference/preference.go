// Package preference scores images as people rate them, by networks on top of CLIP: LAION's aesthetic predictor,
// PickScore (arXiv 2305.01569) and HPSv2 (arXiv 2306.09341), from Hugging Face folders.
//
//	v, err := preference.Open(ctx, preference.Options{Path: "PickScore_v1"})
//	defer v.Close()
//	scores, err := v.Verify(ctx, images)
//
// They give a value and no findings.
package preference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/vision/clip"
)

// Kind says how the value is computed.
type Kind string

// The kinds.
const (
	// Aesthetic rates the image alone, about 1 to 10: an affine map of CLIP L/14's vector.
	Aesthetic Kind = "aesthetic"
	// PickScore is CLIP H/14's logit for image and prompt, about 18 to 24.
	PickScore Kind = "pickscore"
	// HPSv2 is CLIP H/14's similarity of image and prompt, about 0.2 to 0.35.
	HPSv2 Kind = "hpsv2"
)

// Options say which network to load and what it computes on.
type Options struct {
	// Path is the folder of the CLIP network.
	Path string
	// Head is the file of the aesthetic predictor's layers; empty for other kinds.
	Head string
	// Kind is empty where it follows from Head or from the name of the folder or of its configuration.
	Kind Kind
	// Backend is that of [clip.Options].
	Backend string
}

// Verifier scores images. It is safe for concurrent use.
type Verifier struct {
	model *clip.Model
	kind  Kind
	head  affine
}

// Open loads a network. Options that do not say which kind it is, and files that are missing, damaged or of another
// network, give an error wrapping [reflectionflow.ErrInvalid].
func Open(ctx context.Context, o Options) (*Verifier, error) {
	kind, err := o.kind()
	if err != nil {
		return nil, err
	}
	model, err := clip.Open(ctx, o.Path, clip.Options{Backend: o.Backend, Family: clip.CLIP})
	if err != nil {
		return nil, err
	}
	v := &Verifier{model: model, kind: kind}
	if kind == Aesthetic {
		if v.head, err = readHead(o.Head, model.Width()); err != nil {
			return nil, errors.Join(err, model.Close())
		}
	}
	return v, nil
}

// Check reports options that do not say which kind it is, or contradict one another, without loading the network. The
// error wraps [reflectionflow.ErrInvalid].
func (o Options) Check() error {
	_, err := o.kind()
	return err
}

// kind returns the kind that the options name or that follows from the files.
func (o Options) kind() (Kind, error) {
	kind := o.Kind
	if kind == "" {
		kind = o.guess()
	}
	fail := func(problem string) error { return fmt.Errorf("%w: %s", reflectionflow.ErrInvalid, problem) }
	switch kind {
	case "":
		if problem := o.unfit(); problem != "" {
			return "", fail(problem)
		}
		return "", fail("PickScore and HPSv2 are the same network with other weights: name the kind, pickscore or hpsv2, or the head of an aesthetic predictor")
	case Aesthetic:
		if o.Head == "" {
			return "", fail("an aesthetic predictor needs a head: the file with its layers")
		}
	case PickScore, HPSv2:
		if o.Head != "" {
			return "", fail("only an aesthetic predictor has a head")
		}
	default:
		return "", fail(fmt.Sprintf("unknown kind %.40q: use aesthetic, pickscore or hpsv2", kind))
	}
	return kind, nil
}

// unfit says why the folder cannot hold CLIP; empty where it may.
func (o Options) unfit() string {
	if _, err := os.Stat(o.Path); err != nil {
		return fmt.Sprintf("there is no folder %s", o.Path)
	}
	text, err := os.ReadFile(filepath.Join(o.Path, "config.json"))
	if err != nil {
		return fmt.Sprintf("%s holds no network: there is no config.json", o.Path)
	}
	var j struct {
		Type string `json:"model_type"`
	}
	if json.Unmarshal(text, &j) == nil && j.Type != "" && j.Type != "clip" {
		return fmt.Sprintf("%s holds a network of type %.40q, and a reward needs CLIP", o.Path, j.Type)
	}
	return ""
}

// guess is the kind that the files show, empty where they do not.
func (o Options) guess() Kind {
	if o.Head != "" {
		return Aesthetic
	}
	names := []string{filepath.Base(filepath.Clean(o.Path))}
	if text, err := os.ReadFile(filepath.Join(o.Path, "config.json")); err == nil {
		var j struct {
			Name string `json:"_name_or_path"`
		}
		if json.Unmarshal(text, &j) == nil { // otherwise opening the folder says what is wrong
			names = append(names, j.Name)
		}
	}
	for _, name := range names {
		switch name = strings.ToLower(name); {
		case strings.Contains(name, "pickscore"):
			return PickScore
		case strings.Contains(name, "hps"):
			return HPSv2
		}
	}
	return ""
}

// Close frees the network. No Verify may run or follow.
func (v *Verifier) Close() error { return v.model.Close() }

// Kind returns how the value is computed.
func (v *Verifier) Kind() Kind { return v.kind }

// Notes says, for people, what was assumed because the folder lacks files.
func (v *Verifier) Notes() []string { return v.model.Notes() }

// Abilities implements [reflectionflow.DeclaringVerifier]: no findings.
func (v *Verifier) Abilities() reflectionflow.Abilities { return reflectionflow.Abilities{} }

// Verify implements [reflectionflow.Verifier].
func (v *Verifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	start := time.Now()
	plain := make([]image.Image, len(images))
	texts := make([]string, len(images))
	for i, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return nil, err
		}
		plain[i], texts[i] = p.Image, p.Prompt.Text
	}
	vectors, err := v.model.Images(ctx, plain)
	if err != nil {
		return nil, fmt.Errorf("rate images: %w", err)
	}
	var prompts [][]float32
	if v.kind != Aesthetic {
		if prompts, err = v.model.Texts(ctx, texts); err != nil {
			return nil, fmt.Errorf("rate images: %w", err)
		}
	}
	scores := make([]reflectionflow.Score, len(images))
	for i := range images {
		switch v.kind {
		case Aesthetic:
			scores[i].Value = v.head.of(vectors[i])
		case PickScore:
			scores[i].Value = v.model.Logit(vectors[i], prompts[i])
		default:
			scores[i].Value = clip.Cosine(vectors[i], prompts[i])
		}
		scores[i].Detail = fmt.Sprintf("%s %.4g", v.kind, scores[i].Value)
		scores[i].Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds() / float64(len(images))}
	}
	return scores, ctx.Err()
}
