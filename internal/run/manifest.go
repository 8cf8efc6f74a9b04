package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"reflectionflow"
)

// Format is the version of the run folder that this package writes and reads.
const Format = 1

// Bounds on what is read back, against damaged and hostile folders.
const (
	maxManifestBytes = 1 << 20
	maxLineBytes     = 1 << 20
	maxCandidates    = 100_000
	maxImageBytes    = 64 << 20
	maxReportBytes   = 1 << 30
)

// Manifest holds everything needed to reproduce a run. It holds no times and nothing
// that depends on the machine's number of processors: two runs of the same manifest
// write the same bytes.
type Manifest struct {
	// Format is set by [Create].
	Format int `json:"format"`
	// Program is the version of the program that created the folder.
	Program string `json:"program"`
	// Build says how that program was built; nil in folders of versions before it was
	// recorded.
	Build  *Build                `json:"build,omitempty"`
	Prompt reflectionflow.Prompt `json:"prompt"`
	// UserPrompt is the prompt as the user wrote it, which a parser may have rewritten
	// in Prompt; empty in folders of versions before it was recorded.
	UserPrompt string `json:"user_prompt,omitempty"`
	// Parsing is the cost of parsing the prompt, where a language model did.
	Parsing reflectionflow.Cost `json:"parsing,omitzero"`
	// Search holds the search's settings as JSON, which this package does not interpret.
	Search json.RawMessage `json:"search"`
	Model  Model           `json:"model"`
	// Backend names what runs the networks; empty for the default on the CPU.
	Backend string `json:"backend"`
	// Precision is what the products of networks are computed in, see [config.Compute]. It
	// is empty for f32, and in folders of versions that had it in Backend.
	Precision string `json:"precision,omitempty"`
	// Deployment holds the configuration of the run's parts as JSON, without secrets.
	// It is empty where all parts are the model's own.
	Deployment json.RawMessage `json:"deployment,omitempty"`
	// AnySize is set where the user insisted on a size that the model was not made for.
	AnySize bool `json:"any_size,omitempty"`
	// NotReproducible is set by [Folder.Record] with the first candidate whose seed was
	// not used: the same request may give another image.
	NotReproducible bool `json:"not_reproducible,omitempty"`
}

// Build says how a program was built.
type Build struct {
	// Revision is the commit of the source; Modified is set when files differed from it.
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	// SIMD is set when the networks use the processor's vector instructions.
	SIMD bool `json:"simd"`
}

// Model names the networks of a run.
type Model struct {
	Name string `json:"name"`
	// Fingerprint is a checksum over the model's files.
	Fingerprint string `json:"fingerprint"`
}

// userPrompt is the prompt as the user wrote it, as far as it is recorded.
func (m Manifest) userPrompt() string {
	if m.UserPrompt != "" {
		return m.UserPrompt
	}
	return m.Prompt.Text
}

func (m Manifest) validate() error {
	if err := m.Prompt.Validate(); err != nil {
		return err
	}
	if m.UserPrompt != "" {
		if err := (reflectionflow.Prompt{Text: m.UserPrompt}).Validate(); err != nil {
			return fmt.Errorf("user_prompt: %w", err)
		}
	}
	if !json.Valid(m.Search) {
		return fmt.Errorf("%w: the settings of the search are not JSON", reflectionflow.ErrInvalid)
	}
	if len(m.Deployment) > 0 && !json.Valid(m.Deployment) {
		return fmt.Errorf("%w: the deployment is not JSON", reflectionflow.ErrInvalid)
	}
	if m.Model.Name == "" {
		return fmt.Errorf("%w: no model is named", reflectionflow.ErrInvalid)
	}
	for i, r := range m.Prompt.Requirements {
		if err := checkRequirement(r); err != nil {
			return fmt.Errorf("requirement %d: %w", i+1, err)
		}
	}
	for _, name := range []string{m.Model.Name, m.Model.Fingerprint, m.Backend, m.Precision, m.Program} {
		if err := checkName(name); err != nil {
			return err
		}
	}
	if p := m.Parsing; min(p.Images, p.DenoiseSteps, p.VerifierCalls, p.TokensIn, p.TokensOut) < 0 || !(p.USD >= 0) {
		return fmt.Errorf("%w: the cost of parsing the prompt is negative", reflectionflow.ErrInvalid)
	}
	return nil
}

// ReadManifest reads a run.json. A file that is missing, damaged or of another format is
// an error wrapping [reflectionflow.ErrInvalid].
func ReadManifest(path string) (Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return Manifest{}, fmt.Errorf("%w: %s is a folder: name the run.json in it", reflectionflow.ErrInvalid, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxManifestBytes+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: read %s: %v", reflectionflow.ErrInvalid, path, err)
	}
	if len(data) > maxManifestBytes {
		return Manifest{}, fmt.Errorf("%w: %s has more than %d bytes: it is not a run.json", reflectionflow.ErrInvalid, path, maxManifestBytes)
	}
	m, err := parseManifest(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// parseManifest reads run.json. It checks the format first, so that a folder of another
// version is not reported as damaged.
func parseManifest(data []byte) (Manifest, error) {
	var head struct {
		Format  *int   `json:"format"`
		Program string `json:"program"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Format == nil {
		return Manifest{}, fmt.Errorf("%w: run.json is damaged or not a run's manifest", reflectionflow.ErrInvalid)
	}
	if *head.Format != Format {
		return Manifest{}, fmt.Errorf("%w: the run folder has format %d, this program reads format %d: use the version that made it (%.40q)",
			reflectionflow.ErrInvalid, *head.Format, Format, head.Program)
	}
	var m Manifest
	if err := decodeStrictly(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("%w: run.json is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	if err := m.validate(); err != nil {
		return Manifest{}, fmt.Errorf("run.json: %w", err)
	}
	return m, nil
}

// decodeStrictly decodes one JSON value with no unknown fields and nothing after it.
func decodeStrictly(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// encodeIndented is the form of the JSON files that people read.
func encodeIndented(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
