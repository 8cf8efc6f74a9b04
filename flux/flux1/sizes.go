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
