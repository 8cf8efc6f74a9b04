// Package endpoint is the HTTP client for servers of other projects: language models,
// image generators, and files that a server points to.
//
//	secret, err := endpoint.LoadSecret(endpoint.SecretSource{Env: "OPENAI_API_KEY"}, os.LookupEnv)
//	client, err := endpoint.New(endpoint.Config{Name: "openai", BaseURL: "https://api.openai.com/v1", Secret: secret})
//	var reply struct{ Data []struct{ URL string } }
//	_, err = client.JSON(ctx, endpoint.Request{Method: "POST", Path: "/images/generations"}, question, &reply)
//	file, err := client.Fetch(ctx, reply.Data[0].URL)        // refused unless it is this server or allowed
//	img, err := endpoint.DecodeImage(file.Body, endpoint.ImageLimits{})
//
// # Terms
//
// An endpoint is one server at one base URL; a [Client] talks to it. A call
// ([Client.Do]) is one question. It makes one attempt or, where that is safe, several;
// see [Repeat]. A call waits for a slot (the endpoint's concurrency), is refused while
// the circuit breaker is open, and ends in a [Response] or an [*Error].
//
// # Errors
//
// An [*Error] names the endpoint and its [Kind]. [Error.Permanent] tells failures that
// nothing but a change of request, configuration or account can help from those that may
// go away; [Error.Unusable] tells whether the endpoint or the request is to blame. Both,
// and the decision whether a call is retried, go by the one classification in classify.go.
//
// # What a run pays
//
// A [Ledger] records, in a run's folder, every answer that was paid for, before the
// answer is used. A run that is killed and resumed pays for no answer twice, and its total
// is that of a run that was never interrupted. A [Cache] shares replies between runs. A
// [PriceTable] turns usage into cost.
//
// # What is not trusted
//
// Of a server: the length and the speed of a reply, its media type, URLs and redirects
// in it, the size and the format of its images, and every text, which may repeat the
// secret or hold control characters.
//
// Secrets come from the environment or a file ([LoadSecret]). They are removed from
// whatever a server sends, in plain, URL-encoded and base64 form, and appear in no log,
// record, error or cache.
package endpoint
