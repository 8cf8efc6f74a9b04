package tuning

import (
	"context"
	"image"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// Autoencoder is the recipe of the autoencoder.
type Autoencoder struct {
	Widths []int `yaml:"widths"` // channels per level, the finest first
	Latent int   `yaml:"latent"` // channels of the latents
	Layers int   `yaml:"layers"` // residual blocks per level
	Groups int   `yaml:"groups"` // of the group norms
	// Crop is the side of the training crops in pixels. The network is convolutional: what it
	// learns on crops applies to whole images.
	Crop     int     `yaml:"crop"`
	Square   float64 `yaml:"square"`   // weight of the squared error, which reduces large color errors first
	Gradient float64 `yaml:"gradient"` // weight of the L1 loss between image gradients
	KL       float64 `yaml:"kl"`       // weight of the latents' divergence from a unit normal
	// Halved is the weight of the L1 error of half-sized latents decoded into the half-sized
	// image. Latents that mean the same at both scales keep the layout in their low
	// frequencies, which makes them easier to denoise (arXiv 2502.14831 §3.3).
	Halved float64 `yaml:"halved"`
	Train  Config  `yaml:"train"`
}

func (a Autoencoder) config() flux.AutoencoderConfig {
	return flux.NewAutoencoder(a.Widths, a.Latent, a.Layers, a.Groups, false)
}

// autoencoderTask learns to encode and decode crops of rendered scenes. The loss is that of
// latent diffusion without the discriminator (arXiv 2112.10752 §3.1): L1, squared error, L1
// of image gradients and KL, and L1 at half the scale.
func autoencoderTask(backend compute.Backend, w World, a Autoencoder) (Task, error) {
	cfg := a.config()
	if err := cfg.Validate(); err != nil {
		return Task{}, err
	}
	scenes, err := newScenes(w)
	if err != nil {
		return Task{}, err
	}
	side := a.Crop / cfg.Factor()
	return Task{
		Name: "autoencoder",
		Inputs: []shapes.Shape{
			shapes.Make(dtypes.Uint8, a.Train.Batch, a.Crop, a.Crop, 3),
			shapes.Make(dtypes.Float32, a.Train.Batch, side, side, a.Latent),
		},
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			return autoencoderLoss(s.In(flux1.VAEPrefix), a, in[0], in[1])
		},
		Watched:   []string{"l1", "kl"},
		Trainable: underPrefix(flux1.VAEPrefix),
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(a.Train.Seed, index))
			images, err := scenes.crops(rng, a.Train.Batch, a.Crop)
			if err != nil {
				return nil, err
			}
			return []*tensors.Tensor{images, normal(rng, a.Train.Batch, side, side, a.Latent)}, nil
		},
		Sample: func(_ context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
			return reconstruct(backend, averaged, cfg, w, path)
		},
	}, nil
}

func autoencoderLoss(s nn.Scope, a Autoencoder, bytes, noise *Node) (*Node, []*Node) {
	images := nn.Images(bytes)
	mean, logvar := flux.Encode(s, a.config(), images)
	latents := Add(mean, Mul(Exp(MulScalar(logvar, 0.5)), noise))
	decoded := flux.Decode(s, a.config(), latents)
	l1 := ReduceAllMean(Abs(Sub(decoded, images)))
	edges := Add(
		ReduceAllMean(Abs(Sub(differences(decoded, 1), differences(images, 1)))),
		ReduceAllMean(Abs(Sub(differences(decoded, 2), differences(images, 2)))))
	kl := MulScalar(ReduceAllMean(Sub(Add(Square(mean), Exp(logvar)), OnePlus(logvar))), 0.5)
	squared := ReduceAllMean(Square(Sub(decoded, images)))
	loss := Add(Add(l1, MulScalar(squared, a.Square)), Add(MulScalar(edges, a.Gradient), MulScalar(kl, a.KL)))
	if a.Halved > 0 {
		small := flux.Decode(s, a.config(), halved(latents))
		loss = Add(loss, MulScalar(ReduceAllMean(Abs(Sub(small, halved(images)))), a.Halved))
	}
	return loss, []*Node{l1, kl}
}

// halved averages 2×2 neighbors of x [B, H, W, C].
func halved(x *Node) *Node {
	d := x.Shape().Dimensions
	return ReduceMean(Reshape(x, d[0], d[1]/2, 2, d[2]/2, 2, d[3]), 2, 4)
}

// differences returns the differences between neighbors along an axis of x [B, H, W, C].
func differences(x *Node, axis int) *Node {
	n := x.Shape().Dim(axis)
	return Sub(SliceAxis(x, axis, AxisRange(1, n)), SliceAxis(x, axis, AxisRange(0, n-1)))
}

const reconstructions = 16

// reconstruct saves a sheet of held-out scenes above their reconstructions, and returns the
// peak signal-to-noise ratio in dB and the moments of the latents.
func reconstruct(backend compute.Backend, store *nn.Store, cfg flux.AutoencoderConfig, w World, path string) (map[string]float64, error) {
	scenes, err := newScenes(w)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(validationSeed, 0))
	images, err := scenes.crops(rng, reconstructions, w.Size)
	if err != nil {
		return nil, err
	}
	p, err := nn.Compile(backend, store, []shapes.Shape{images.Shape()}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		s = s.In(flux1.VAEPrefix)
		mean, _ := flux.Encode(s, cfg, nn.Images(in[0]))
		return []*Node{flux.Decode(s, cfg, mean), mean}, nil
	}, nn.Options{Name: "reconstruction"})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	out, err := p.Run(images)
	if err != nil {
		return nil, err
	}
	decoded := imagesFromFloats(out[0])
	originals := imagesFromBytes(images)
	var grid []image.Image
	grid = append(append(grid, originals[:8]...), decoded[:8]...)
	grid = append(append(grid, originals[8:]...), decoded[8:]...)
	mean, deviation := moments(tensors.MustCopyFlatData[float32](out[1]))
	measured := map[string]float64{"psnr_db": psnr(originals, decoded), "latent_mean": mean, "latent_std": deviation}
	return measured, saveGrid(path, grid, 8)
}

func psnr(a, b []image.Image) float64 {
	var sum, n float64
	for i := range a {
		pa, pb := a[i].(*image.NRGBA).Pix, b[i].(*image.NRGBA).Pix
		for j := range pa {
			if j%4 != 3 {
				d := float64(pa[j]) - float64(pb[j])
				sum, n = sum+d*d, n+1
			}
		}
	}
	return 10 * math.Log10(255*255*n/sum)
}

// moments returns mean and standard deviation of all values.
func moments(values []float32) (mean, deviation float64) {
	for _, v := range values {
		mean += float64(v) / float64(len(values))
	}
	for _, v := range values {
		deviation += (float64(v) - mean) * (float64(v) - mean) / float64(len(values))
	}
	return mean, math.Sqrt(deviation)
}
