package testserver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// OpenAIImagesOptions configure an [OpenAIImages] double.
type OpenAIImagesOptions struct {
	// Dialect is "openai" (also for ""), "vllm-omni", "sglang" or "localai".
	Dialect string
	// Key, if set, must be sent as a bearer token.
	Key string
	// URLs makes the reply point to files instead of holding them.
	URLs bool
	// Random makes all images differ, as those of the real server do, which takes no
	// seeds; without it, the same request gives the same image in every call.
	Random bool
	// Constant ignores prompts and seeds; Blank generates black images.
	Constant, Blank bool
	// Elsewhere is the origin of those URLs; "" means the server itself.
	Elsewhere string
}

// OpenAIImages is a double of OpenAI's images API.
type OpenAIImages struct {
	*Images
	options OpenAIImagesOptions
	files   map[string][]byte
}

// NewOpenAIImages starts a double, which ends with the test.
func NewOpenAIImages(t testing.TB, o OpenAIImagesOptions) *OpenAIImages {
	t.Helper()
	s := &OpenAIImages{Images: newImages(t, "/v1"), options: o, files: map[string][]byte{}}
	s.handle("POST /v1/images/generations", s.generations)
	s.handle("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(s.files[r.PathValue("name")]) //nolint:errcheck // the client has left: that is a test too
	})
	if o.Dialect != "localai" {
		s.handle("POST /v1/images/edits", s.edits)
	}
	return s
}

// imageFields are the fields of each dialect in addition to prompt, model, n and size.
var imageFields = map[string][]string{
	"":          {"quality", "background", "moderation", "output_format", "output_compression", "response_format", "style", "user"},
	"vllm-omni": {"response_format", "negative_prompt", "num_inference_steps", "guidance_scale", "true_cfg_scale", "seed", "output_format"},
	"sglang":    {"response_format", "negative_prompt", "num_inference_steps", "guidance_scale", "true_cfg_scale", "seed", "output_format"},
	"localai":   {"response_format", "step", "seed", "ref_images", "quality"},
}

func (s *OpenAIImages) generations(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	var fields map[string]any
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(&fields); err != nil || r.Header.Get("Content-Type") != "application/json" {
		s.refuse(w, "invalid_json", "We could not parse the JSON body of your request.")
		return
	}
	var reference image.Image
	if list, ok := fields["ref_images"].([]any); ok && len(list) == 1 {
		text, _ := list[0].(string)
		var err error
		if reference, err = readImage(text); err != nil {
			s.refuse(w, "invalid_image", err.Error())
			return
		}
		delete(fields, "ref_images")
	}
	s.answer(w, fields, reference)
}

func (s *OpenAIImages) edits(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	if err := r.ParseMultipartForm(32 << 20); err != nil {
		s.refuse(w, "invalid_form", err.Error())
		return
	}
	fields := map[string]any{}
	for name, values := range r.MultipartForm.Value {
		fields[name] = json.Number(values[0])
		if _, err := strconv.ParseFloat(values[0], 64); err != nil {
			fields[name] = values[0]
		}
	}
	files := slices.Concat(r.MultipartForm.File["image"], r.MultipartForm.File["image[]"])
	if len(files) != 1 || files[0].Header.Get("Content-Type") != "image/png" {
		s.refuse(w, "invalid_image", "Unsupported mimetype, or not one image.")
		return
	}
	f, err := files[0].Open()
	if err != nil {
		s.refuse(w, "invalid_image", err.Error())
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	reference, err := png.Decode(f)
	if err != nil {
		s.refuse(w, "invalid_image", err.Error())
		return
	}
	s.answer(w, fields, reference)
}

// answer checks the fields as the server does, and generates.
func (s *OpenAIImages) answer(w http.ResponseWriter, fields map[string]any, reference image.Image) {
	d, n, err := s.read(fields)
	if err == nil {
		d.Prompt, err = plainWords(d.Prompt)
	}
	if err != nil {
		s.refuse(w, "invalid_value", err.Error())
		return
	}
	d.Reference = reference
	if strings.Contains(d.Prompt, "forbidden") {
		s.refuse(w, "moderation_blocked", "Your request was rejected by the safety system.")
		return
	}
	data := []any{}
	for i := range max(0, n+s.ExtraImages) {
		each := d
		if s.options.Dialect == "" || s.options.Dialect == "openai" {
			each.Seed = uint64(i) // images of one call differ
			if s.options.Random {
				each.Seed = uint64(len(s.Generated()))
			}
		}
		if s.options.Constant {
			each.Seed, each.Prompt = 0, ""
		}
		file, text := s.generateImage(each)
		if s.options.Blank {
			file, text = blackImage(d.Width, d.Height)
		}
		if !s.options.URLs {
			data = append(data, map[string]any{"b64_json": text, "url": nil, "revised_prompt": nil})
			continue
		}
		s.mu.Lock()
		name := fmt.Sprint(len(s.files), ".png")
		s.files[name] = file
		s.mu.Unlock()
		origin := s.options.Elsewhere
		if origin == "" {
			origin = s.server.URL
		}
		data = append(data, map[string]any{"url": origin + "/files/" + name})
	}
	body := map[string]any{"created": 1701234567, "data": data}
	if model := s.served(); model != "" {
		body["model"] = model
	}
	if s.options.Dialect == "sglang" {
		body["id"] = "img-1"
	}
	if strings.HasPrefix(d.Model, "gpt-image") {
		body["usage"] = map[string]any{"total_tokens": 110, "input_tokens": 10, "output_tokens": 100 * n, "input_tokens_details": map[string]any{"text_tokens": 10, "image_tokens": 0}}
	}
	reply(w, http.StatusOK, body)
}

// blackImage is a PNG of black pixels, and its base64.
func blackImage(width, height int) (file []byte, text string) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes(), base64.StdEncoding.EncodeToString(b.Bytes())
}

