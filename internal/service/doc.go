// Package service serves searches over HTTP: OpenAI's image API, an API of its own with
// events, and a page. All state is in package jobs; a server may be stopped at any moment.
//
//	s, err := service.New(ctx, service.Options{Queue: queue, Models: models})
//	go s.Work(ctx)                            // runs jobs
//	err = http.Serve(listener, s.Handler())   // takes them
//
// To read the code, start with server.go (routes) and search.go (what a job does).
package service
