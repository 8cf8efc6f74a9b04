// Package config reads the file that names the parts of a run: endpoints of language
// models, generators, verifiers, reflectors, refiners and parsers, which of them the run
// uses, and the settings of its search.
//
// The format is YAML. Reading is strict: an unknown key, a key that the type of a part
// does not have, and a reference to a missing part are errors with their line that wrap
// [reflectionflow.ErrInvalid]. Secrets are named by variable or file and never written;
// no error repeats a value that could be one.
//
// The package checks names and forms. The types of parts are handed in, see [Type];
// package assemble has the list and builds the parts.
package config

import "cmp"

// Embedded names the part of every kind that belongs to the program's own model. It needs
// no entry.
const Embedded = "embedded"

// None is the parser that takes a prompt as written, without requirements.
const None = "none"

// GivenURL names the generator of [Config.UseGenerator], GivenModel that of
// [Config.UseModel].
const (
	GivenURL   = "url"
	GivenModel = "model"
)

// Config is a configuration. Its JSON form is what a run's record keeps of it (see
// [Config.Used]). Paths are absolute.
type Config struct {
	// Model is the embedded parts' model, by name or folder; empty means the first.
	Model string `yaml:"model" json:"model,omitempty"`
	// Backend is what the embedded parts compute on: see nn.OpenBackend.
	Backend string `yaml:"backend" json:"backend,omitempty"`
	// Precision is what their products are computed in: f32, bf16, int8 or auto; see
	// [Compute]. Empty is f32.
	Precision string `yaml:"precision" json:"precision,omitempty"`
	// NATS is where jobs and workers meet.
	NATS       NATS                 `yaml:"nats" json:"nats,omitzero"`
	Endpoints  map[string]Endpoint  `yaml:"endpoints" json:"endpoints,omitempty"`
	Generators map[string]Generator `yaml:"generators" json:"generators,omitempty"`
	Verifiers  map[string]Verifier  `yaml:"verifiers" json:"verifiers,omitempty"`
	Reflectors map[string]Reflector `yaml:"reflectors" json:"reflectors,omitempty"`
	Refiners   map[string]Refiner   `yaml:"refiners" json:"refiners,omitempty"`
	Parsers    map[string]Parser    `yaml:"parsers" json:"parsers,omitempty"`
	// Annotators are for data of reflection tuning; searches use none.
	Annotators map[string]Annotator `yaml:"annotators" json:"annotators,omitempty"`
	// Comparers choose among images that the verifier scores alike.
	Comparers map[string]Comparer `yaml:"comparers" json:"comparers,omitempty"`
	// Judges are for evaluations; searches use none.
	Judges map[string]Judge `yaml:"judges" json:"judges,omitempty"`
	Use    Use              `yaml:"use" json:"use"`
	Search Search           `yaml:"search" json:"search,omitzero"`

	types  []Type
	file   string
	lines  map[string]int   // of entries, by their path
	chosen map[*string]bool // whether names in Use were chosen by default
	// given is the flag that chose the generator in use; empty where the file did.
	given string
}

// NATS says how to reach a NATS cluster with JetStream.
type NATS struct {
	// URL has the servers, separated by commas: nats://host:4222 or tls://host:4222.
	URL string `yaml:"url" json:"url,omitempty"`
	// Creds is a file of credentials, CA one of the certificates that servers are
	// checked with.
	Creds string `yaml:"creds" json:"creds,omitempty"`
	CA    string `yaml:"ca" json:"ca,omitempty"`
	// Replicas is the number of servers that keep each stream; 0 means 1.
	Replicas int `yaml:"replicas" json:"replicas,omitempty"`
}

