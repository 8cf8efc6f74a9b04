//go:build xla

package nn

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"

	"reflectionflow/internal/diskcache"
	"reflectionflow/nn/internal/pjrt"
)

// maxCompiledBytes bounds the folder of compiled programs.
const maxCompiledBytes = 2 << 30

func openXLA(plugin string) (compute.Backend, error) {
	xla.EnableAutoInstall(false)
	path, _, _ := strings.Cut(plugin, ",") // go-xla's options follow
	if compiled.folder != "" && filepath.IsAbs(path) {
		folder := diskcache.Folder{Path: compiled.folder, Bound: maxCompiledBytes}
		if err := pjrt.Open(path, pjrt.Cache{Folder: folder, Report: compiled.report}); err != nil {
			return nil, oneLine(err)
		}
	}
	backend, err := xla.New(plugin)
	if err != nil {
		return nil, fmt.Errorf("open XLA plugin %q: %w", plugin, oneLine(err))
	}
	return backend, nil
}
