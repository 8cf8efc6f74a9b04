// Package jobs keeps searches as durable jobs in JetStream. Any number of servers may share
// one queue: each submits jobs, runs some of them, and takes over those of a server that
// died.
//
// # Use
//
//	bus, err := jobs.Embedded(dir)           // or jobs.Connect(url, options)
//	queue, err := jobs.Open(ctx, bus, jobs.Options{Server: "a"})
//	job, err := queue.Submit(ctx, jobs.Spec{Prompt: "two clocks", Owner: "ann"})
//	err = queue.Work(ctx, 4, func(ctx context.Context, r *jobs.Run) (jobs.Outcome, error) {
//		// search with r as the journal
//	})
//
// # What is where
//
//	KV jobs             one document per live job, changed by compare-and-swap
//	KV leases           job to server; an entry expires when its server stops renewing it
//	KV favourites       jobs that their owners like
//	stream EVENTS       every durable event of a job, subject events.<job>
//	object store images the images of candidates, and those that a job corrects
//	object store answers  of parts to jobs that have not ended: see [Run.Keep]
//	subject live.<job>  progress and previews, not stored
//	subject stop.<job>  tells the server of a job that it is cancelled
//	subject gone.<job>  tells all servers that a job is deleted
//
// The events of a job are the journal of its search. An image is stored before the event
// that names it, and a server that lost its lease cannot add an event, since each names the
// sequence of the one before. So a candidate is recorded once, with its image, or not at
// all.
package jobs
