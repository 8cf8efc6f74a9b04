// Command atlasgen generates the atlas of package clipart from the table clipart/sources.tsv.
// Maintainers run it after a change of the table or of a drawing, from the root of the repository:
//
//	npm install --prefix clipart/atlasgen
//	go run ./clipart/atlasgen
//
// The first command fetches the icon sets and the SVG rasterizer sharp (librsvg) in the versions
// of clipart/atlasgen/package.json; they are not part of the repository. A new class first needs
// an empty file of its name in clipart/atlas, because the atlas is compiled in.
package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"reflectionflow/clipart"
)

// rasterSide is the longer side in pixels at which drawings are rasterized before they are
// reduced.
const rasterSide = 768

func main() {
	dir := flag.String("dir", "clipart", "folder of package clipart")
	modules := flag.String("modules", "clipart/atlasgen/node_modules", "folder that npm installed the icon sets into")
	flag.Parse()
	if err := run(*dir, *modules); err != nil {
		fmt.Fprintln(os.Stderr, "atlasgen:", err)
		os.Exit(1)
	}
}

func run(dir, modules string) error {
	work, err := os.MkdirTemp("", "atlasgen")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	sources := clipart.Sources()
	sets := iconSets{modules: modules, drawings: filepath.Join(dir, "atlasgen", "drawings")}
	for i, s := range sources {
		svg, err := sets.svg(s)
		if err != nil {
			return fmt.Errorf("%s drawing %d: %w", s.Class, s.Drawing, err)
		}
		if err := os.WriteFile(rasterPath(work, i, "svg"), svg, 0o644); err != nil {
			return err
		}
	}
	script := filepath.Join(dir, "atlasgen", "rasterise.mjs")
	node := exec.CommandContext(context.Background(), "node", script, work, strconv.Itoa(rasterSide), modules) //nolint:gosec // our own script
	node.Stderr = os.Stderr
	if err := node.Run(); err != nil {
		return fmt.Errorf("rasterise with node: %w", err)
	}
	return writeStrips(filepath.Join(dir, "atlas"), work, sources)
}

func rasterPath(work string, i int, extension string) string {
	return filepath.Join(work, fmt.Sprintf("%03d.%s", i, extension))
}

// writeStrips writes one image per class, its drawings side by side.
func writeStrips(atlas, work string, sources []clipart.Source) error {
	for first := 0; first < len(sources); {
		class := sources[first].Class
		n := clipart.Drawings(class)
		strip := image.NewNRGBA(image.Rect(0, 0, n*clipart.TileSize, clipart.TileSize))
		for i := range n {
			raster, err := readPNG(rasterPath(work, first+i, "png"))
			if err != nil {
				return err
			}
			if err := placeTile(strip, i*clipart.TileSize, raster); err != nil {
				return fmt.Errorf("%s drawing %d: %w", class, i, err)
			}
		}
		if err := writePNG(filepath.Join(atlas, clipart.AtlasFile(class)), strip); err != nil {
			return err
		}
		first += n
	}
	return nil
}
