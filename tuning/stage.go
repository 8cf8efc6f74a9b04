package tuning

import (
	"context"
	"fmt"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
)

// Stage is one training of a [Recipe]: one network, or the base with its text encoders.
type Stage struct {
	Name    string
	Summary string // one line, without a full stop
	Help    string // what it learns, from which data, and what it writes
	train   func(context.Context, Recipe, StageOptions) error
}

// Stages lists the stages in the order in which they build on each other.
func Stages() []Stage {
	return []Stage{
		{
			Name: "autoencoder", Summary: "Train the autoencoder: images to latents and back",
			Help: `Learn to encode images as latents and to decode them, on crops of rendered scenes.
It needs no earlier stage. It writes DIR/model/vae and reports the peak
signal-to-noise ratio on scenes of the validation split.`,
			train: trainAutoencoder,
		},
		{
			Name: "base", Summary: "Train the base: the transformer and both text encoders",
			Help: `Learn to denoise the latents of rendered scenes, given their captions.
It needs the autoencoder. It encodes the scenes once and keeps their latents in
DIR/base. It writes the transformer, the text encoders and the tokenizers to
DIR/model, and a sheet of images of validation prompts to DIR/base.`,
			train: trainBase,
		},
		{
			Name: DetectorPrefix, Summary: "Train the detector, on which the embedded verifier is built",
			Help: `Learn to find objects with their class, color and box, on rendered scenes and,
if the recipe asks for it, on scenes that the base has redrawn (which needs the
base). After training it fits the confidence above which a detection is an object.
It writes DIR/model/detector.`,
			train: func(ctx context.Context, r Recipe, o StageOptions) error {
				return trainDetector(ctx, DetectorPrefix, r, o)
			},
		},
		{
			Name: "corrector", Summary: "Train the corrector: a LoRA that follows reflections",
			Help: `Tune a LoRA on the frozen base that generates the enhanced image, given a flawed
one and a reflection. It needs the base. It learns from rendered pairs and from the
triplets of the GenRef set that the recipe names; a relative path is relative to DIR.
With a detector it reports the share of corrections that meet their prompt.
It writes DIR/model/pytorch_lora_weights.safetensors and adapter_config.json.

A recipe with "corrector: {model: PATH, size: 512, triplets: SET, …}" trains a LoRA
on a model of FLUX.1 or FLUX.2 of your own, from triplets only and one block at a
time; --dry-run says what that takes. See docs/guides/tuning.md.`,
			train: trainCorrector,
		},
		{
			Name: VerifierPrefix, Summary: "Train the pairwise verifier: which of two images fits a prompt better",
			Help: `Learn to score the image that fits a prompt above one that does not, on rendered
pairs, on scenes that the base has redrawn, and on the triplets of the GenRef set
that the recipe names; a relative path is relative to DIR. It starts from the
detector's image encoder if the recipe says so. It writes DIR/model/verifier.`,
			train: trainVerifier,
		},
		{
			Name: JudgePrefix, Summary: "Train the judge: the detector of evaluations, which no search uses",
			Help: `Learn to find objects, as the detector does, with another architecture and on other
scenes, so that an evaluation does not share the verifier's mistakes. It needs the
base if the recipe asks for scenes that the base has redrawn.
It writes DIR/model/judge.`,
			train: func(ctx context.Context, r Recipe, o StageOptions) error {
				return trainDetector(ctx, JudgePrefix, r, o)
			},
		},
	}
}

// Train trains one stage of the recipe, by its name, and writes the result into the
// model folder, with the checksums of its files. An unknown stage, a recipe that does not fit, and an earlier stage that
// is not trained yet are errors wrapping [reflectionflow.ErrInvalid]. When ctx ends,
// Train saves a checkpoint and returns the error of ctx.
func Train(ctx context.Context, stage string, r Recipe, opts StageOptions) error {
	var names []string
	for _, s := range Stages() {
		if s.Name == stage {
			if stage != "corrector" && r.Corrector.Model != "" {
				return fmt.Errorf("%w: the recipe is for the stage corrector: it names a model", reflectionflow.ErrInvalid)
			}
			if err := s.train(ctx, r, opts); err != nil {
				return err
			}
			if opts.DryRun {
				return nil
			}
			return flux.WriteChecksums(ctx, opts.model())
		}
		names = append(names, s.Name)
	}
	return fmt.Errorf("%w: unknown stage %.40q: use one of %s", reflectionflow.ErrInvalid, stage, strings.Join(names, ", "))
}
