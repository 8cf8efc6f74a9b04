package service_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/service"
)

// plain is a file of an image in one color, in base64.
func plain(t *testing.T, c color.Color) string {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for i := range 40 * 30 {
		img.Set(i%40, i/40, c)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(file.Bytes())
}

// finding is a verifier of one requirement: red images meet it.
func finding(_ context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	r, _, _, _ := p.Image.At(0, 0).RGBA()
	f := reflectionflow.Finding{Requirement: reflectionflow.Requirement{Kind: reflectionflow.Free, Value: p.Prompt.Text}, Verdict: reflectionflow.NotMet}
	if r > 0x7fff {
		f.Verdict, f.Confidence = reflectionflow.Met, 1
	}
	return reflectionflow.Score{Value: f.Confidence, Requirements: []reflectionflow.Finding{f}, Cost: reflectionflow.Cost{TokensIn: 7}}, nil
}

func verifying(o *service.Options) {
	model := fakeModel()
	model.Open = func(context.Context, string) (*assemble.Engine, error) {
		return &assemble.Engine{Generator: reflectionflow.GeneratorFunc(painted), Verifier: reflectionflow.VerifierFunc(finding)}, nil
	}
	model.Verifiers = []string{"blind"}
	model.OpenVerifier = func(context.Context, string, string) (reflectionflow.Verifier, error) {
		return reflectionflow.VerifierFunc(func(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
			return reflectionflow.Score{Value: -1}, nil
		}), nil
	}
	o.Models = []service.Served{{Name: "paint", Model: model}}
}

func TestVerify(t *testing.T) {
	url := serve(t, verifying).URL
	red := plain(t, color.NRGBA{255, 0, 0, 255})
	for name, c := range map[string]struct {
		image, with string
		right       bool
		value       float64
	}{
		"right":   {red, "", true, 1},
		"wrong":   {plain(t, color.NRGBA{0, 0, 255, 255}), "", false, 0},
		"variant": {red, `,"model":"paint","verifier":"blind"`, false, -1},
	} {
		status, body := call(t, "POST", url+"/api/v1/verify", `{"prompt":" red ","image":"`+c.image+`"`+c.with+`}`)
		got := decode[service.VerifyReply](t, body)
		if status != http.StatusOK || got.Right != c.right || got.Score.Value != c.value || got.Prompt.Text != "red" || got.Model != "paint" {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
	}
	_, body := call(t, "GET", url+"/metrics", "")
	for _, line := range []string{"reflectionflow_verdicts_total 3", "reflectionflow_tokens_total 14"} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("metrics have no line %s", line)
		}
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"no prompt":        {`{"image":"` + red + `"}`, 400},
		"unread prompt":    {`{"prompt":"unknown thing","image":"` + red + `"}`, 400},
		"no image":         {`{"prompt":"red"}`, 400},
		"no such file":     {`{"prompt":"red","image":"` + base64.StdEncoding.EncodeToString([]byte("<svg/>")) + `"}`, 400},
		"image bomb":       {`{"prompt":"red","image":"` + base64.StdEncoding.EncodeToString(bomb()) + `"}`, 400},
		"model":            {`{"prompt":"red","model":"other","image":"` + red + `"}`, 404},
		"verifier":         {`{"prompt":"red","verifier":"other","image":"` + red + `"}`, 400},
		"unknown field":    {`{"prompt":"red","picture":"` + red + `"}`, 400},
		"too large":        {`{"prompt":"red","image":"` + strings.Repeat("A", 33<<20) + `"}`, 413},
		"a prompt so long": {`{"prompt":"` + strings.Repeat("a", 1<<20) + `","image":"` + red + `"}`, 400},
	} {
		if status, body := call(t, "POST", url+"/api/v1/verify", c.body); status != c.status || !strings.Contains(body, `"error"`) {
			t.Errorf("%s: status %d: %.200s", name, status, body)
		}
	}
}

// bomb is the head of a PNG file of 60,000×60,000 pixels.
func bomb() []byte {
	var file bytes.Buffer
	_ = png.Encode(&file, image.NewGray(image.Rect(0, 0, 1, 1)))
	head := file.Bytes()
	copy(head[16:24], []byte{0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60})
	return head
}

// TestVerifyLimit refuses images when too many wait.
func TestVerifyLimit(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(o *service.Options) {
		verifying(o)
		o.Models[0].Model.Open = func(context.Context, string) (*assemble.Engine, error) {
			return &assemble.Engine{Generator: reflectionflow.GeneratorFunc(painted), Verifier: reflectionflow.VerifierFunc(func(ctx context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
				<-release
				return finding(ctx, p)
			})}, nil
		}
	}).URL
	body := `{"prompt":"red","image":"` + plain(t, color.Black) + `"}`
	var calls sync.WaitGroup
	var mutex sync.Mutex
	statuses := map[int]int{}
	for range 40 {
		calls.Go(func() {
			status, _ := call(t, "POST", url+"/api/v1/verify", body)
			mutex.Lock()
			defer mutex.Unlock()
			if statuses[status]++; status == http.StatusTooManyRequests && statuses[status] == 8 {
				close(release)
			}
		})
	}
	calls.Wait()
	if statuses[http.StatusOK] != 32 || statuses[http.StatusTooManyRequests] != 8 {
		t.Errorf("statuses %v", statuses)
	}
}
