// Package geneval measures how often images show what their prompts ask for, by the
// rules of GenEval (Ghosh, Hajishirzi and Schmidt 2023, arXiv 2310.11513; code
// djghosh13/geneval).
//
// A [Metadata] is one line of evaluation_metadata.jsonl: a prompt, its task (tag), and
// what must and must not be in the image. A [Judge] decides whether an image shows that;
// it should not be the verifier that guides the search. [ByRules] makes one of a
// [Detector], by the official rules ([Evaluate]); [Asking] asks a vision-language model, and
// also judges the prompts of other benchmarks (see [ReadPrompts] and [Suite]).
//
// A [Strategy] spends a budget of images on prompts and returns a [Trajectory] for
// each: every candidate with its image, in order. Its answer at a smaller budget is the
// best of the first candidates by the verifier's score, so one search gives a point of
// the curve for every budget.
//
// An [Evaluation] runs strategies over prompts, appends to results.jsonl as it
// proceeds, and writes 95% intervals to summary.json. A search that fails for a
// transient reason is not scored: see [Unscored]. [ReadResults] reads the folder again,
// for [Results.Publish], [Results.WritePage] and [Results.Compare].
//
// The package knows neither the search nor the networks: commands connect them.
package geneval
