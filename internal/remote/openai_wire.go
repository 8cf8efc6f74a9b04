package remote

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// request returns the HTTP request for a batch: JSON to generations, or a form to edits.
func (o *openAI) request(group []reflectionflow.Request) (endpoint.Request, error) {
	r := group[0]
	fields := o.fields(r, len(group))
	call := endpoint.Request{Method: http.MethodPost, Path: "/images/generations"}
	if r.Reference == nil {
		body, err := json.Marshal(fields)
		call.Body = body
		return call, err
	}
	var files [][]byte
	for _, img := range r.References() {
		encoded, err := encode(img)
		if err != nil {
			return call, err
		}
		files = append(files, encoded)
	}
	if name := o.dialect.references; name != "" {
		fields[name] = []string{base64.StdEncoding.EncodeToString(files[0])} // which is all that these servers take
		body, err := json.Marshal(fields)
		call.Body = body
		return call, err
	}
	call.Path = "/images/edits"
	var err error
	call.Body, call.ContentType, err = form(fields, files)
	return call, err
}

// fields returns the parameters that generations and edits have in common.
func (o *openAI) fields(r reflectionflow.Request, n int) map[string]any {
	fields := map[string]any{"prompt": o.dialect.openAIPrompt(o.wording.Text(r)), "n": n, "size": sizeText(r)}
	set := func(name string, value any) {
		if name != "" {
			fields[name] = value
		}
	}
	if o.model != "" {
		set("model", o.model)
	}
	if o.quality != "" {
		set("quality", o.quality)
	}
	if o.family.alwaysBase64 {
		set("output_format", "png")
	} else {
		set("response_format", "b64_json")
	}
	if o.dialect.seed != "" {
		set(o.dialect.seed, fold(r.Seed, o.dialect.seedBits))
	}
	set(o.dialect.steps, r.Steps)
	set(o.dialect.guidance, r.Guidance)
	if o.negative != "" {
		set(o.dialect.negative, o.negative)
	}
	return fields
}

// form encodes fields and images as a multipart form.
func form(fields map[string]any, files [][]byte) ([]byte, string, error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := w.WriteField(name, fmt.Sprint(fields[name])); err != nil {
			return nil, "", err
		}
	}
	field := "image"
	if len(files) > 1 {
		field = "image[]"
	}
	for _, file := range files {
		if err := addFile(w, field, "reference.png", file); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return buf.Bytes(), w.FormDataContentType(), nil
}

// addFile adds a PNG to a form. CreateFormFile would label it application/octet-stream,
// which OpenAI refuses.
func addFile(w *multipart.Writer, field, name string, data []byte) error {
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename=%q`, field, name))
	h.Set("Content-Type", "image/png")
	part, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	_, err = part.Write(data)
	return err
}
