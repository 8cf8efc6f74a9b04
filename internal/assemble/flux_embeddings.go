package assemble

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"

	"reflectionflow/flux"
	"reflectionflow/internal/diskcache"
)

const (
	// largeEncoder is the size of text encoders in mapped bytes from which embeddings are kept on disk: smaller ones
	// encode a text in well under a second.
	largeEncoder = 256 << 20
	// maxEmbeddingBytes bounds the folder of embeddings: 130 texts of FLUX.2 [klein] 4B.
	maxEmbeddingBytes = 2 << 30
)

// embeddings keeps the embeddings of one model's texts, in one precision, on disk.
type embeddings struct {
	folder diskcache.Folder
	model  string // fingerprint of what an embedding follows from: the model, the precision, this program and the processor
	warn   func(error)
	failed sync.Once // to keep one; it is said once
}

var _ flux.EmbeddingStore = (*embeddings)(nil)

// key is the key of a text, which cannot be read from it.
func (e *embeddings) key(text string) string {
	return fmt.Sprintf("%s\n%x", e.model, sha256.Sum256([]byte(text)))
}

// Get implements [flux.EmbeddingStore].
func (e *embeddings) Get(text string) []byte {
	value, err := e.folder.Get(e.key(text))
	if err != nil {
		e.warn(fmt.Errorf("a text is encoded again: %w", err))
	}
	return value
}

// Put implements [flux.EmbeddingStore].
func (e *embeddings) Put(text string, embedding []byte) {
	if err := e.folder.Put(e.key(text), embedding); err != nil {
		e.failed.Do(func() { e.warn(fmt.Errorf("embeddings of texts are not kept: %w", err)) })
	}
}

// lastingEmbeddings returns where the embeddings of a large model's texts are kept; nil for a small one, and where they
// cannot be.
func (m *fluxModel) lastingEmbeddings(model flux.Model, backendName string) flux.EmbeddingStore {
	spec, mapped := model.Spec(), 0
	for _, prefix := range spec.TextPrefixes {
		n, _ := spec.Store.Bytes(prefix + ".")
		mapped += n
	}
	if m.cacheDir == nil || mapped < largeEncoder {
		return nil
	}
	e, err := m.openEmbeddings(backendName)
	if err != nil {
		m.warn(fmt.Errorf("embeddings of texts are not kept: %w", err))
		return nil
	}
	return e
}

func (m *fluxModel) openEmbeddings(backendName string) (*embeddings, error) {
	dir, err := m.cacheDir("embeddings")
	if err != nil {
		return nil, err
	}
	machine, err := diskcache.Machine()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %q\n", machine, backendName) // a hash takes everything
	if err := m.addFiles(sum); err != nil {
		return nil, err
	}
	folder := diskcache.Folder{Path: dir, Bound: maxEmbeddingBytes}
	return &embeddings{folder: folder, model: "embedding " + hex.EncodeToString(sum.Sum(nil)), warn: m.warn}, nil
}

// addFiles adds the fingerprints of the files that an embedding may depend on: those of the model, its text encoders and
// its LoRAs. Tokenizers are left out, since a text is found by its tokens.
func (m *fluxModel) addFiles(sum hash.Hash) error {
	places := []string{m.path, m.weights.TextEncoder, m.weights.TextEncoder2, m.corrector}
	for _, l := range m.loras {
		places = append(places, l.Path)
		_, _ = fmt.Fprintln(sum, l.Weight)
	}
	for _, place := range places {
		one, err := "", error(nil)
		switch _, index := os.Stat(filepath.Join(place, indexFile)); {
		case place == "":
		case index == nil:
			one, err = sampledSum(place)
		default:
			one, err = networkSum(place)
		}
		if err != nil {
			return err
		}
		_, _ = io.WriteString(sum, one+"\n")
	}
	return nil
}
