package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// checkTargets reports layers that the file's settings list and the file lacks: a file that was cut or filtered, which
// would otherwise adapt by half.
func (c *contents) checkTargets(network int, n Network) error {
	s := c.settings[n.Prefix]
	if s == nil {
		return nil
	}
	has := map[string]bool{}
	for _, l := range c.layers {
		for _, p := range l.pieces {
			has[p.module] = has[p.module] || l.network == network
		}
	}
	matches := s.targets()
	var lacking []string
	listed := 0
	for _, module := range slices.Sorted(maps.Keys(n.linear)) {
		if !matches(module) {
			continue
		}
		listed++
		if !has[module] {
			lacking = append(lacking, module)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("the file is incomplete: it lacks %d of the %d layers that its metadata lists: %s", len(lacking), listed, some(lacking))
}

// targets returns whether the settings list a layer: by its name or the end of it, or by a regular expression. Lists that
// further settings restrict count by whole names only; expressions of Python that Go does not know, and what is too long, not at all.
func (s *settings) targets() func(module string) bool {
	var list []string
	var pattern string
	plain := s.Exclude == nil && s.Layers == nil
	switch {
	case json.Unmarshal(s.Targets, &list) == nil && len(list) <= maxPatterns:
		return func(module string) bool {
			return slices.ContainsFunc(list, func(target string) bool {
				return module == target || plain && strings.HasSuffix(module, "."+target)
			})
		}
	case json.Unmarshal(s.Targets, &pattern) == nil && len(pattern) <= maxExpression && plain:
		if re, err := regexp.Compile("^(?:" + pattern + ")$"); err == nil {
			return re.MatchString
		}
	}
	return func(string) bool { return false }
}