// Endpoint is a language model at a server of OpenAI's chat completions.
type Endpoint struct {
	URL   string `yaml:"url" json:"url"`
	Model string `yaml:"model" json:"model,omitempty"`
	// KeyEnv or KeyFile says where the secret is, Auth how it is sent: bearer, which
	// is the default, or basic.
	KeyEnv      string `yaml:"key_env" json:"key_env,omitempty"`
	KeyFile     string `yaml:"key_file" json:"key_file,omitempty"`
	Auth        string `yaml:"auth" json:"auth,omitempty"`
	Concurrency int    `yaml:"concurrency" json:"concurrency,omitempty"`
	// Timeout bounds a call with all its attempts, as 90s or 5m.
	Timeout string `yaml:"timeout" json:"timeout,omitempty"`
	// Cache is the folder of the replies; empty is the user's cache folder, and
	// "none" keeps none.
	Cache string `yaml:"cache" json:"cache,omitempty"`
	Price *Price `yaml:"price" json:"price,omitempty"`
	// Structured is json_schema, json_object or prompt; empty finds out.
	Structured   string `yaml:"structured" json:"structured,omitempty"`
	MaxTokens    int    `yaml:"max_tokens" json:"max_tokens,omitempty"`
	OmitSampling bool   `yaml:"omit_sampling" json:"omit_sampling,omitempty"`
	// Pin is the model that replies must name, AllowChange lets them change it.
	Pin         string `yaml:"pin" json:"pin,omitempty"`
	AllowChange bool   `yaml:"allow_change" json:"allow_change,omitempty"`
	// RepeatLost repeats a paid call whose reply was lost.
	RepeatLost bool `yaml:"repeat_lost" json:"repeat_lost,omitempty"`
	// ImageFormat is png or jpeg, ImageSide the longest side sent in pixels.
	ImageFormat string `yaml:"image_format" json:"image_format,omitempty"`
	ImageSide   int    `yaml:"image_side" json:"image_side,omitempty"`
}

// Price is what a model costs, in any one currency.
type Price struct {
	InputPerMillion  float64 `yaml:"input_per_million" json:"input_per_million,omitempty"`
	CachedPerMillion float64 `yaml:"cached_per_million" json:"cached_per_million,omitempty"`
	OutputPerMillion float64 `yaml:"output_per_million" json:"output_per_million,omitempty"`
	PerImage         float64 `yaml:"per_image" json:"per_image,omitempty"`
	PerCall          float64 `yaml:"per_call" json:"per_call,omitempty"`
}

// The types of parts. Each part has the type embedded as well.
const (
	Remote   = "remote"   // a generator at a URL
	Chat     = "chat"     // a part that asks a language model
	YesNo    = "yes-no"   // a verifier by the probability of "yes"
	Ensemble = "ensemble" // a verifier of verifiers
	Pool     = "pool"     // several remote generators of the same model as one
	Flux     = "flux"     // a generator that runs a FLUX model in this process
	OWLv2    = "owlv2"    // a verifier by boxes that any phrase names
	CLIP     = "clip"     // a verifier by the similarity of image and text
	SigLIP   = "siglip"   // the same with another network
	Reward   = "reward"   // a verifier by what people prefer
	Fleet    = "fleet"    // a part whose work workers do
)

// Generator generates images: type remote, pool, flux or fleet. Size, Steps and Guidance are
// its defaults.
type Generator struct {
	Type string `yaml:"type" json:"type"`
	URL  string `yaml:"url" json:"url,omitempty"`
	// Members are the generators of a pool, which are of type remote.
	Members []string `yaml:"members" json:"members,omitempty"`
	Price   *Price   `yaml:"price" json:"price,omitempty"`
	// Pin is the model that replies must name, AllowChange lets them change it. Of a
	// fleet, it is the beginning of the model's fingerprint.
	Pin         string  `yaml:"pin" json:"pin,omitempty"`
	AllowChange bool    `yaml:"allow_change" json:"allow_change,omitempty"`
	Size        string  `yaml:"size" json:"size,omitempty"`
	Steps       int     `yaml:"steps" json:"steps,omitempty"`
	Guidance    float64 `yaml:"guidance" json:"guidance,omitempty"`
	Weights     `yaml:",inline"`
}

