// Package genref builds and reads GenRef, the data of reflection tuning (arXiv
// 2504.16080 §4): triplets of a flawed image, an enhanced image of the same prompt, and
// the reflection that leads from one to the other.
//
// # Sets
//
// A set is a folder of WebDataset shards, genref_0.tar, genref_1.tar and so on, in the
// layout of the authors' loader. manifest.json lists the shards with their checksums.
// [Open] opens a set; [Set.All] reads its samples one at a time, and ends at the first
// damaged one; [Set.Walk] skips damage and reports it. [Check] compares a whole set with
// its manifest and decodes every image. [CollectStats] computes its statistics.
//
// # Building
//
// A [Source] makes triplets and [Build] writes them:
//
//   - [Rule], [Reward] and [Length] are sources of the paper: images of one prompt that
//     meet its requirements or do not, images ranked by rewards, images of a long and a
//     short prompt.
//   - [Correction] and [Repair] are sources that the paper does not have: corrections by
//     the corrector itself, and rendered scenes in which mistakes are corrected.
//   - [Edits] renders scenes with and without a flaw; it needs no model.
//   - [Import] reads sets of instruction-based edits, in WebDataset or Parquet format.
//
// A shard depends on the seed of the [Plan], its number and the shards before it alone.
// An interrupted build resumes, and the set is byte-identical to one that was built
// without an interruption. Answers of paid servers are cached until their shard is
// finished; see [CachedSource].
//
// Seeds are at most [reflectionflow.MaxSeed], so that readers with signed integers, such
// as Hugging Face datasets, read provenance.json. Larger seeds of older sets are read.
//
// # Annotating and exporting
//
// [Set.Annotate] lets an annotator, such as a vision-language model, compare the images of
// every triplet. [Export] writes sets as training data for LLaMA-Factory, TRL, and the
// authors' reward trainer.
package genref
