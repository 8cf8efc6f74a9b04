// Package endpoint is the one HTTP behaviour of everything that talks to other
// people's servers: language models, image generators, files that a server
// points to.
//
// Its words. An endpoint is one server at one base URL; a [Client] is how this
// process talks to it. A call ([Client.Do]) is one question of the program; it
// makes one attempt or, where that is safe, several. A call waits for a slot (the
// endpoint's concurrency), is refused while the circuit breaker is open, and ends
// in a [Response] or in an [*Error] that names the endpoint and its [Kind].
//
//	secret, err := endpoint.LoadSecret(endpoint.SecretSource{Env: "OPENAI_API_KEY"}, os.LookupEnv)
//	client, err := endpoint.New(endpoint.Config{Name: "openai", BaseURL: "https://api.openai.com/v1", Secret: secret})
//	var reply struct{ Data []struct{ URL string } }
//	_, err = client.JSON(ctx, endpoint.Request{Method: "POST", Path: "/images/generations"}, question, &reply)
//	image, err := client.Fetch(ctx, reply.Data[0].URL)        // refused unless it is this server or allowed
//	picture, err := endpoint.DecodeImage(image.Body, endpoint.ImageLimits{})
//
// What is never trusted: the length and the speed of a reply, its media type, the
// URLs and redirects in it, the size and the format of its images.
//
// Secrets are read from the environment or a file by the caller's choice
// ([LoadSecret]) and appear in no log, record, error or cache.
package endpoint
