package openai_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/chat/openai"
	"reflectionflow/internal/testserver"
)

func TestInvalidConfigurationIsRejected(t *testing.T) {
	const url = "http://localhost:8080/v1"
	for name, c := range map[string]openai.Config{
		"no URL": {}, "no scheme": {URL: "localhost:8080"}, "key in the URL": {URL: "http://user:key@localhost/v1"}, "line break in the key": {URL: url, Key: "a\nb"},
		"concurrency": {URL: url, Concurrency: -1}, "timeout": {URL: url, Timeout: -time.Second}, "tokens": {URL: url, MaxTokens: -1},
		"structured": {URL: url, Structured: "xml"}, "format": {URL: url, ImageFormat: "webp"}, "side": {URL: url, MaxSide: 1}, "price": {URL: url, InputPrice: -1},
	} {
		if model, err := openai.New(c); !errors.Is(err, reflectionflow.ErrInvalid) || model != nil {
			t.Errorf("%s: got %v, %v", name, model, err)
		}
	}
}

func TestCostCacheAndKey(t *testing.T) {
	server := testserver.NewChat(t, testserver.ChatOptions{Key: "k-secret-1"})
	config := openai.Config{URL: server.URL, Model: "double-1", Key: "k-secret-1", InputPrice: 10_000, OutputPrice: 100_000, CacheFolder: t.TempDir()}
	ask := func() chat.Reply {
		t.Helper()
		model, err := openai.New(config)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := model.Complete(t.Context(), chat.Request{Parts: []chat.Part{chat.Text("Is this a cat?")}})
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	first, second := ask(), ask()
	if first.Cost.USD != 2 || first.Cached || second.Cost.USD != 0 || !second.Cached || first.Text != second.Text { // 100 tokens in, 10 out
		t.Errorf("got %+v and %+v, want one paid and one cached reply", first, second)
	}

	config.Key, config.CacheFolder = "k-wrong-2", ""
	model, err := openai.New(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = model.Complete(t.Context(), chat.Request{Parts: []chat.Part{chat.Text("?")}})
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), strings.TrimPrefix(strings.TrimSuffix(server.URL, "/v1"), "http://")) || strings.Contains(err.Error(), "k-wrong-2") {
		t.Errorf("got %v, want an invalid key of this host, not shown", err)
	}
}
