// Package remote draws with other people's engines over HTTP: each of them is a
// [reflectionflow.Generator] that is opened by one URL.
//
//	openai+https://api.openai.com/v1?model=gpt-image-2&key_env=OPENAI_API_KEY
//	openai+http://host:8000/v1?model=Qwen/Qwen-Image&dialect=vllm-omni
//	sdcpp+http://host:1234
//	a1111+http://host:7860?sampler=Euler&strength=0.6
//	comfyui+http://host:8188?workflow=draw.json&edit=correct.json
//
// Its words. A drawing is one piece of work for the server: one request, or
// several that the server can do together. A dialect is what a server that speaks
// OpenAI's images API understands beside it. A correction is a drawing with a
// reference image; its text is that of [reflectionflow.Request.Text].
//
// Seeds. A server that takes fewer bits than 64 is sent the seed folded: pieces of
// that many bits, joined by exclusive or, so that small seeds stay what they are. A
// server that cannot be seeded, or does not confirm the seed where its protocol
// has it do so, gives generations that are marked Unseeded.
//
// Repetition. What draws, and may cost money, is sent again only when the server
// surely did nothing: no connection came about, or it answered 429. What asks how
// the work stands is repeated freely.
//
// When the context ends, the server is told so, where it listens: at most a few
// seconds are spent on that.
//
// Parameters of all URLs: key_env and key_file name an environment variable or a
// file with the secret, auth=basic says that it is "user:password", concurrency is
// the most drawings under way, allow_host names further hosts that images may be
// fetched from (see endpoint.Client.Fetch), timeout bounds one drawing, and wording says
// how a correction is put into words (see [Wording]).
package remote
