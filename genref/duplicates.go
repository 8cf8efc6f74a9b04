package genref

import (
	"fmt"
	"hash/maphash"
)

// duplicateIndex knows the triplets of a set by their pictures. A triplet is there twice when
// both its pictures are, byte for byte, or when a triplet of the same prompt has two
// pictures that look the same. It takes about a hundred bytes a triplet.
type duplicateIndex struct {
	seed    maphash.Seed
	exact   map[uint64]bool  // of both pictures' bytes
	prompts map[uint64]int32 // of a prompt: the last of its looks, from 1
	hashes  []pairHashes
}

type pairHashes struct {
	flawed, enhanced PerceptualHash
	before           int32 // of the same prompt, 0 for none
}

func newDuplicateIndex() *duplicateIndex {
	return &duplicateIndex{seed: maphash.MakeSeed(), exact: make(map[uint64]bool), prompts: make(map[uint64]int32)}
}

// add takes a sample in, unless it is there already.
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

// pairHash is a hash of both pictures' bytes. It may be of a random seed: that two
// different pairs meet in one of 2^64 values happens in no set.
func pairHash(seed maphash.Seed, s Sample) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, data := range [][]byte{s.Flawed, s.Enhanced} {
		maphash.WriteComparable(&h, len(data))
		h.Write(data) // a hash takes everything
	}
	return h.Sum64()
}

// looks are those of the provenance, or else of the pictures.
func (s Sample) hashes() (flawed, enhanced PerceptualHash, err error) {
	if p := s.Provenance; p != nil && p.Flawed.PerceptualHash != nil && p.Enhanced.PerceptualHash != nil {
		return *p.Flawed.PerceptualHash, *p.Enhanced.PerceptualHash, nil
	}
	if flawed, err = hashEncoded(s.Flawed); err != nil {
		return flawed, enhanced, fmt.Errorf("flawed picture of sample %.100q: %w", s.Key, err)
	}
	if enhanced, err = hashEncoded(s.Enhanced); err != nil {
		return flawed, enhanced, fmt.Errorf("enhanced picture of sample %.100q: %w", s.Key, err)
	}
	return flawed, enhanced, nil
}
