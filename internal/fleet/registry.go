package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
)

// Model is what workers say of the model that they run.
type Model struct {
	Name string `json:"name"`
	// Fingerprint is a SHA-256 sum, in hexadecimal, of all that decides what the model
	// answers: its weights, its settings and the version of the program. Workers with
	// another fingerprint take none of its tasks.
	Fingerprint string `json:"fingerprint"`
	Version     string `json:"version"` // of the program
	// Defaults of a request.
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Guidance float64 `json:"guidance"`
	// Corrects is set where the generator takes references, and References is how many it
	// takes; 0 means one.
	Corrects   bool `json:"corrects"`
	References int  `json:"references,omitempty"`
	// Abilities are those of the verifier, NeedsFindings that of the reflector.
	Abilities     reflectionflow.Abilities `json:"abilities"`
	NeedsFindings bool                     `json:"needs_findings"`
}

// Worker is a worker that is there.
type Worker struct {
	Name        string `json:"name"`
	Roles       []Role `json:"roles"`
	Slots       int    `json:"slots"` // tasks of a role at once
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	Version     string `json:"version"`
}

// nameForm is that of a worker's name.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// Workers returns the workers that are there, in the order of their names.
func (f *Fleet) Workers(ctx context.Context) ([]Worker, error) {
	list, err := values[Worker](ctx, f, f.workers)
	slices.SortFunc(list, func(a, b Worker) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// Model finds the model of a name that workers of this version of the program run or ran.
// Where several have the name, it is the only one with workers, or the one whose
// fingerprint begins with pin. Otherwise it is an error wrapping
// [reflectionflow.ErrInvalid].
func (f *Fleet) Model(ctx context.Context, name, version, pin string) (Model, error) {
	all, err := values[Model](ctx, f, f.models)
	if err != nil {
		return Model{}, err
	}
	workers, err := f.Workers(ctx)
	if err != nil {
		return Model{}, err
	}
	var list, alive []Model
	var others []string
	for _, m := range all {
		switch {
		case m.Name != name || !strings.HasPrefix(m.Fingerprint, pin):
			others = append(others, m.Name)
		case m.Version != version:
			others = append(others, m.Name+" of version "+m.Version)
		default:
			list = append(list, m)
			if slices.ContainsFunc(workers, func(w Worker) bool { return w.Fingerprint == m.Fingerprint }) {
				alive = append(alive, m)
			}
		}
	}
	if len(alive) == 1 {
		list = alive
	}
	switch len(list) {
	case 1:
		return list[0], nil
	case 0:
		slices.Sort(others)
		known := cmp.Or(strings.Join(slices.Compact(others), ", "), "none")
		return Model{}, fmt.Errorf("%w: no worker of version %s has run the model %q: start one with reflectionflow worker (known models: %s)", reflectionflow.ErrInvalid, version, name, known)
	}
	var prints []string
	for _, m := range list {
		prints = append(prints, m.Fingerprint[:min(12, len(m.Fingerprint))])
	}
	slices.Sort(prints)
	return Model{}, fmt.Errorf("%w: workers run different models that are called %q: set pin to the fingerprint of one, %s", reflectionflow.ErrInvalid, name, strings.Join(prints, ", "))
}

// values returns the values of a bucket.
func values[T any](ctx context.Context, f *Fleet, bucket jetstream.KeyValue) ([]T, error) {
	var keys []string
	err := f.bus.Persist(ctx, f.patience(0), func(ctx context.Context) (err error) {
		keys, err = bucket.Keys(ctx)
		return err
	})
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the bucket %s: %w", bucket.Bucket(), err)
	}
	var list []T
	for _, key := range keys {
		var entry jetstream.KeyValueEntry
		err := f.bus.Persist(ctx, f.patience(0), func(ctx context.Context) (err error) {
			entry, err = bucket.Get(ctx, key)
			return err
		})
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue // it expired meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read the bucket %s: %w", bucket.Bucket(), err)
		}
		var value T
		if err := json.Unmarshal(entry.Value(), &value); err != nil {
			return nil, fmt.Errorf("read the bucket %s: key %s: %w", bucket.Bucket(), key, err)
		}
		list = append(list, value)
	}
	return list, nil
}

// publish stores a value as JSON.
func (f *Fleet) publish(ctx context.Context, bucket jetstream.KeyValue, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	err = f.bus.Persist(ctx, f.patience(0), func(ctx context.Context) error {
		_, err := bucket.Put(ctx, key, data)
		return err
	})
	if err != nil {
		return fmt.Errorf("store %s in the bucket %s: %w", key, bucket.Bucket(), err)
	}
	return nil
}
