package remote_test

import (
	"image"
	"image/color"
	"net/url"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// client is a double, the URL that opens it, and what it must receive for a request.
type client struct {
	name  string
	start func(t *testing.T) (address string, double *testserver.Images)
	// generate is the route that starts an image, edit that of a correction, follow are
	// those of a correction that may be repeated: the one that asks how the work stands
	// first.
	generate, edit string
	follow         []string
	want           func(reflectionflow.Request) testserver.ImageRequest
	unseeded       bool
	steps          bool // whether the cost says them
}

func openAI(dialect, model string, want func(reflectionflow.Request) testserver.ImageRequest) client {
	c := client{
		name: "openai " + dialect,
		start: func(t *testing.T) (string, *testserver.Images) {
			double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: dialect})
			return "openai+" + double.URL + "?concurrency=1&dialect=" + dialect + "&model=" + model, double.Images
		},
		generate: "POST /v1/images/generations", edit: "POST /v1/images/edits", want: want,
		unseeded: dialect == "openai", steps: dialect != "openai",
	}
	if dialect == "localai" {
		c.edit = c.generate
	}
	return c
}

func clients() []client {
	whole := func(r reflectionflow.Request) testserver.ImageRequest {
		return testserver.ImageRequest{Prompt: remote.Instruction.Text(r), Seed: r.Seed, Width: r.Width, Height: r.Height, Steps: r.Steps, Guidance: r.Guidance, Reference: r.Reference}
	}
	return []client{
		openAI("openai", "gpt-image-2", func(r reflectionflow.Request) testserver.ImageRequest {
			return testserver.ImageRequest{Model: "gpt-image-2", Prompt: remote.Instruction.Text(r), Width: r.Width, Height: r.Height, Reference: r.Reference}
		}),
		openAI("vllm-omni", "Qwen/Qwen-Image", func(r reflectionflow.Request) testserver.ImageRequest {
			d := whole(r)
			d.Model = "Qwen/Qwen-Image"
			return d
		}),
		openAI("sglang", "", whole),
		openAI("localai", "flux.1-dev", func(r reflectionflow.Request) testserver.ImageRequest {
			d := whole(r)
			d.Model, d.Guidance = "flux.1-dev", 0
			return d
		}),
		{
			name: "sdcpp",
			start: func(t *testing.T) (string, *testserver.Images) {
				double := testserver.NewSDCPP(t)
				return "sdcpp+" + double.URL + "?concurrency=1", double.Images
			},
			generate: "POST /sdcpp/v1/img_gen", edit: "POST /sdcpp/v1/img_gen", follow: []string{"GET /sdcpp/v1/jobs/{id}"}, steps: true,
			want: func(r reflectionflow.Request) testserver.ImageRequest {
				d := whole(r)
				d.Prompt = strings.NewReplacer("[", "(", "]", ")").Replace(d.Prompt) // see sdcppPrompt
				return d
			},
		},
		{
			name: "a1111",
			start: func(t *testing.T) (string, *testserver.Images) {
				double := testserver.NewA1111(t, testserver.A1111Options{})
				return "a1111+" + double.URL, double.Images
			},
			generate: "POST /sdapi/v1/txt2img", edit: "POST /sdapi/v1/img2img", steps: true,
			want: func(r reflectionflow.Request) testserver.ImageRequest {
				d := whole(r)
				if r.Reference != nil {
					d.Strength, d.Prompt = .75, remote.Appended.Text(r)
				}
				return d
			},
		},
		{
			name: "comfyui",
			start: func(t *testing.T) (string, *testserver.Images) {
				double := testserver.NewComfyUI(t)
				return "comfyui+" + double.URL + "?concurrency=1&workflow=testdata/draw.json&edit=testdata/correct.json", double.Images
			},
			generate: "POST /prompt", edit: "POST /prompt", follow: []string{"GET /history/{id}", "GET /view", "POST /upload/image"}, steps: true,
			want: func(r reflectionflow.Request) testserver.ImageRequest {
				d := whole(r)
				d.Strength = 1
				if r.Reference == nil {
					d.CLIPPrompt = r.Prompt
				}
				return d
			},
		},
	}
}

// open opens a generator whose waits take no time.
func open(t *testing.T, address string, set ...func(*remote.Options)) reflectionflow.Generator {
	t.Helper()
	o := remote.Options{Endpoint: endpoint.Config{Name: "painter", Clock: testserver.NewClock()}}
	for _, f := range set {
		f(&o)
	}
	g, err := remote.Open(address, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// reference is an image whose pixels use every bit.
func reference() image.Image {
	img := image.NewRGBA(image.Rect(3, 4, 67, 68))
	for y := range 64 {
		for x := range 64 {
			img.SetRGBA(3+x, 4+y, color.RGBA{uint8(3 * x), uint8(5 * y), uint8(x * y), 255})
		}
	}
	return img
}

func requests() []reflectionflow.Request {
	base := reflectionflow.Request{Prompt: "two (red) cats [sleeping] \\ a cup", Width: 64, Height: 64, Steps: 4, Guidance: 3.5}
	list := make([]reflectionflow.Request, 3)
	for i := range list {
		list[i] = base
		list[i].Seed = uint64(7 + 5*i)
	}
	list[1].Reference, list[1].Reflection = reference(), "add a second cat"
	list[2].Width, list[2].Prompt = 96, "a clock"
	return list
}

func wantImage(t *testing.T, what string, got image.Image, want testserver.ImageRequest) {
	t.Helper()
	painted := testserver.ExpectedImage(want)
	if got == nil || got.Bounds() != painted.Rect {
		t.Errorf("%s: got %v, want bounds %v", what, got, painted.Rect)
		return
	}
	for y := range painted.Rect.Dy() {
		for x := range painted.Rect.Dx() {
			if got.At(x, y) != painted.At(x, y) {
				t.Errorf("%s: pixel (%d,%d) is %v, want %v: another image was generated", what, x, y, got.At(x, y), painted.At(x, y))
				return
			}
		}
	}
}

func TestConformance(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, _ := c.start(t)
			conformance.Generator(t, open(t, address), requests(), conformance.Options{})
		})
	}
}

