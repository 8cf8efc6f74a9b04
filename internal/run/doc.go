// Package run keeps one search on disk, in a folder that holds everything needed
// to reproduce it and that survives a kill at any moment.
//
//	run.json          the manifest: prompt, settings of the search, model
//	candidates.jsonl  one line per candidate, in ID order, only ever appended to
//	images/0000.png   the image of candidate 0, and so on
//	result.json       the outcome; its presence marks the run as finished
//	best.png          a copy of the best image
//	report.html       the run for people, in one file
//	comparisons.jsonl one line per comparison of candidates with the same score, if any
//	timing.jsonl      seconds per candidate
//	timing.js         the elapsed time, for report.html
//
// Only the timing files and calls.jsonl may differ between two runs of the same
// manifest. Image files hold the prompt, seed, model and parent of their candidate
// as PNG text.
//
// Where parts of the run are servers, an endpoint.Ledger adds
//
//	calls.jsonl       one line per answered call: server, model, cost
//	answers/          the answers, until the run is finished
//
// and the lines of candidates.jsonl name the calls whose cost they include.
//
// Several prompts share a batch folder, with a run folder each:
//
//	batch.json        the names of the run folders
//	index.html        every prompt with its best image and score
//	timing.js         the elapsed time, for index.html
//
// The runs of a batch share one ledger, in the batch folder.
//
// [Create] and [CreateBatch] make folders, [Open] and [OpenAll] open them again.
// An image is complete on disk before the line that names it is appended, and Open
// drops a line that was cut off, so a candidate is either recorded with its image or
// not at all. A [Folder] is the journal of a search: it recalls candidates exactly
// as an earlier process recorded them.
package run
