// Package genref builds and reads GenRef, the data of reflection tuning: triplets
// of a flawed picture, an enhanced picture of the same prompt, and the reflection
// that leads from one to the other (arXiv 2504.16080 §4).
//
// A set is a folder of WebDataset shards, genref_0.tar and on, in the layout that
// the authors' loader reads, with a manifest of checksums. A [Source] makes the
// triplets; [Build] runs it, shard by shard. Every shard is a function of the
// plan's seed and the shard's number alone, so that a build that was stopped goes
// on where it was, with no triplet lost or doubled.
package genref
