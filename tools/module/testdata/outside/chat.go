package main

import (
	"reflectionflow"
	"reflectionflow/chat/openai"
	"reflectionflow/reflector"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

// chatSearch connects a generator with a vision-language model on a server.
func chatSearch(g reflectionflow.Generator) (*search.Search, error) {
	model, err := openai.New(openai.Config{URL: "http://localhost:8080/v1", Model: "qwen2.5-vl"})
	if err != nil {
		return nil, err
	}
	v, err := verifier.NewChat(model, verifier.ChatOptions{})
	if err != nil {
		return nil, err
	}
	r, err := reflector.NewChat(model, reflector.ChatOptions{})
	if err != nil {
		return nil, err
	}
	f, err := reflector.NewChatRefiner(model, reflector.ChatRefinerOptions{})
	if err != nil {
		return nil, err
	}
	return &search.Search{Generator: g, Verifier: v, Reflector: r, Refiner: f}, nil
}