// Weights are the files of a generator of type flux.
type Weights struct {
	// Model is a diffusers folder, a file with a transformer or a whole model, or the
	// name of a model in the cache of Hugging Face, such as org/name. Of a fleet, it is
	// the name of the workers' model.
	Model string `yaml:"model" json:"model,omitempty"`
	// Files that replace the model's own parts, or that its file lacks.
	TextEncoder  string `yaml:"text_encoder" json:"text_encoder,omitempty"`
	TextEncoder2 string `yaml:"text_encoder_2" json:"text_encoder_2,omitempty"`
	VAE          string `yaml:"vae" json:"vae,omitempty"`
	Tokenizer    string `yaml:"tokenizer" json:"tokenizer,omitempty"`
	LoRAs        []LoRA `yaml:"loras" json:"loras,omitempty"`
	// Corrector is a LoRA that corrects images.
	Corrector string `yaml:"corrector" json:"corrector,omitempty"`
	// Img2Img is the noise level from which images are corrected where the model
	// cannot correct by itself, from 0 to 1; 0 is off.
	Img2Img float64 `yaml:"img2img" json:"img2img,omitempty"`
	// Memory bounds what images take beside the weights, as 4GB; empty is no bound.
	Memory string `yaml:"memory" json:"memory,omitempty"`
}

// LoRA is a file of low-rank weights; weight 0 means 1.
type LoRA struct {
	Path   string  `yaml:"path" json:"path"`
	Weight float64 `yaml:"weight" json:"weight,omitempty"`
}

// Verifier scores images: type chat, yes-no, ensemble, owlv2, clip, siglip, reward or
// embedded.
type Verifier struct {
	Type     string `yaml:"type" json:"type"`
	Endpoint string `yaml:"endpoint" json:"endpoint,omitempty"`
	// Prompt is a file that replaces the built-in prompt.
	Prompt      string  `yaml:"prompt" json:"prompt,omitempty"`
	Temperature float64 `yaml:"temperature" json:"temperature,omitempty"`
	Seed        uint64  `yaml:"seed" json:"seed,omitempty"`
	// Votes is the number of answers per image, of chat.
	Votes int `yaml:"votes" json:"votes,omitempty"`
	// Boxes shows the model what a detector saw, of chat: coco, the built-in one.
	Boxes string `yaml:"boxes" json:"boxes,omitempty"`
	// Crops shows the model parts of the image, enlarged, where a detector found what is
	// asked about, of chat: coco.
	Crops string `yaml:"crops" json:"crops,omitempty"`
	// Of yes-no.
	Wording        string `yaml:"wording" json:"wording,omitempty"`
	PerRequirement bool   `yaml:"per_requirement" json:"per_requirement,omitempty"`
	// Path is the folder of a network, of owlv2, clip, siglip and reward.
	Path string `yaml:"path" json:"path,omitempty"`
	// Of reward: how the value is computed, where the files do not show it, and the file
	// of an aesthetic predictor's layers.
	Reward string `yaml:"reward" json:"reward,omitempty"`
	Head   string `yaml:"head" json:"head,omitempty"`
	// Threshold is the confidence at which owlv2 takes an object to be there, Slope how fast
	// its probability grows.
	Threshold float64 `yaml:"threshold" json:"threshold,omitempty"`
	Slope     float64 `yaml:"slope" json:"slope,omitempty"`
	// Confidences from which on and up to which requirements are met and not met.
	Met    float64 `yaml:"met" json:"met,omitempty"`
	NotMet float64 `yaml:"not_met" json:"not_met,omitempty"`
	// Calibration is a file that turns values into probabilities, or gives an
	// ensemble its reference values.
	Calibration string `yaml:"calibration" json:"calibration,omitempty"`
	// Of ensemble: mean, rank or tournament, over verifiers that are none themselves.
	Method  string   `yaml:"method" json:"method,omitempty"`
	Members []Member `yaml:"members" json:"members,omitempty"`
}

// Member is a verifier in an ensemble; weight 0 means 1.
type Member struct {
	Verifier string  `yaml:"verifier" json:"verifier"`
	Weight   float64 `yaml:"weight" json:"weight,omitempty"`
}

// Reflector describes what is wrong with an image: type chat.
type Reflector struct {
	Type        string  `yaml:"type" json:"type"`
	Endpoint    string  `yaml:"endpoint" json:"endpoint,omitempty"`
	Prompt      string  `yaml:"prompt" json:"prompt,omitempty"`
	Wording     string  `yaml:"wording" json:"wording,omitempty"`
	Temperature float64 `yaml:"temperature" json:"temperature,omitempty"`
}

// Refiner rewrites prompts: type chat.
type Refiner struct {
	Type        string  `yaml:"type" json:"type"`
	Endpoint    string  `yaml:"endpoint" json:"endpoint,omitempty"`
	Prompt      string  `yaml:"prompt" json:"prompt,omitempty"`
	Words       int     `yaml:"words" json:"words,omitempty"`
	Temperature float64 `yaml:"temperature" json:"temperature,omitempty"`
}