// read reads the fields and refuses those that the dialect or the model does not have.
func (s *OpenAIImages) read(fields map[string]any) (d ImageRequest, n int, err error) {
	dialect := s.options.Dialect
	if dialect == "openai" {
		dialect = ""
	}
	known := append([]string{"prompt", "model", "n", "size"}, imageFields[dialect]...)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			return d, 0, fmt.Errorf("Unknown parameter: '%s'", name) //nolint:staticcheck // the server's own words
		}
	}
	text := func(name string) string { t, _ := fields[name].(string); return t }
	number := func(name string) float64 {
		v, ok := fields[name].(json.Number)
		f, bad := v.Float64()
		if ok && bad != nil {
			err = bad
		}
		return f
	}
	d = ImageRequest{Prompt: text("prompt"), Model: text("model"), Negative: text("negative_prompt")}
	d.Steps, d.Guidance = int(number("num_inference_steps")+number("step")), number("guidance_scale")
	d.Seed = uint64(number("seed"))
	n = max(1, int(number("n")))
	if _, bad := fmt.Sscanf(text("size"), "%dx%d", &d.Width, &d.Height); bad != nil {
		return d, 0, errors.New("Invalid size format") //nolint:staticcheck // the server's own words
	}
	gpt := strings.HasPrefix(d.Model, "gpt-image")
	format := text("response_format")
	switch {
	case d.Prompt == "" || n > 10 || d.Width*d.Height == 0:
		err = errors.New("prompt, n or size is out of range")
	case gpt && format != "":
		err = errors.New("Unknown parameter: 'response_format'.") //nolint:staticcheck,revive // the server's own words
	case !gpt && format != "b64_json":
		err = errors.New("the client would get a link that expires")
	case dialect == "vllm-omni" && (d.Steps < 1 || d.Steps > 200 || d.Guidance > 20):
		err = errors.New("num_inference_steps or guidance_scale is out of range")
	case d.Seed >= 1<<32 || dialect == "localai" && d.Seed >= 1<<31:
		err = errors.New("seed is out of range")
	}
	return d, n, err
}

func (s *OpenAIImages) authorized(w http.ResponseWriter, r *http.Request) bool {
	if s.options.Key == "" || r.Header.Get("Authorization") == "Bearer "+s.options.Key {
		return true
	}
	reply(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{
		"message": "Incorrect API key provided: " + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "type": "invalid_request_error", "param": nil, "code": "invalid_api_key",
	}})
	return false
}

// refuse answers 400 in the dialect's form.
func (s *OpenAIImages) refuse(w http.ResponseWriter, code, message string) {
	switch s.options.Dialect {
	case "vllm-omni", "sglang":
		reply(w, http.StatusBadRequest, map[string]any{"detail": message})
	default:
		reply(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": code}})
	}
}
