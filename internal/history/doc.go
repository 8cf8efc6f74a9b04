// Package history is a server's index of all jobs: lists, filters and full text over any
// number of them. It is a read model in SQLite that follows the events of package jobs.
// Nothing is known here alone: without its file it is built again from the events.
//
//	store, err := history.Open(ctx, path, describe)
//	err = store.Follow(ctx, queue, func(jobs.Event) {}) // until ctx ends
//	page, err := store.Search(ctx, history.Query{Text: "red clock", State: jobs.Done})
package history
