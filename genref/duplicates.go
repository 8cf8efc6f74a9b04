package genref

import (
	"fmt"
	"hash/maphash"
)

// duplicateIndex finds triplets that a set has already. A triplet is a duplicate if both
// its images are byte-identical to those of an earlier triplet, or if both images of an
// earlier triplet of the same prompt look the same. It takes about 100 bytes per triplet.
type duplicateIndex struct {
	seed    maphash.Seed
	exact   map[uint64]bool  // hashes of both images' bytes
	prompts map[uint64]int32 // by hash of a prompt: its last entry in hashes, counted from 1
	hashes  []pairHashes
}

type pairHashes struct {
	flawed, enhanced PerceptualHash
	before           int32 // the entry before of the same prompt, counted from 1; 0 for none
}

func newDuplicateIndex() *duplicateIndex {
	return &duplicateIndex{seed: maphash.MakeSeed(), exact: make(map[uint64]bool), prompts: make(map[uint64]int32)}
}

// add enters a sample and reports whether it is new.
func (d *duplicateIndex) add(s Sample) (added bool, err error) {
	flawed, enhanced, err := s.hashes()
	if err != nil {
		return false, err
	}
	exact, prompt := pairHash(d.seed, s), maphash.String(d.seed, s.Prompt)
	if d.exact[exact] {
		return false, nil
	}
	for i := d.prompts[prompt]; i > 0; i = d.hashes[i-1].before {
		if l := d.hashes[i-1]; l.flawed.Similar(flawed) && l.enhanced.Similar(enhanced) {
			return false, nil
		}
	}
	d.exact[exact] = true
	d.hashes = append(d.hashes, pairHashes{flawed, enhanced, d.prompts[prompt]})
	d.prompts[prompt] = int32(len(d.hashes))
	return true, nil
}

// pairHash hashes the bytes of both images. Collisions are ignored: in a set of 10^8
// triplets the probability of one is below 10^-3.
func pairHash(seed maphash.Seed, s Sample) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, data := range [][]byte{s.Flawed, s.Enhanced} {
		maphash.WriteComparable(&h, len(data))
		h.Write(data) // never fails
	}
	return h.Sum64()
}

// hashes returns the perceptual hashes of the provenance, or computes them.
func (s Sample) hashes() (flawed, enhanced PerceptualHash, err error) {
	if p := s.Provenance; p != nil && p.Flawed.PerceptualHash != nil && p.Enhanced.PerceptualHash != nil {
		return *p.Flawed.PerceptualHash, *p.Enhanced.PerceptualHash, nil
	}
	if flawed, err = hashEncoded(s.Flawed); err != nil {
		return flawed, enhanced, fmt.Errorf("flawed image of sample %.100q: %w", s.Key, err)
	}
	if enhanced, err = hashEncoded(s.Enhanced); err != nil {
		return flawed, enhanced, fmt.Errorf("enhanced image of sample %.100q: %w", s.Key, err)
	}
	return flawed, enhanced, nil
}