// TestRequestsAndCosts: each server receives exactly the request, and the generation states
// its cost and whether the seed was used.
func TestRequestsAndCosts(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			g := open(t, address, func(o *remote.Options) {
				o.Endpoint.Prices = endpoint.PriceTable{"*": {PerImage: 2, PerCall: 1}}
			})
			out, err := g.Generate(t.Context(), requests())
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range requests() {
				if out[i].Err != nil {
					t.Fatal(out[i].Err)
				}
				wantImage(t, "image", out[i].Image, c.want(r))
				if cost := out[i].Cost; cost.Images != 1 || cost.USD != 3 || c.steps != (cost.DenoiseSteps > 0) || cost.DenoiseSteps > r.Steps || cost.Seconds < 0 {
					t.Errorf("cost %+v", cost)
				}
				if out[i].Unseeded != c.unseeded {
					t.Errorf("unseeded is %t", out[i].Unseeded)
				}
			}
			if n := double.Calls(c.generate); c.generate != c.edit && n != 2 || c.generate == c.edit && n != 3 {
				t.Errorf("%d images were started", n)
			}
		})
	}
}

// TestLargeSeeds: a seed that is too large for the server is folded, deterministically.
func TestLargeSeeds(t *testing.T) {
	seed := uint64(0xfedc_ba98_7654_3210)
	want := map[string]uint64{
		"openai openai": 0, "openai vllm-omni": 0x8888_8888, "openai sglang": 0x8888_8888,
		"openai localai": 0x7654_3210 ^ seed>>31&0x7fff_ffff ^ seed>>62,
		"sdcpp":          seed&(1<<63-1) ^ 1, "a1111": 0x8888_8888, "comfyui": seed,
	}
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			r := requests()[0]
			r.Seed = seed
			out, err := open(t, address).Generate(t.Context(), []reflectionflow.Request{r})
			if err != nil || out[0].Err != nil {
				t.Fatal(err, out)
			}
			if got := double.Generated()[0].Seed; got != want[c.name] {
				t.Errorf("the server generated with %#x, want %#x", got, want[c.name])
			}
		})
	}
}

// TestBatches: requests that a server can batch are batched, and each image is the one that
// it would be alone.
func TestBatches(t *testing.T) {
	var list []reflectionflow.Request
	for _, seed := range []uint64{10, 11, 12, 13, 20, 21, 5} {
		r := requests()[0]
		r.Seed = seed
		list = append(list, r)
	}
	for name, calls := range map[string]int{"openai openai": 3, "sdcpp": 4, "a1111": 4} {
		i := slices.IndexFunc(clients(), func(c client) bool { return c.name == name })
		c := clients()[i]
		t.Run(name, func(t *testing.T) {
			address, double := c.start(t)
			out, err := open(t, withParameter(address, "batch=3")).Generate(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range list {
				want := c.want(r)
				if c.unseeded {
					want.Seed = uint64(i % 3) // the double's way to make them differ
				}
				wantImage(t, "image", out[i].Image, want)
				if out[i].Cost.Images != 1 {
					t.Errorf("cost %+v", out[i].Cost)
				}
			}
			if got := double.Calls(c.generate); got != calls {
				t.Errorf("%d images, want %d", got, calls)
			}
		})
	}
}

func withParameter(address, parameter string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+parameter, "&")
	return u.String()
}

// TestHostilePrompts: commands in prompts reach no server; the doubles refuse them.
func TestHostilePrompts(t *testing.T) {
	for _, c := range clients() {
		for _, text := range []string{
			"<lora:evil:5> a cat", `a cat <sd_cpp_extra_args>{"seed":1,"sample_params":{"sample_steps":1000}}</sd_cpp_extra_args>`,
			"(((cat:1.9))) [dog::2] \\(a) \\\\[b", "a cat AND a dog BREAK a cup", "shirt #10, or no shirt", "it shows 12:30", "embedding:evil a", "a <|endoftext|> b </s> c",
		} {
			for _, corrects := range []bool{false, true} {
				address, double := c.start(t)
				r := requests()[0]
				r.Prompt = text
				if corrects {
					r.Reference, r.Reflection = reference(), text
				}
				if out := generateOne(t, open(t, address), r); out.Err != nil || len(double.Generated()) != 1 || len(double.Generated()[0].Prompt) < len(text)-4 {
					t.Errorf("%s: %q is generated as %+v: %v", c.name, r.Prompt, double.Generated(), out.Err)
				}
			}
		}
	}
}
