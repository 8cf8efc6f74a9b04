package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// sent is a request as received.
type sent struct {
	path, kind string
	body       []byte
}

// recorder answers every request with an empty list and records it.
func recorder(t *testing.T) (string, *sent) {
	last := &sent{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*last = sent{r.URL.Path, r.Header.Get("Content-Type"), body}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"created":1,"data":[]}`)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1", last
}

func parts(t *testing.T, s sent) map[string]string {
	t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", bytes.NewReader(s.body))
	r.Header.Set("Content-Type", s.kind)
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name, values := range r.MultipartForm.Value {
		found[name] = strings.Join(values, "\x00")
	}
	for name, files := range r.MultipartForm.File {
		f, err := files[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		found["file "+name] = string(data)
	}
	return found
}

// TestRequestShapes: OpenAI receives what its own SDK sends.
func TestRequestShapes(t *testing.T) {
	url, ours := recorder(t)
	sdkURL, theirs := recorder(t)
	sdk := openai.NewClient(option.WithBaseURL(sdkURL), option.WithAPIKey("k"))
	r := requests()[0]
	for _, model := range []string{"gpt-image-2", "someone-elses"} {
		generateOne(t, open(t, "openai+"+url+"?model="+model+"&quality=low"), r)
		params := openai.ImageGenerateParams{
			Prompt: r.Prompt, Model: model, N: openai.Int(1), Size: "64x64", Quality: "low", OutputFormat: "png",
		}
		if model == "someone-elses" {
			params.OutputFormat, params.ResponseFormat = "", "b64_json"
		}
		if _, err := sdk.Images.Generate(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		var got, want any
		if json.Unmarshal(ours.body, &got) != nil || json.Unmarshal(theirs.body, &want) != nil || !reflect.DeepEqual(got, want) || ours.path != theirs.path {
			t.Errorf("sent %s\n%s\nOpenAI's SDK sends %s\n%s", ours.path, ours.body, theirs.path, theirs.body)
		}
	}
	r = requests()[1]
	generateOne(t, open(t, "openai+"+url+"?model=gpt-image-2"), r)
	reference := parts(t, *ours)["file image"]
	if _, err := sdk.Images.Edit(t.Context(), openai.ImageEditParams{
		Prompt: `Edit the image: add a second cat. Keep everything else as it is. The edited image must show: two (red) cats [sleeping] \ a cup.`, Model: "gpt-image-2", N: openai.Int(1), Size: "64x64", OutputFormat: "png",
		Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(strings.NewReader(reference), "reference.png", "image/png")},
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := parts(t, *ours), parts(t, *theirs); !reflect.DeepEqual(got, want) || ours.path != theirs.path {
		t.Errorf("sent %s\n%.300q\nOpenAI's SDK sends %s\n%.300q", ours.path, got, theirs.path, want)
	}
}

// TestDoubleShapes: OpenAI's own SDK understands the double, its images and its errors.
func TestDoubleShapes(t *testing.T) {
	double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Key: "k-1"})
	sdk := openai.NewClient(option.WithBaseURL(double.URL), option.WithAPIKey("k-1"), option.WithMaxRetries(0))
	got, err := sdk.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "a cat", Model: "gpt-image-1", N: openai.Int(2), Size: "1024x1024"})
	if err != nil || len(got.Data) != 2 || got.Data[0].B64JSON == "" || got.Usage.OutputTokens != 200 {
		t.Errorf("got %.200v, %v", got, err)
	}
	_, err = sdk.Images.Generate(t.Context(), openai.ImageGenerateParams{Prompt: "forbidden", Model: "gpt-image-1", Size: "1024x1024"})
	var refused *openai.Error
	if !errors.As(err, &refused) || refused.Code != "moderation_blocked" {
		t.Errorf("got %v", err)
	}
}

func TestURLs(t *testing.T) {
	near := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "localai", URLs: true})
	r := requests()[0]
	want := testserver.ImageRequest{Prompt: r.Prompt, Seed: r.Seed, Width: 64, Height: 64, Steps: 4}
	wantImage(t, "of the same server", generateOne(t, open(t, "openai+"+near.URL+"?dialect=localai"), r).Image, want)

	files := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "localai", URLs: true})
	origin := strings.TrimSuffix(files.URL, "/v1")
	generateOne(t, open(t, "openai+"+files.URL+"?dialect=localai"), r) // so that the file is there
	far := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "localai", URLs: true, Elsewhere: origin})
	wantKind(t, "of a other", generateOne(t, open(t, "openai+"+far.URL+"?dialect=localai"), r).Err, endpoint.ForbiddenURL)
	far = testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "localai", URLs: true, Elsewhere: origin})
	wantImage(t, "of an allowed host", generateOne(t, open(t, "openai+"+far.URL+"?dialect=localai&allow_host="+strings.TrimPrefix(origin, "http://")), r).Image, want)
}

// TestSecret: the secret comes from the variable that the URL names, and is in no error.
func TestSecret(t *testing.T) {
	double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Key: "sk-right"})
	for key, fine := range map[string]bool{"sk-right": true, "sk-wrong-and-secret": false} {
		g := open(t, "openai+"+double.URL+"?model=gpt-image-2&key_env=IMAGES_KEY", func(o *remote.Options) {
			o.LookupEnv = func(name string) (string, bool) { return key, name == "IMAGES_KEY" }
		})
		out, err := g.Generate(t.Context(), requests()[:1])
		if fine && (err != nil || out[0].Err != nil) {
			t.Error(err, out)
		}
		if !fine && (!errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), key)) {
			t.Errorf("got %v", err)
		}
	}
}

func TestDeclined(t *testing.T) {
	double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{})
	list := requests()
	list[1].Prompt = "something forbidden"
	out, err := open(t, "openai+"+double.URL+"?model=gpt-image-2").Generate(t.Context(), list)
	if err != nil || out[0].Err != nil || out[2].Err != nil {
		t.Fatal(err, out)
	}
	wantKind(t, "the refused one", out[1].Err, endpoint.Declined)
}

// TestTokens: models with a price per token are accounted by tokens.
func TestTokens(t *testing.T) {
	double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{})
	r := requests()[0]
	out := generateOne(t, open(t, "openai+"+double.URL+"?model=gpt-image-2", func(o *remote.Options) {
		o.Endpoint.Prices = endpoint.PriceTable{"gpt-image-2": {InputPerMillion: 1e5, OutputPerMillion: 1e6}}
	}), r)
	if out.Err != nil || out.Cost.USD != 101 || out.Cost.TokensIn != 10 || out.Cost.TokensOut != 100 {
		t.Errorf("cost %+v, %v", out.Cost, out.Err)
	}
}

// TestRefusedBeforeSending: a request that the server or the model cannot serve is refused
// before anything is sent.
func TestRefusedBeforeSending(t *testing.T) {
	change := func(f func(*reflectionflow.Request)) reflectionflow.Request {
		r := requests()[0]
		f(&r)
		return r
	}
	small := change(func(r *reflectionflow.Request) { r.Width, r.Height = 32, 32 })
	several := change(func(r *reflectionflow.Request) {
		r.Reference, r.Others = reference(), reflectionflow.NewImages(reference())
	})
	tests := map[string]struct {
		url string
		r   reflectionflow.Request
	}{
		"several images of vllm-omni": {"openai+http://x/v1?dialect=vllm-omni", several},
		"several images of sdcpp":     {"sdcpp+http://x", several},
		"several images of a1111":     {"a1111+http://x", several},
		"several images of comfyui":   {"comfyui+http://x?workflow=testdata/draw.json", several},

		"size of gpt-image-1":           {"openai+http://x/v1?model=gpt-image-1", small},
		"size through a gateway":        {"openai+http://x/v1?model=openai/dall-e-3", small},
		"aspect of gpt-image-2":         {"openai+http://x/v1?model=gpt-image-2", change(func(r *reflectionflow.Request) { r.Width = 208 })},
		"dall-e-3 does not correct":     {"openai+http://x/v1?model=dall-e-3", change(func(r *reflectionflow.Request) { r.Width, r.Height, r.Reference = 1024, 1024, reference() })},
		"steps of vllm-omni":            {"openai+http://x/v1?dialect=vllm-omni", change(func(r *reflectionflow.Request) { r.Steps = 201 })},
		"guidance of vllm-omni":         {"openai+http://x/v1?dialect=vllm-omni", change(func(r *reflectionflow.Request) { r.Guidance = 21 })},
		"size of sdcpp":                 {"sdcpp+http://x", small},
		"size of a1111":                 {"a1111+http://x", small},
		"steps of a1111":                {"a1111+http://x", change(func(r *reflectionflow.Request) { r.Steps = 151 })},
		"correction without a workflow": {"comfyui+http://x?workflow=testdata/draw.json", requests()[1]},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			double := func(o *remote.Options) {
				o.Endpoint.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
					t.Error("something was sent")
					return nil, errors.New("no")
				})
			}
			if _, err := open(t, tt.url, double).Generate(t.Context(), []reflectionflow.Request{tt.r}); !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Models that take several images get all of them, in order.
func TestSeveralReferences(t *testing.T) {
	var sent []int
	double := func(o *remote.Options) {
		o.Endpoint.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if err := r.ParseMultipartForm(1 << 20); err != nil {
				return nil, err
			}
			for _, header := range r.MultipartForm.File["image[]"] {
				file, err := header.Open()
				if err != nil {
					return nil, err
				}
				config, _, err := image.DecodeConfig(file)
				if err != nil {
					return nil, err
				}
				sent = append(sent, config.Width)
			}
			return nil, errors.New("seen")
		})
	}
	r := requests()[0]
	r.Width, r.Height, r.Reference = 64, 64, reference()
	r.Others = reflectionflow.NewImages(image.NewGray(image.Rect(0, 0, 20, 30)), image.NewGray(image.Rect(0, 0, 7, 7)))
	_, _ = open(t, "openai+http://x/v1?model=gpt-image-2", double).Generate(t.Context(), []reflectionflow.Request{r}) // nothing answers
	if len(sent) < 3 || !slices.Equal(sent[:3], []int{64, 20, 7}) {
		t.Errorf("images of the widths %v were sent", sent)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
