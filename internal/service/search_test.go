package service_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"reflectionflow/internal/config"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// TestSearchDefaults serves a model whose configuration has settings of searches: a request
// that gives none has these, stored with its job, and what it gives counts.
func TestSearchDefaults(t *testing.T) {
	server := serve(t, func(o *service.Options) {
		o.Models[0].Search = config.Search{Strategy: "noise", Budget: "3", Seed: new(uint64(7)), EarlyStop: new(false), Steps: new(5)}
	})
	for _, c := range []struct {
		body   string
		images int
		seed   uint64
		steps  string
	}{
		{`{"prompt":"red"}`, 3, 7, `"steps":5`},
		{`{"prompt":"red","search":{"budget":"2","seed":9,"steps":4}}`, 2, 9, `"steps":4`},
	} {
		status, body := call(t, "GET", server.URL+"/api/v1/jobs/"+finish(t, server.URL, c.body), "")
		job := decode[jobs.Job](t, body)
		settings := decode[config.Search](t, string(job.Settings))
		if status != 200 || job.Outcome.Images != c.images || settings.Strategy != "noise" || settings.Seed == nil || *settings.Seed != c.seed || !strings.Contains(string(job.Settings), c.steps) {
			t.Errorf("%s: %s", c.body, body)
		}
	}
	_, body := call(t, "GET", server.URL+"/api/v1/models", "")
	if want := `"search":{"strategy":"noise","budget":"3","steps":5,"seed":7,"early_stop":false}`; !strings.Contains(body, want) {
		t.Errorf("the models are %s", body)
	}
	_, body = call(t, "POST", server.URL+"/v1/images/generations", `{"model":"paint","prompt":"red","quality":"low","reflectionflow":{"details":true}}`)
	if got := decode[imageReply](t, body); len(got.Data) != 1 || got.Data[0].Search.Outcome.Images != 1 {
		t.Errorf("quality low: %.300s", body)
	}
}

// TestPageDefaults: the form begins with the settings that the server has for searches.
func TestPageDefaults(t *testing.T) {
	server := serve(t, func(o *service.Options) {
		o.Models[0].Search = config.Search{Strategy: "noise", Budget: "30s", Size: "64x32", Seed: new(uint64(7)), EarlyStop: new(false), Steps: new(5)}
	})
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate(server.URL+"/#/"))
	until(t, ctx, "document.querySelector('form') !== null")
	var shown []string
	do(t, ctx, chromedp.Evaluate("[...document.querySelectorAll('.fields select, .fields input')].map((c) => c.value)", &shown))
	if want := []string{"paint", "noise", "30s", "64x32", "7"}; !slices.Equal(shown, want) {
		t.Errorf("the form shows %q, want %q", shown, want)
	}
	until(t, ctx, "document.querySelector('.note').textContent.includes('for 30s, images of 64x32 pixels with 5 denoising steps each.') && !document.querySelector('.note').textContent.includes('stops early')")
	do(t, ctx, choose("Images", "30 seconds"), chromedp.SendKeys("#prompt", "red"), press("Search"))
	until(t, ctx, "document.querySelector('form input:invalid') !== null && location.hash === '#/'")
}
