package service

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// randomSeed returns a seed that every reader of JSON holds exactly.
func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]) >> 11
}

// keyedSeed returns the seed of image i of a request with an idempotency key.
func keyedSeed(owner, key string, i int) *uint64 {
	sum := sha256.Sum256([]byte(owner + "\x00" + key + "\x00" + strconv.Itoa(i)))
	seed := binary.LittleEndian.Uint64(sum[:]) >> 11
	return &seed
}
