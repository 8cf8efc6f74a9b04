package assemble

import (
	"cmp"
	"context"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/lora"
	"reflectionflow/internal/config"
	"reflectionflow/weights/safetensors"
)

// fluxFamily is a FLUX model of one architecture, by its configuration: the weights are
// not read.
type fluxFamily struct {
	what string // one line
	// Defaults and bounds of a request.
	width, height, steps int
	guidance             float64
	sizes                flux.Sizes
	// corrects is set for a model that corrects images as it is, takesCorrector for one
	// that can be given a LoRA for it.
	corrects, takesCorrector bool
	references               int // how many it takes; 0 for one, if any

	files      flux.Files
	open       []io.Closer // the files that are open
	components []flux.Component
	text       int // how many tokens a prompt has
	// frame reports a reference of a size that the model cannot use; nil for one that
	// uses any.
	frame     func(reference image.Point) error
	check     func() (flux.Problems, error)
	checksums func(ctx context.Context) (files int, err error)
	load      func(corrector *safetensors.File) (flux.Model, error)
	// networks lists what LoRAs can adapt.
	networks func() ([]lora.Network, error)
}

// defaultSide is the side of images in pixels where a model does not say.
const defaultSide = 1024

// openFlux opens a model: a diffusers folder, whose pipeline's class says of which
// architecture it is, or files.
func openFlux(path string, w config.Weights) (*fluxFamily, error) {
	var parts *partFiles
	if _, err := os.Stat(filepath.Join(path, indexFile)); err == nil {
		files, err := flux.OpenFiles(path)
		if err != nil {
			return nil, err
		}
		var index flux.ModelIndex
		if err := files.ReadConfig(indexFile, &index, "_class_name"); err != nil {
			return nil, err
		}
		name := "FLUX.1"
		if strings.HasPrefix(index.ClassName, "Flux2") {
			name = "FLUX.2"
		}
		if parts, err = overlay(name, files, w); err != nil {
			return nil, err
		}
	} else if parts, err = openFiles(path, w); err != nil {
		return nil, err
	}
	family, err := parts.family()
	if err != nil {
		parts.close()
		return nil, err
	}
	family.files, family.open = parts.files, parts.open
	return family, nil
}

// indexFile makes a folder one of diffusers.
const indexFile = "model_index.json"

// family describes the model of the files.
func (p *partFiles) family() (*fluxFamily, error) {
	if p.architecture.name == "FLUX.2" {
		folder, err := flux2.ReadFolder(p.files)
		if err != nil {
			return nil, err
		}
		return flux2Family(folder), nil
	}
	folder, err := flux1.ReadFolder(p.files)
	if err != nil {
		return nil, err
	}
	if p.kontext { // its shapes are those of dev
		folder.Index.ClassName = flux1.KontextClass
	}
	settings, err := folder.Settings()
	if err != nil {
		return nil, err
	}
	return flux1Family(folder, settings), nil
}

// flux2Family describes a model of FLUX.2. Steps and guidance are those that its makers
// recommend.
func flux2Family(folder *flux2.Folder) *fluxFamily {
	unit := 2 * folder.VAE.Factor()
	sides := flux.Range{Min: 256, Max: 2048}
	f := &fluxFamily{
		what:  "FLUX.2 [klein], distilled",
		width: defaultSide, height: defaultSide, steps: 4, guidance: 1,
		sizes: flux.Sizes{Width: sides, Height: sides, Multiple: unit}, corrects: true, references: reflectionflow.MaxReferences,
		components: folder.Components(), text: folder.Settings.TextLength,
		check: folder.CheckWeights, checksums: folder.VerifyChecksums,
		load:     func(*safetensors.File) (flux.Model, error) { return flux2.LoadModel(folder) },
		networks: folder.Networks,
	}
	f.frame = func(reference image.Point) error {
		_, err := (&flux2.Model{Folder: folder}).Frame(reference, flux.Grid{})
		return err
	}
	switch {
	case !folder.Files.Has(indexFile):
		f.what = "FLUX.2 [klein], distilled or base (which its file does not say)"
	case !folder.Distilled:
		f.what, f.steps, f.guidance = "FLUX.2 [klein], base", 50, 4
	}
	return f
}

// flux1Family describes a model of FLUX.1. Steps and guidance of a folder that does not
// name its own are those that its makers recommend for dev and for schnell.
func flux1Family(folder *flux1.Folder, settings flux1.Settings) *fluxFamily {
	f := &fluxFamily{
		what:  "FLUX.1 without guidance (as schnell)",
		width: cmp.Or(settings.Width, defaultSide), height: cmp.Or(settings.Height, defaultSide), steps: cmp.Or(settings.Steps, 4),
		guidance: settings.Guidance, sizes: folder.Sizes(settings),
		corrects: folder.Edits() || folder.Files.Has(flux1.CorrectorFile), takesCorrector: !folder.Edits(),
		components: folder.Components(), text: settings.TextLength,
		check: folder.CheckWeights, checksums: folder.VerifyChecksums,
		load:     func(corrector *safetensors.File) (flux.Model, error) { return flux1.LoadModel(folder, corrector) },
		networks: folder.Networks,
	}
	if folder.Transformer.GuidanceEmbeds {
		f.what = "FLUX.1 with guidance (as dev and Krea)"
		f.steps, f.guidance = cmp.Or(settings.Steps, 50), cmp.Or(settings.Guidance, 3.5)
	}
	if folder.Edits() {
		f.what, f.steps, f.guidance = "FLUX.1 Kontext", cmp.Or(settings.Steps, 30), cmp.Or(settings.Guidance, 2.5)
	}
	return f
}
