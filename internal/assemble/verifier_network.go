package assemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

// loadedVerifier is a verifier with networks in memory.
type loadedVerifier interface {
	reflectionflow.Verifier
	io.Closer
}

// Loadable is a part whose networks run in this process and are loaded before it is used.
type Loadable interface {
	Load(ctx context.Context, backend string) error
	io.Closer
}

// networkVerifier is a verifier whose networks run in this process. It declares its
// abilities before they are loaded.
type networkVerifier struct {
	abilities reflectionflow.Abilities
	load      func(ctx context.Context, backend string) (loadedVerifier, error)

	mu     sync.Mutex
	opened int // how often
	loaded loadedVerifier
}

// network makes a verifier whose networks are loaded by a function.
func (b *Builder) network(a reflectionflow.Abilities, load func(ctx context.Context, backend string) (loadedVerifier, error)) MakeVerifier {
	n := &networkVerifier{abilities: a, load: load}
	b.loadable = append(b.loadable, n)
	return ready(n)
}

// Load loads the networks for a backend. Each call is followed by one of Close.
func (n *networkVerifier) Load(ctx context.Context, backend string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.loaded == nil {
		v, err := n.load(ctx, backend)
		if err != nil {
			return err
		}
		n.loaded = v
	}
	n.opened++
	return nil
}

// Close frees the networks once every opening is closed.
func (n *networkVerifier) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.opened = max(n.opened-1, 0); n.opened > 0 || n.loaded == nil {
		return nil
	}
	err := n.loaded.Close()
	n.loaded = nil
	return err
}

// Tunable returns the loaded verifier where it has thresholds to fit; nil otherwise.
func (n *networkVerifier) Tunable() verifier.Tunable {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, _ := n.loaded.(verifier.Tunable)
	return t
}

// Abilities implements [reflectionflow.DeclaringVerifier].
func (n *networkVerifier) Abilities() reflectionflow.Abilities { return n.abilities }

// Verify implements [reflectionflow.Verifier].
func (n *networkVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	n.mu.Lock()
	v := n.loaded
	n.mu.Unlock()
	if v == nil {
		return nil, errNotLoaded
	}
	return v.Verify(ctx, images)
}

// noted is a part that says what it assumes.
type noted interface{ Notes() []string }

// notes are what the loaded networks say of themselves.
func (n *networkVerifier) notes() []string {
	if v, ok := n.loaded.(noted); ok {
		return v.Notes()
	}
	return nil
}

// notLoaded is the error of a network that cannot be loaded.
func (b *Builder) notLoaded(at string, err error) error {
	if errors.Is(err, reflectionflow.ErrInvalid) {
		return b.config.Errorf(at, "%v", err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// needsPath is the error of a network without a folder.
func (b *Builder) needsPath(at string, v config.Verifier) error {
	if v.Path == "" {
		return b.config.Errorf(at, "a verifier of type %s needs a path: the folder of the network", v.Type)
	}
	return nil
}
