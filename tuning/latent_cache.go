package tuning

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// latentCache holds images as latent tokens. They are encoded once, as encoding an image
// costs more than a training step on it.
type latentCache struct {
	grid     flux.Grid
	channels int
	tokens   []float32 // [n, grid.Tokens(), channels]
}

// at returns the tokens of image i.
func (b *latentCache) at(i int) []float32 {
	n := b.grid.Tokens() * b.channels
	return b.tokens[i*n : (i+1)*n]
}

// latentEncoder encodes images of one size with a trained autoencoder.
type latentEncoder struct {
	program *nn.Program
	config  flux.AutoencoderConfig
	grid    flux.Grid
	side    int
	print   uint64 // hash of the autoencoder's weights
	opts    StageOptions
}

// encodeBatchSize is the number of images per run of the encoder.
const encodeBatchSize = 16

func newLatentEncoder(opts StageOptions, store *nn.Store, cfg flux.AutoencoderConfig, side int) (*latentEncoder, error) {
	unit := 2 * cfg.Factor()
	b := &latentEncoder{opts: opts, config: cfg, side: side, grid: flux.Grid{Rows: side / unit, Cols: side / unit}}
	shape := shapes.Make(dtypes.Uint8, encodeBatchSize, side, side, 3)
	var err error
	b.program, err = nn.Compile(opts.Backend, store, []shapes.Shape{shape}, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		mean, _ := flux.Encode(s.In(flux1.VAEPrefix), cfg, nn.Images(in[0]))
		return []*graph.Node{flux.Pack(cfg.Scale(mean))}, nil
	}, nn.Options{Name: "encoder"})
	if err != nil {
		return nil, err
	}
	b.print, err = fingerprint(store, flux1.VAEPrefix)
	return b, err
}

// fingerprint hashes the weights under a prefix.
func fingerprint(store *nn.Store, prefix string) (uint64, error) {
	h := fnv.New64a()
	for _, name := range store.Names(prefix + ".") {
		values, err := store.Values(name)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(h, name, values)
	}
	return h.Sum64(), nil
}

// open returns the cache in a file if the same autoencoder made it with the same key.
// Otherwise it encodes n images, which render writes as bytes [side, side, 3], and stores
// their latents in half precision.
func (b *latentEncoder) open(ctx context.Context, path, key string, n int, render func(i int, pixels []uint8) error) (*latentCache, error) {
	// The form of the key must not change: images with another key are encoded again.
	key = fmt.Sprintf("%s, %d pictures of %d, autoencoder %x", key, n, b.side, b.print)
	kept, err := b.read(path, key, n)
	if kept != nil || err != nil {
		return kept, err
	}
	tokens, err := b.encode(ctx, n, render)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	tensor := safetensors.Tensor{Name: "tokens", Shape: []int{n, b.grid.Tokens(), b.channels()}, DType: safetensors.F16, Values: tokens}
	if err := safetensors.Write(path, []safetensors.Tensor{tensor}, map[string]string{"key": key}); err != nil {
		return nil, err
	}
	return b.read(path, key, n) // rounded to half precision, as a resumed run reads them
}

// read returns the cache in a file, or nil if there is none with that key.
func (b *latentEncoder) read(path, key string, n int) (*latentCache, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	if file.Metadata()["key"] != key {
		return nil, nil
	}
	tokens, err := file.Float32Shape("tokens", n, b.grid.Tokens(), b.channels())
	return &latentCache{grid: b.grid, channels: b.channels(), tokens: tokens}, err
}

func (b *latentEncoder) channels() int { return 4 * b.config.LatentChannels }

// encode encodes n images, several batches in parallel. render may be called from several
// goroutines.
func (b *latentEncoder) encode(ctx context.Context, n int, render func(i int, pixels []uint8) error) ([]float32, error) {
	batches := (n + encodeBatchSize - 1) / encodeBatchSize
	each := encodeBatchSize * b.grid.Tokens() * b.channels()
	tokens := make([]float32, batches*each)
	err := inParallel(ctx, batches, b.opts.preparing("encode images", encodeBatchSize, n), func(i int) error {
		return b.encodeBatch(i*encodeBatchSize, n, tokens[i*each:(i+1)*each], render)
	})
	return tokens[:n*b.grid.Tokens()*b.channels()], err
}

// inParallel calls do for 0 to n-1, with as many calls at a time as there are processors.
// After each call it calls report, one call at a time, with the number of calls done. When
// ctx ends it starts no more calls and returns ctx.Err().
func inParallel(ctx context.Context, n int, report func(done int), do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var mu sync.Mutex
	done := 0
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
				mu.Lock()
				done++
				report(done)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

func (b *latentEncoder) encodeBatch(first, n int, tokens []float32, render func(i int, pixels []uint8) error) error {
	size := b.side * b.side * 3
	pixels := make([]uint8, encodeBatchSize*size)
	for i := range min(encodeBatchSize, n-first) {
		if err := render(first+i, pixels[i*size:(i+1)*size]); err != nil {
			return err
		}
	}
	out, err := b.program.Run(tensors.FromFlatDataAndDimensions(pixels, encodeBatchSize, b.side, b.side, 3))
	if err != nil {
		return err
	}
	copy(tokens, tensors.MustCopyFlatData[float32](out[0]))
	return out[0].FinalizeAll()
}
