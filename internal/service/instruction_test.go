package service_test

import (
	"context"
	"image"
	"net/http"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/service"
)

// TestInstructions: an edit's prompt is an instruction, and what the image shall show follows from it,
// unless the client says it.
func TestInstructions(t *testing.T) {
	var lock sync.Mutex
	var asked []string
	model := fakeModel()
	parse := model.Parse
	model.Parse = func(ctx context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
		lock.Lock()
		defer lock.Unlock()
		asked = append(asked, text)
		if strings.Contains(text, "brighter") {
			return reflectionflow.Prompt{}, reflectionflow.Cost{}, reflectionflow.ErrInvalid
		}
		return parse(ctx, text)
	}
	looking := model
	looking.Edited = func(_ context.Context, v reflectionflow.Verifier, img image.Image, instruction string) (string, error) {
		if v == nil || img == nil {
			t.Error("the model is not given its verifier and the image")
		}
		return "a cat and what follows from " + instruction, nil
	}
	server := serve(t, func(o *service.Options) {
		o.Models = []service.Served{{Name: "paint", Model: model}, {Name: "looks", Model: looking}}
	})
	for _, c := range []struct{ model, prompt, search, want string }{
		{"paint", "Replace the cat with a dog.", "{}", "a dog and no cat"},
		{"paint", "two dogs", "{}", "two dogs"},
		{"paint", "Remove the cup", `{"prompt":"a fork and no cup"}`, "a fork and no cup"},
		{"looks", "Add a dog", "{}", "a cat and what follows from Add a dog"},
	} {
		body, kind := form(t, "image", [][2]string{{"model", c.model + ":noise"}, {"prompt", c.prompt}, {"quality", "low"}, {"reflectionflow", c.search}})
		if status, reply := call(t, "POST", server.URL+"/v1/images/edits", body, "Content-Type", kind); status != http.StatusOK {
			t.Fatalf("%s: status %d: %.300s", c.prompt, status, reply)
		}
		if got := asked[len(asked)-1]; got != c.want {
			t.Errorf("%s: the prompt is %q, want %q", c.prompt, got, c.want)
		}
	}
	body, kind := form(t, "image", [][2]string{{"model", "paint:noise"}, {"prompt", "make it brighter"}})
	status, reply := call(t, "POST", server.URL+"/v1/images/edits", body, "Content-Type", kind)
	if status != http.StatusBadRequest || !strings.Contains(reply, "say it in the field prompt of reflectionflow") {
		t.Errorf("an instruction that says nothing: status %d: %.300s", status, reply)
	}
}
