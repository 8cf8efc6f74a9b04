// Package remote generates images with servers of other projects over HTTP. [Open]
// turns one URL into a [reflectionflow.Generator]:
//
//	openai+https://api.openai.com/v1?model=gpt-image-2.6-flare&key_env=OPENAI_API_KEY
//	openai+http://host:8000/v1?model=Qwen/Qwen-Image&dialect=vllm-omni
//	sdcpp+http://host:1234
//	a1111+http://host:7860?sampler=Euler&strength=0.6
//	comfyui+http://host:8188?workflow=generate.json&edit=edit.json
//
// The scheme names the protocol: openai (OpenAI's images API and servers that
// imitate it), sdcpp (stable-diffusion.cpp's jobs), a1111 (AUTOMATIC1111 and Forge),
// comfyui (workflows in API format). [NewPool] spreads requests over several servers
// of the same model.
//
// # Parameters
//
// Every URL takes:
//
//	key_env, key_file   environment variable or file that holds the secret
//	auth=basic          the secret is "user:password", sent by HTTP Basic
//	concurrency         images or batches in progress at a time
//	timeout             bound on one image or batch, such as 20m
//	allow_host          further host that images may be fetched from; may be repeated
//	wording             how prompt and reflection of a correction become one text
//
// Each protocol has more, such as model and dialect (openai), guidance, correct and
// sampler (sdcpp), strength (a1111), workflow and edit (comfyui). Unknown parameters
// are errors.
//
// # Seeds
//
// Some servers take fewer than 64 bits of seed. The seed is then folded: its pieces
// of that many bits are combined by exclusive or, so small seeds keep their value. A
// generation is marked Unseeded if the protocol has no seed (OpenAI, a workflow without
// that slot), or if the protocol returns the seed (AUTOMATIC1111) and the reply has none
// or another. Other protocols take a seed and confirm nothing: such a server may ignore
// it without being noticed here.
//
// # Failures
//
// Transient failures are retried with growing waits: a status 408, 409, 425, 429 or
// 5xx, no connection, a broken connection, a time-out, a job that failed, was cancelled
// or was lost in a restart. There are at most four attempts (two after a time-out). Permanent failures, such as an invalid key, an empty
// account or a refused prompt, are not retried.
//
// An image that failed after all attempts carries its error in
// reflectionflow.Generation.Err; [reflectionflow.IsPermanent] tells whether trying
// again later can help. Other images are not affected. The call itself
// fails only when the endpoint cannot be used for any request: no connection, 401,
// 402, 403, 404, 429 or 502 to 504 after all attempts, an empty account, or another
// model than the run began with.
//
// Costs are counted per attempt: a reply that was lost on the way may have been
// charged, so its price is part of the image's cost.
//
// # Cancellation
//
// When the context ends, jobs at the server are cancelled within a few seconds where
// the protocol can: stable-diffusion.cpp by its cancel route, ComfyUI by removing the
// job from the queue or interrupting it, AUTOMATIC1111 by an interruption if it works on
// this job now. OpenAI's API knows only the end of the connection.
package remote

import (
	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
)

// Options hold what a URL does not. The zero value is usable.
type Options struct {
	// Name names the server in errors; empty means the URL's host.
	Name string
	// LookupEnv looks up the variable that key_env names; nil finds none. Programs pass
	// os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Price is what images cost; the zero value is free.
	Price Price
	// Model is the model that replies must name, where they name one; empty takes the
	// model of the first reply. Replies of another model are errors.
	Model string
	// Progress, if set, is called with the progress that the server reports. It is called
	// from several goroutines and must return soon.
	Progress func(Progress)
}

// Price is what a server charges, in USD.
type Price struct {
	InputPerMillion  float64 // per million input tokens
	OutputPerMillion float64 // per million output tokens
	PerImage         float64 // per generated image
	PerCall          float64 // per call
}

// Progress is the progress of one batch.
type Progress struct {
	// Request is the first of the batch.
	Request reflectionflow.Request
	// Queued is set while the batch waits at the server.
	Queued bool
	// Done is the fraction of the sampler's steps that are done, in [0, 1].
	Done float64
}

// Schemes lists the schemes of the URLs that [Open] takes, such as "sdcpp+http".
func Schemes() []string { return remote.Schemes() }

// Open returns the generator for a URL. It sends nothing. An unknown scheme or
// parameter and a file or secret that cannot be read are errors wrapping
// [reflectionflow.ErrInvalid].
func Open(rawURL string, o Options) (reflectionflow.Generator, error) {
	settings := remote.Options{Endpoint: endpoint.Config{Name: o.Name, Pin: o.Model}, LookupEnv: o.LookupEnv}
	if o.Price != (Price{}) {
		settings.Endpoint.Prices = endpoint.PriceTable{"*": {
			InputPerMillion: o.Price.InputPerMillion, OutputPerMillion: o.Price.OutputPerMillion,
			PerImage: o.Price.PerImage, PerCall: o.Price.PerCall,
		}}
	}
	if o.Progress != nil {
		settings.Progress = func(p remote.Progress) { o.Progress(Progress(p)) }
	}
	return remote.Open(rawURL, settings)
}

// NewPool returns a generator that spreads requests over generators of the same model.
// Each request goes to a member that is free; a member that fails passes the request on.
func NewPool(members []reflectionflow.Generator) (reflectionflow.Generator, error) {
	return remote.NewPool(members)
}
