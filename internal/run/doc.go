// Package run keeps one search on disk, in a folder that says everything needed
// to reproduce it and that survives being killed at any moment.
//
//	run.json          the manifest: prompt, settings of the search, model
//	candidates.jsonl  one line a candidate, in ID order, only ever appended to
//	images/0000.png   the picture of candidate 0, and so on
//	result.json       what came out; its presence says that the run is finished
//	best.png          a copy of the best picture
//	report.html       the record for people, in one file
//	timing.jsonl      seconds a candidate; this file and calls.jsonl alone may
//	                  differ between two runs of the same manifest
//
// Where parts of the run are at servers, an endpoint.Ledger adds
//
//	calls.jsonl       one line an answered call: by whom, by which model, its cost
//	answers/          the answers themselves, until the run is finished
//
// and the lines of candidates.jsonl name the calls whose cost they bear. A batch
// folder has one ledger for all of its runs.
//
// A picture is complete on disk before the line that names it is appended, and a
// line that was cut off is dropped on opening, so a candidate is either recorded
// with its picture or not at all. A [Folder] is the journal of a search: what it
// recalls was recorded by an earlier process, bit for bit.
package run
