package flux1

import "reflectionflow/flux"

// The sides of the images that FLUX.1 was made for: 0.1 to 2 megapixels at common
// aspect ratios.
const (
	defaultMinSide = 256
	defaultMaxSide = 2048
)

// Sizes returns the sizes that the model was made for: by the bounds of the settings,
// or else the one size that they name, or else FLUX.1's.
func (f *Folder) Sizes(settings Settings) flux.Sizes {
	s := flux.Sizes{Multiple: 2 * f.VAE.Factor(), Width: flux.Range{Min: defaultMinSide, Max: defaultMaxSide}}
	s.Height = s.Width
	switch {
	case settings.MinSide > 0 || settings.MaxSide > 0:
		s.Width = flux.Range{Min: max(settings.MinSide, s.Multiple), Max: settings.MaxSide}
		if settings.MaxSide == 0 {
			s.Width.Max = max(defaultMaxSide, settings.MinSide)
		}
		s.Height = s.Width
	case settings.Width > 0 && settings.Height > 0:
		s.Width, s.Height = flux.Range{Min: settings.Width, Max: settings.Width}, flux.Range{Min: settings.Height, Max: settings.Height}
	}
	return s
}

// Memory estimates the bytes that generating one image takes at the peak on the CPU:
// weights plus the larger of a denoising step and the autoencoder. reference is for
// images that start from one. Measured peaks are within a factor of two of it.
// Options.Workers images at once take the part beyond the weights as often.
func (f *Folder) Memory(settings Settings, width, height int, reference bool) (int64, error) {
	weights := int64(0)
	for _, c := range f.Components() {
		bytes, err := c.Bytes()
		if err != nil {
			return 0, err
		}
		weights += bytes
	}
	return weights + f.Working(settings, width, height, reference), nil
}

// Working is the part of [Folder.Memory] beyond the weights.
func (f *Folder) Working(settings Settings, width, height int, reference bool) int64 {
	unit := 2 * f.VAE.Factor()
	image := flux.Grid{Rows: (height + unit - 1) / unit, Cols: (width + unit - 1) / unit}
	tokens := int64(settings.TextLength + image.Tokens())
	if reference {
		tokens += int64(settings.ConditionGrid(image).Tokens())
	}
	step := flux.StepPeak(tokens, f.Transformer.Hidden(), f.Transformer.NumAttentionHeads)
	if settings.ClassifierFreeGuidance {
		step *= 2
	}
	return 4 * max(step, f.VAE.Peak(width, height))
}
