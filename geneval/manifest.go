package geneval

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// folderFormat is the version of the folder, in the manifest.
const folderFormat = 3

// Manifest is evaluation.json: what the results depend on.
type Manifest struct {
	Format     int        `json:"format"`
	Prompts    string     `json:"prompts"` // SHA-256 of the prompts file
	Strategies []Arm      `json:"strategies"`
	Budgets    []int      `json:"budgets"`
	Samples    int        `json:"samples"`
	Seed       uint64     `json:"seed"`
	Thresholds Thresholds `json:"thresholds"`
	Judge      JudgedBy   `json:"judge,omitzero"`
	// ProbeImages is the number of images of the base that measure a prompt's
	// difficulty; 0 for none.
	ProbeImages int `json:"probe_pictures"`
	// Settings is whatever else determines the results of every strategy.
	Settings json.RawMessage `json:"settings"`
}

// JudgedBy names a judge. The zero value is the judge of a clip-art model.
type JudgedBy struct {
	Name    string `json:"name"`              // its type, such as coco
	Network string `json:"network,omitempty"` // what decides: a network or a model at a server
	// Shared names what the judge has in common with the verifier of the search. The
	// search is then rewarded for the judge's errors, and the scores are too high.
	Shared string `json:"shared,omitempty"`
}

// fact describes the judge in a sentence; empty for the zero value.
func (j JudgedBy) fact() string {
	if j.Name == "" {
		return ""
	}
	text := "Judge: " + j.Name
	if j.Network != "" && j.Network != j.Name {
		text += " (" + j.Network + ")"
	}
	return text + "."
}

// Forced ends the network of a judge of clip-art that judges other images.
const Forced = ", which knows clip-art alone"

// warning says that the judge also guides the search, or does not know the images; empty where neither is so.
func (j JudgedBy) warning() string {
	if strings.HasSuffix(j.Network, Forced) {
		return "The judge was forced on images of a kind that it does not know, and its self-test is on clip-art: these scores say nothing about the generator."
	}
	if j.Shared == "" {
		return ""
	}
	return "The judge and the verifier of the search are the same network (" + j.Shared + "): the search is rewarded for the judge's errors, and these scores are too high."
}

// Arm describes a strategy of an evaluation for readers of the results.
type Arm struct {
	Name  string `json:"name"`            // of lower-case letters and digits, with single hyphens and pluses between
	Kind  string `json:"kind"`            // strategy of the search, such as reflection
	Width int    `json:"width,omitempty"` // chains side by side; 0 for unknown
	// Verifier names the verifier that guides the search; empty for the model's own.
	Verifier string `json:"verifier,omitempty"`
	// Errors says how often that verifier is made to err; nil where it judges as it does.
	Errors *Errors `json:"errors,omitempty"`
	// Most is the largest budget that the strategy is measured at; 0 for all.
	Most int `json:"most,omitempty"`
	// Nested means that a search with a smaller budget generates the first candidates
	// of one with a larger budget, so that one search answers for all budgets.
	Nested bool `json:"nested"`
	// Pooled means that a search depends on the other prompts of its job, as with budget
	// sharing: an interrupted job is searched again as a whole, and its records stay.
	Pooled bool `json:"pooled,omitempty"`
	// Settings is whatever else determines the strategy's results, as JSON.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// Errors says how often a verifier is made to err, on top of its own errors.
type Errors struct {
	Percent    int  `json:"percent"`    // of the verdicts on requirements
	Systematic bool `json:"systematic"` // the same error on all images of a prompt
}

// plain reports an arm that is a strategy without a variant.
func (a Arm) plain() bool { return a.Name == a.Kind }

// searches are the budgets of each search that the strategy makes for a prompt: one search
// for all of them, or one each.
func (a Arm) searches(all []int) [][]int {
	if a.Most > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(budget int) bool { return budget > a.Most })
	}
	if a.Nested {
		return [][]int{all}
	}
	each := make([][]int, len(all))
	for i := range all {
		each[i] = all[i : i+1]
	}
	return each
}

// answering are the budgets of the search that answers for a budget; nil for none.
func (a Arm) answering(all []int, budget int) []int {
	for _, budgets := range a.searches(all) {
		if slices.Contains(budgets, budget) {
			return budgets
		}
	}
	return nil
}

// manifest states what the results depend on, and the prompts file.
func (e *Evaluation) manifest() (m Manifest, data, prompts []byte, err error) {
	var file bytes.Buffer
	if err := WriteMetadata(&file, e.Prompts); err != nil {
		return m, nil, nil, err
	}
	sum := sha256.Sum256(file.Bytes())
	m = Manifest{
		Format: folderFormat, Prompts: hex.EncodeToString(sum[:]), Budgets: e.Budgets, Samples: e.Samples, Seed: e.Seed,
		Thresholds: e.Thresholds, Judge: e.By, Settings: e.Settings,
	}
	if e.Probe != nil {
		m.ProbeImages = e.ProbeImages
	}
	for _, s := range e.Strategies {
		m.Strategies = append(m.Strategies, s.Arm)
	}
	if len(m.Settings) == 0 {
		m.Settings = json.RawMessage("{}")
	}
	data, err = json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, nil, nil, fmt.Errorf("encode evaluation.json: %w", err)
	}
	return m, append(data, '\n'), file.Bytes(), nil
}

// parseManifest reads evaluation.json.
func parseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := decodeStrictly(data, &m); err != nil {
		return m, fmt.Errorf("%w: evaluation.json is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	if m.Format != folderFormat {
		return m, invalid("evaluation.json is of format %d: this program reads format %d", m.Format, folderFormat)
	}
	return m, m.validate()
}

// validate reports strategies and budgets that no evaluation has.
func (m Manifest) validate() error {
	switch {
	case len(m.Strategies) == 0:
		return invalid("there are no strategies")
	case len(m.Budgets) == 0:
		return invalid("there are no budgets")
	case m.Samples < 1 || m.Samples > maxSamples:
		return invalid("%d seeds: must be from 1 to %d", m.Samples, maxSamples)
	case m.ProbeImages < 0 || m.ProbeImages > maxBudget:
		return invalid("%d images per prompt for the difficulty: must be from 0 to %d", m.ProbeImages, maxBudget)
	}
	for i, budget := range m.Budgets {
		if budget < 1 || budget > maxBudget {
			return invalid("budget of %d images: must be from 1 to %d", budget, maxBudget)
		}
		if i > 0 && budget <= m.Budgets[i-1] {
			return invalid("budgets must rise: %d comes after %d", budget, m.Budgets[i-1])
		}
	}
	names := make(map[string]bool)
	for _, a := range m.Strategies {
		if !strategyName.MatchString(a.Name) || a.Name == probeFolder || names[a.Name] {
			return invalid("strategy %.40q: each needs a name of its own, of lower-case letters, digits, hyphens and pluses", a.Name)
		}
		names[a.Name] = true
		if a.Most < 0 || a.Most > 0 && a.Most < m.Budgets[0] {
			return invalid("strategy %.40q is measured at none of the budgets %v: its largest is %d", a.Name, m.Budgets, a.Most)
		}
	}
	return nil
}
