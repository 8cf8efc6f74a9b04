// Package clipart is the embedded world: scenes of clip-art objects on plain
// backgrounds, with the 80 object classes and 10 colours of GenEval
// (arXiv 2310.11513), rendered from drawings of permissively licensed icon
// sets. The table sources.tsv lists where every drawing comes from; the
// pictures in atlas/ are made from it by the tool in atlasgen.
//
// Rendering uses integer arithmetic only, so the same scene gives the same
// bytes on every machine. Everything is safe for concurrent use.
package clipart
