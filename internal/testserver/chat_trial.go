package testserver

import (
	"context"
	"testing"

	"reflectionflow/chat"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/endpoint"
)

// ChatClients returns clients of a language model for [Faults] and [BadAnswers]: one with a
// free model and one with a model that costs money. use sends n different questions by the
// chat client. honest is the model; nil means [DefaultAnswer].
func ChatClients(name string, honest func(Question) Answer, use func(ctx context.Context, c chat.Model, n int) ([]Outcome, error)) []Client {
	if honest == nil {
		honest = DefaultAnswer
	}
	start := func(prices endpoint.PriceTable) func(*testing.T, StartOptions) Trial {
		return func(t *testing.T, o StartOptions) Trial {
			t.Helper()
			model := honest
			if o.Answer != nil {
				model = o.Answer
			}
			double := NewChat(t, ChatOptions{Answer: model})
			config := endpoint.Config{Name: "oracle", BaseURL: double.URL, Clock: NewClock(), Concurrency: 1, Prices: prices, Timeouts: endpoint.Timeouts{Idle: o.Idle}}
			e, err := endpoint.New(config)
			if err != nil {
				t.Fatal(err)
			}
			c, err := completions.New(e, completions.Config{Model: "double-1"})
			if err != nil {
				t.Fatal(err)
			}
			return Trial{
				Endpoint: "oracle", Fail: double.Fail, Requests: double.Requests, Close: double.Close, Begun: func() int { return 0 },
				Use: func(ctx context.Context, n int) ([]Outcome, error) { return use(ctx, c, n) },
			}
		}
	}
	return []Client{
		{Name: name + " free", Work: Asks, Honest: honest, Start: start(nil)},
		{Name: name + " paid", Work: AsksPaid, Honest: honest, Start: start(endpoint.PriceTable{"*": {PerCall: 1, InputPerMillion: 10}})},
	}
}