// Parser reads requirements out of a prompt: type english, chat or embedded.
type Parser struct {
	Type     string `yaml:"type" json:"type"`
	Endpoint string `yaml:"endpoint" json:"endpoint,omitempty"`
	Prompt   string `yaml:"prompt" json:"prompt,omitempty"`
}

// Annotator compares pairs of images and writes reflections: type chat.
type Annotator struct {
	Type     string `yaml:"type" json:"type"`
	Endpoint string `yaml:"endpoint" json:"endpoint,omitempty"`
	Prompt   string `yaml:"prompt" json:"prompt,omitempty"`
}

// Comparer says which of two images is better: type chat.
type Comparer struct {
	Type     string `yaml:"type" json:"type"`
	Endpoint string `yaml:"endpoint" json:"endpoint,omitempty"`
}

// Judge decides which images of an evaluation are right.
type Judge struct {
	Type     string `yaml:"type" json:"type"`
	Endpoint string `yaml:"endpoint" json:"endpoint,omitempty"`
	// Folders of the networks, of owlv2+clip.
	OWLv2 string `yaml:"owlv2" json:"owlv2,omitempty"`
	CLIP  string `yaml:"clip" json:"clip,omitempty"`
}

// Use names the parts of a run. An empty name is, when the file is read, that of
// the only part of the kind. Where there is none, it is [Embedded], or the default for
// photographs where the generator is of type flux (see [Type]), and [Fleet] where it is of
// that type; for the parser the default
// for photographs where no part in use is embedded.
type Use struct {
	Generator string `yaml:"generator" json:"generator"`
	Verifier  string `yaml:"verifier" json:"verifier"`
	Reflector string `yaml:"reflector" json:"reflector"`
	Refiner   string `yaml:"refiner" json:"refiner"`
	Parser    string `yaml:"parser" json:"parser"`
	// Annotator and Comparer may stay empty: there are no embedded ones.
	Annotator string `yaml:"annotator" json:"annotator,omitempty"`
	Comparer  string `yaml:"comparer" json:"comparer,omitempty"`
}

// Search holds settings of the search under the names and in the forms of the
// flags of "generate". What is nil or empty is not set.
type Search struct {
	Strategy  string   `yaml:"strategy" json:"strategy,omitempty"`
	Budget    string   `yaml:"budget" json:"budget,omitempty"`
	Width     *int     `yaml:"width" json:"width,omitempty"`
	Depth     *int     `yaml:"depth" json:"depth,omitempty"`
	Axes      []string `yaml:"axes" json:"axes,omitempty"`
	Steps     *int     `yaml:"steps" json:"steps,omitempty"`
	Guidance  *float64 `yaml:"guidance" json:"guidance,omitempty"`
	Size      string   `yaml:"size" json:"size,omitempty"`
	AnySize   *bool    `yaml:"any_size" json:"any_size,omitempty"`
	Seed      *uint64  `yaml:"seed" json:"seed,omitempty"`
	EarlyStop *bool    `yaml:"early_stop" json:"early_stop,omitempty"`
	Batch     *int     `yaml:"batch" json:"batch,omitempty"`
}

// Or returns the settings, and for those that are not set the ones of other.
func (s Search) Or(other Search) Search {
	s.Strategy, s.Budget, s.Size = cmp.Or(s.Strategy, other.Strategy), cmp.Or(s.Budget, other.Budget), cmp.Or(s.Size, other.Size)
	s.Width, s.Depth, s.Steps, s.Batch = cmp.Or(s.Width, other.Width), cmp.Or(s.Depth, other.Depth), cmp.Or(s.Steps, other.Steps), cmp.Or(s.Batch, other.Batch)
	s.Guidance, s.Seed = cmp.Or(s.Guidance, other.Guidance), cmp.Or(s.Seed, other.Seed)
	s.AnySize, s.EarlyStop = cmp.Or(s.AnySize, other.AnySize), cmp.Or(s.EarlyStop, other.EarlyStop)
	if s.Axes == nil {
		s.Axes = other.Axes
	}
	return s
}
