// Package fleet lets workers on other machines generate, verify, reflect and refine. Its
// Generator, Verifier, Reflector and Refiner keep the contracts of the root package, so a
// search does not know that there is a fleet. Everything goes through JetStream.
//
//	fleet, err := fleet.Open(ctx, bus, fleet.Options{})
//	err = fleet.Work(ctx, fleet.Engine{Model: model, Generator: g, ...})   // on a worker
//	model, err := fleet.Model(ctx, "clipart", version, "")                 // on a server
//	generator := fleet.Generator(model)
//
// # What is where
//
//	stream TASKS         a work queue; subject tasks.<fingerprint>.<role>
//	object store fleet   images by their hash, answers by the key of their task
//	KV workers           the workers; an entry expires when its worker is silent
//	KV models            what workers said of their models, kept without them
//	KV tries             how often a task was begun that was delivered before
//	KV claims            the questions that are worked on; an entry expires when its worker is silent
//	subject fleet.cancel ID of a task whose caller is gone
//
// A task is one request, image or observation, with the hashes of its images: no message
// holds an image. A worker has several slots, and each takes one task at a time.
//
// The key of a task is the hash of what determines its answer: the model's fingerprint
// and the request. An answer is stored under its key before the task is acknowledged, and
// whoever has a task looks for its answer first. So a task that is delivered again, or
// asked for again by a server that takes a job over, is not generated or paid for again,
// and a late duplicate is harmless. Failures that can pass are stored for their caller
// alone. Of several tasks with one key, of any callers, one claims the key and is worked on;
// the others wait for its answer.
//
// While the answer of a task is stored the engine works on the next one. The caller is told
// the answer itself, image included where it fits a message, so it reads the store only
// where that message was lost. Images that a caller passes must not change afterwards.
//
// A worker extends a task while it works on it. When it is silent, the task goes to
// another worker, which then works on nothing else. A task that has ended several workers
// is given up: its answer is a permanent failure, so it fails its own candidate and
// nothing else, and it is asked of no worker again.
//
// To read the code, start with caller.go (one task), then worker.go and place.go.
package fleet
