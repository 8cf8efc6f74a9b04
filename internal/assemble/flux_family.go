package assemble

import (
	"cmp"
	"context"
	"path/filepath"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
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

	components []flux.Component
	// text is how many tokens a prompt has, and references how many tokens an image's
	// reference has.
	text       int
	references func(image flux.Grid) int
	memory     func(width, height int, reference bool) (int64, error)
	check      func() (flux.Problems, error)
	checksums  func(ctx context.Context) (files int, err error)
	load       func(corrector *safetensors.File) (flux.Model, error)
}

// defaultSide is the side of images in pixels where a model does not say.
const defaultSide = 1024

// openFlux reads the configuration of a diffusers folder.
func openFlux(path string) (*fluxFamily, error) {
	folder, err := flux1.OpenFolder(path)
	if err != nil {
		return nil, err
	}
	settings, err := folder.Settings()
	if err != nil {
		return nil, err
	}
	return flux1Family(folder, settings), nil
}

// flux1Family describes a model of FLUX.1. Steps and guidance of a folder that does not
// name its own are those that its makers recommend for dev and for schnell.
func flux1Family(folder *flux1.Folder, settings flux1.Settings) *fluxFamily {
	f := &fluxFamily{
		what:  "FLUX.1 without guidance (as schnell)",
		width: cmp.Or(settings.Width, defaultSide), height: cmp.Or(settings.Height, defaultSide), steps: cmp.Or(settings.Steps, 4),
		guidance: settings.Guidance, sizes: folder.Sizes(settings),
		corrects: folder.Files.Has(flux1.CorrectorFile), takesCorrector: true,
		components: folder.Components(), text: settings.TextLength,
		references: func(image flux.Grid) int { return settings.ConditionGrid(image).Tokens() },
		memory: func(width, height int, reference bool) (int64, error) {
			return folder.Memory(settings, width, height, reference)
		},
		check: folder.CheckWeights, checksums: folder.VerifyChecksums,
		load: func(corrector *safetensors.File) (flux.Model, error) { return flux1.LoadModel(folder, corrector) },
	}
	if folder.Transformer.GuidanceEmbeds {
		f.what = "FLUX.1 with guidance (as dev and Krea)"
		f.steps, f.guidance = cmp.Or(settings.Steps, 50), cmp.Or(settings.Guidance, 3.5)
	}
	return f
}

// weightFolders are the folders of a model's networks.
func (f *fluxFamily) weightFolders(path string) []string {
	var folders []string
	for _, c := range f.components {
		folders = append(folders, filepath.Join(path, c.Prefix))
	}
	return folders
}
