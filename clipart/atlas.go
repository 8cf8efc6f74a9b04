package clipart

import (
	"embed"
	"fmt"
	"image"
	"image/png"
	"sync"
)

//go:embed atlas
var atlasFiles embed.FS

// TileSize is the side in pixels of the square that a drawing fills in the atlas; TileMargin is
// the empty border inside it.
const (
	TileSize   = 96
	TileMargin = 2
)

// sprites returns the drawings of the class with the given index in [Classes]. It decodes them at
// their first use.
func sprites(class int) ([]*sprite, error) { return loaders()[class]() }

var loaders = sync.OnceValue(func() []func() ([]*sprite, error) {
	w := classes()
	list := make([]func() ([]*sprite, error), len(w.names))
	for i, name := range w.names {
		list[i] = sync.OnceValues(func() ([]*sprite, error) { return loadSprites(name, w.drawings[i]) })
	}
	return list
})

// loadSprites decodes the atlas image of a class.
func loadSprites(class string, drawings int) ([]*sprite, error) {
	name := "atlas/" + AtlasFile(class)
	f, err := atlasFiles.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open drawings of %s: %w", class, err)
	}
	defer f.Close()
	decoded, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("decode drawings of %s: %w", class, err)
	}
	strip, ok := decoded.(*image.NRGBA)
	if want := image.Rect(0, 0, TileSize*drawings, TileSize); !ok || strip.Rect != want {
		return nil, fmt.Errorf("decode drawings of %s: %T of %v, want NRGBA of %v", class, decoded, decoded.Bounds(), want)
	}
	list := make([]*sprite, drawings)
	for i := range list {
		list[i] = newSprite(strip, i*TileSize)
	}
	return list, nil
}
