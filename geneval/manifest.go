package geneval

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

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
	// ProbePictures is how many pictures of the base say how difficult a prompt is;
	// 0 for none.
	ProbePictures int `json:"probe_pictures"`
	// Settings is whatever else determines the results of every strategy.
	Settings json.RawMessage `json:"settings"`
}

// Arm says what a strategy of an evaluation is, for those who read the results.
type Arm struct {
	Name  string `json:"name"`            // of lower-case letters and digits, with single hyphens and pluses between
	Kind  string `json:"kind"`            // strategy of the search, such as reflection
	Width int    `json:"width,omitempty"` // chains side by side; 0 for unknown
	// Verifier names what the search looks at; empty for the model's own.
	Verifier string `json:"verifier,omitempty"`
	// Nested says that a search with a smaller budget draws the first candidates of
	// one with a larger, so that one search answers for all budgets.
	Nested bool `json:"nested"`
	// Pooled says that what a search does depends on the other prompts of its job, as
	// where right prompts leave their budget to others: a job that was interrupted is
	// searched for whole again, and what was recorded of it stays.
	Pooled bool `json:"pooled,omitempty"`
	// Settings is whatever else determines the strategy's results, as JSON.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// plain reports an arm with nothing changed but the strategy.
func (a Arm) plain() bool { return a.Name == a.Kind }

// budgets are those that the search for the budget at index i answers for: all of
// them or one.
func (a Arm) budgets(all []int, i int) []int {
	if a.Nested {
		return all
	}
	return all[i : i+1]
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
		Thresholds: e.Thresholds, Settings: e.Settings,
	}
	if e.Probe != nil {
		m.ProbePictures = e.ProbePictures
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
	case m.ProbePictures < 0 || m.ProbePictures > maxBudget:
		return invalid("%d pictures for the difficulty: must be from 0 to %d", m.ProbePictures, maxBudget)
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
	}
	return nil
}
