package genref

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/internal/disk"
)

// Plan describes a set. Two builds of one plan give byte-identical sets.
type Plan struct {
	Source    string `json:"source"` // name of the source, such as "rule"
	Seed      uint64 `json:"seed"`
	Count     int    `json:"count"`      // triplets in the set
	ShardSize int    `json:"shard_size"` // triplets per shard; the last one has the rest
	// Model names the generator; Fingerprint is a checksum of its files.
	Model       string `json:"model,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Licence     string `json:"licence,omitempty"` // SPDX identifier
	// Split is what the prompts may be used for: train, validation or test; empty for a set
	// that mixes them.
	Split string `json:"split,omitempty"`
	// Settings holds the settings of the source.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// MaxCount is the largest number of triplets in a set.
const MaxCount = 100_000_000

// Validate reports a plan that cannot be carried out, as an error wrapping
// [reflectionflow.ErrInvalid].
func (p Plan) Validate() error {
	switch {
	case p.Source == "":
		return fmt.Errorf("%w: the plan has no source", reflectionflow.ErrInvalid)
	case p.Count < 1 || p.Count > MaxCount:
		return fmt.Errorf("%w: %d triplets: a set has 1 to %d", reflectionflow.ErrInvalid, p.Count, MaxCount)
	case !slices.Contains([]string{"", string(clipart.Train), string(clipart.Validation), string(clipart.Test)}, p.Split):
		return fmt.Errorf("%w: unknown split %.40q: use %s, %s or %s", reflectionflow.ErrInvalid, p.Split, clipart.Train, clipart.Validation, clipart.Test)
	case p.Seed > reflectionflow.MaxSeed:
		return fmt.Errorf("%w: seed %d: must be from 0 to %d", reflectionflow.ErrInvalid, p.Seed, uint64(reflectionflow.MaxSeed))
	case p.ShardSize < 1:
		return fmt.Errorf("%w: %d triplets per shard: must be 1 or more", reflectionflow.ErrInvalid, p.ShardSize)
	}
	return nil
}

// shards returns the number of shards.
func (p Plan) shards() int { return (p.Count + p.ShardSize - 1) / p.ShardSize }

// triplets returns the number of triplets in shard i.
func (p Plan) triplets(i int) int { return min(p.ShardSize, p.Count-i*p.ShardSize) }

// same reports whether a set of plan p can be resumed with plan q.
func (p Plan) same(q Plan) error {
	for _, f := range []struct{ what, was, is string }{
		{"source", p.Source, q.Source},
		{"seed", fmt.Sprint(p.Seed), fmt.Sprint(q.Seed)},
		{"number of triplets per shard", fmt.Sprint(p.ShardSize), fmt.Sprint(q.ShardSize)},
		{"model", p.Model, q.Model},
		{"model checksum", p.Fingerprint, q.Fingerprint},
		{"licence", p.Licence, q.Licence},
		{"split", p.Split, q.Split},
		{"settings", compact(p.Settings), compact(q.Settings)},
	} {
		if f.was != f.is {
			return fmt.Errorf("%w: the set was started with %s %s, now it is %s: use the same, or another folder", reflectionflow.ErrInvalid, f.what, f.was, f.is)
		}
	}
	if q.Count < p.Count {
		return fmt.Errorf("%w: the set was started with %d triplets: it can grow, but not shrink to %d", reflectionflow.ErrInvalid, p.Count, q.Count)
	}
	return nil
}

func compact(data json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return string(data)
	}
	return b.String()
}

// Manifest is the content of a set's manifest.json, together with the journal of shards
// while the set is built.
type Manifest struct {
	Format int `json:"format"` // 1
	Plan
	Shards []Shard `json:"shards"` // finished shards, in order of number
}

// Shard is a finished shard.
type Shard struct {
	Number   int    `json:"number"` // from 0; the file is genref_NUMBER.tar
	SHA256   string `json:"sha256"`
	Bytes    int64  `json:"bytes"`
	Triplets int    `json:"triplets"`
	Effort   Effort `json:"effort"`
	// Faults, Cursor and Last are [FillResult.Faults], [FillResult.Cursor] and
	// [FillResult.Ended] of the source.
	Faults []string `json:"faults,omitempty"`
	Cursor string   `json:"cursor,omitempty"`
	Last   bool     `json:"last,omitempty"`
}

// Effort is what a source used for its triplets, and what it skipped.
type Effort struct {
	Prompts int `json:"prompts,omitempty"`
	Images  int `json:"images,omitempty"`
	// Skipped counts, by reason, what did not become a triplet.
	Skipped map[string]int `json:"skipped,omitempty"`
}

// Add returns the sum of both.
func (e Effort) Add(f Effort) Effort {
	sum := Effort{Prompts: e.Prompts + f.Prompts, Images: e.Images + f.Images}
	for _, skipped := range []map[string]int{e.Skipped, f.Skipped} {
		for reason, n := range skipped {
			if sum.Skipped == nil {
				sum.Skipped = make(map[string]int)
			}
			sum.Skipped[reason] += n
		}
	}
	return sum
}

// Triplets returns the number of triplets in finished shards.
func (m Manifest) Triplets() int {
	n := 0
	for _, s := range m.Shards {
		n += s.Triplets
	}
	return n
}

// Ended reports whether the source has no more samples: then the set is complete although
// it has fewer triplets than planned.
func (m Manifest) Ended() bool { return len(m.Shards) > 0 && m.Shards[len(m.Shards)-1].Last }

// shards returns the number of shards that the set will have, as far as is known.
func (m Manifest) shards() int {
	if m.Ended() {
		return m.Shards[len(m.Shards)-1].Number + 1
	}
	return m.Plan.shards()
}

// shard returns a finished shard.
func (m Manifest) shard(number int) (Shard, bool) {
	i, found := slices.BinarySearchFunc(m.Shards, number, func(s Shard, n int) int { return s.Number - n })
	if !found {
		return Shard{}, false
	}
	return m.Shards[i], true
}

// lastMissing returns the highest number of a shard that is not finished, -1 for none.
func (m Manifest) lastMissing() int {
	n := m.shards() - 1
	for i := len(m.Shards) - 1; i >= 0 && m.Shards[i].Number == n; i-- {
		n--
	}
	return n
}

// enter adds a finished shard, or replaces the one of its number.
func (m *Manifest) enter(s Shard) {
	at, there := slices.BinarySearchFunc(m.Shards, s.Number, func(s Shard, n int) int { return s.Number - n })
	if there {
		m.Shards[at] = s
	} else {
		m.Shards = slices.Insert(m.Shards, at, s)
	}
}

// fits reports whether a shard has as many triplets as planned.
func (m Manifest) fits(s Shard) bool {
	want := m.triplets(s.Number)
	return s.Triplets == want || s.Last && s.Triplets > 0 && s.Triplets < want
}

// Effort returns the sum over the finished shards.
func (m Manifest) Effort() Effort {
	var sum Effort
	for _, s := range m.Shards {
		sum = sum.Add(s.Effort)
	}
	return sum
}

const (
	manifestName   = "manifest.json"
	manifestFormat = 1
	maxManifest    = 256 << 20
)

// ShardName returns the file name of a shard, as in the authors' sets: without leading
// zeros.
func ShardName(number int) string { return fmt.Sprintf("genref_%d.tar", number) }

// readManifest reads a set's manifest and journal; found is false if there is no manifest.
// It reads the journal first: a build may fold the journal into the manifest meanwhile.
func readManifest(dir string) (m Manifest, found bool, err error) {
	entered, err := readJournal(dir)
	if err != nil {
		return m, false, err
	}
	file, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read manifest: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxManifest))
	if err = errors.Join(err, file.Close()); err != nil {
		return m, false, fmt.Errorf("read manifest: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, false, fmt.Errorf("%w: %s in %s is damaged: %v", reflectionflow.ErrInvalid, manifestName, dir, err)
	}
	if m.Format != manifestFormat {
		return m, false, fmt.Errorf("%w: %s in %s has format %d, want %d", reflectionflow.ErrInvalid, manifestName, dir, m.Format, manifestFormat)
	}
	for i, s := range m.Shards {
		if s.Number < 0 || (i > 0 && s.Number <= m.Shards[i-1].Number) {
			return m, false, fmt.Errorf("%w: %s in %s: the shards are not in order", reflectionflow.ErrInvalid, manifestName, dir)
		}
	}
	for _, s := range entered {
		m.enter(s)
	}
	for i := range m.Shards {
		m.Shards[i].Effort.renameReasons()
	}
	return m, true, nil
}

func writeManifest(dir string, m Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := disk.WriteFile(filepath.Join(dir, manifestName), append(data, '\n')); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}
