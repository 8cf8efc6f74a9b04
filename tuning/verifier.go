package tuning

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
	"reflectionflow/verifier/reward"
	"reflectionflow/weights/safetensors"
)

// trainDetector trains the detector or, with [JudgePrefix], the judge.
func trainDetector(ctx context.Context, prefix string, r Recipe, opts StageOptions) error {
	d := &r.Detector
	if prefix == JudgePrefix {
		d = &r.Judge
	}
	job := opts.job(prefix, &d.Train)
	store := nn.NewStore()
	if err := r.loadStart(store, prefix, flux.TransformersStem, "head"); err != nil {
		return err
	}
	redrawn, err := openRedrawnScenes(ctx, opts, prefix, r, *d)
	if err != nil {
		return err
	}
	task, err := detectorTask(opts.Backend, prefix, r.World, *d, redrawn)
	if err != nil {
		return err
	}
	if err := Run(ctx, store, task, job); err != nil {
		return err
	}
	cfg, err := d.config(r.World)
	if err != nil {
		return err
	}
	held, err := heldOutSets(r.World, d.Degrade, redrawn.held)
	if err != nil {
		return err
	}
	detector, err := detect.New(opts.Backend, cfg, store, prefix)
	if err != nil {
		return err
	}
	defer detector.Close() //nolint:errcheck // the weights stay in the store
	if cfg.Threshold, err = fitThreshold(ctx, detector, held); err != nil {
		return fmt.Errorf("fit the threshold: %w", err)
	}
	return detect.Save(filepath.Join(opts.model(), prefix), cfg, store, prefix, safetensors.BF16)
}

// trainVerifier trains the pairwise verifier.
func trainVerifier(ctx context.Context, r Recipe, opts StageOptions) error {
	v := r.Verifier
	job := opts.job(VerifierPrefix, &v.Train)
	store := nn.NewStore()
	if v.StartFromDetector {
		trained := nn.NewStore()
		if err := flux.LoadWeights(trained, DetectorPrefix, filepath.Join(opts.model(), DetectorPrefix), flux.TransformersStem); err != nil {
			return fmt.Errorf("the verifier starts from a trained detector: train the stage detector first: %w", err)
		}
		if err := startFromDetector(store, trained, DetectorPrefix); err != nil {
			return err
		}
	}
	generated, err := generatedPairs(v, opts)
	if err != nil {
		return err
	}
	var redrawn redrawnSplits
	if v.Redrawn > 0 {
		redrawn, err = openRedrawnScenes(ctx, opts, DetectorPrefix, r, r.Detector)
		if err != nil {
			return err
		}
	}
	task, err := rewardTask(opts.Backend, r.World, v, generated, redrawn.training)
	if err != nil {
		return err
	}
	if err := Run(ctx, store, task, job); err != nil {
		return err
	}
	cfg, err := v.config(r.World)
	if err != nil {
		return err
	}
	return reward.Save(filepath.Join(opts.model(), VerifierPrefix), cfg, store, VerifierPrefix, safetensors.BF16)
}

// generatedPairs reads the pairs of images that the base generated; nil for none.
func generatedPairs(v Reward, opts StageOptions) (Pairs, error) {
	if v.Generated == 0 || v.Triplets == "" {
		return nil, nil
	}
	dir := v.Triplets
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(opts.Out, dir)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: verifier: %s does not exist: build its triplets with genref build, or set drawn to 0", reflectionflow.ErrInvalid, dir)
	}
	triplets, err := readTriplets(dir)
	if err != nil {
		return nil, err
	}
	if len(triplets) == 0 {
		return nil, fmt.Errorf("%w: verifier: %s has no triplets", reflectionflow.ErrInvalid, dir)
	}
	return TripletPairs(triplets), nil
}
