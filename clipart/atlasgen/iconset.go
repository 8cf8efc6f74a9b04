package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow/clipart"
)

// iconSets reads drawings from the npm packages @iconify-json/* and from the folder of the
// project's own drawings.
type iconSets struct {
	modules  string
	drawings string
	loaded   map[string]*iconSet
}

// iconSet is the part of an Iconify JSON package that atlasgen uses.
type iconSet struct {
	Icons   map[string]icon  `json:"icons"`
	Aliases map[string]alias `json:"aliases"`
	Width   float64          `json:"width"`
	Height  float64          `json:"height"`
	version string
	licence string
}

type icon struct {
	Body   string  `json:"body"`
	Left   float64 `json:"left"`
	Top    float64 `json:"top"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

type alias struct {
	Parent string `json:"parent"`
}

// svg returns the drawing of a source as an SVG document. A version or licence that differs from
// the package is an error.
func (s *iconSets) svg(source clipart.Source) ([]byte, error) {
	if source.Set == clipart.OwnSet {
		return os.ReadFile(filepath.Join(s.drawings, source.Icon+".svg"))
	}
	set, err := s.set(source.Set)
	if err != nil {
		return nil, err
	}
	if set.version != source.Version || set.licence != source.Licence {
		return nil, fmt.Errorf("set %s is version %s under %s, the table says %s under %s", source.Set, set.version, set.licence, source.Version, source.Licence)
	}
	name := source.Icon
	if a, ok := set.Aliases[name]; ok {
		name = a.Parent
	}
	drawing, ok := set.Icons[name]
	if !ok {
		return nil, fmt.Errorf("set %s has no icon %q", source.Set, source.Icon)
	}
	width, height := positive(drawing.Width, set.Width), positive(drawing.Height, set.Height)
	body := drawing.Body
	if source.Paint != "" {
		body = strings.ReplaceAll(body, "currentColor", source.Paint)
	}
	const frame = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="%g" height="%g" viewBox="%g %g %g %g">%s</svg>`
	return fmt.Appendf(nil, frame, width, height, drawing.Left, drawing.Top, width, height, body), nil
}

// positive is the first positive length, or Iconify's default of 16.
func positive(lengths ...float64) float64 {
	for _, l := range lengths {
		if l > 0 {
			return l
		}
	}
	return 16
}

func (s *iconSets) set(name string) (*iconSet, error) {
	if set := s.loaded[name]; set != nil {
		return set, nil
	}
	folder := filepath.Join(s.modules, "@iconify-json", name)
	set := &iconSet{}
	if err := readJSON(filepath.Join(folder, "icons.json"), set); err != nil {
		return nil, err
	}
	var pack struct {
		Version string `json:"version"`
	}
	if err := readJSON(filepath.Join(folder, "package.json"), &pack); err != nil {
		return nil, err
	}
	var info struct {
		License struct {
			SPDX string `json:"spdx"`
		} `json:"license"`
	}
	if err := readJSON(filepath.Join(folder, "info.json"), &info); err != nil {
		return nil, err
	}
	set.version, set.licence = pack.Version, info.License.SPDX
	if s.loaded == nil {
		s.loaded = make(map[string]*iconSet)
	}
	s.loaded[name] = set
	return set, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read icon set (run npm install --prefix clipart/atlasgen): %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return nil
}
