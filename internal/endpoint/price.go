package endpoint

import (
	"maps"
	"math"
	"slices"

	"reflectionflow"
)

// Price is the price of one model, in USD or the currency that the whole table is in.
type Price struct {
	InputPerMillion  float64 // per million input tokens
	CachedPerMillion float64 // per million input tokens from the server's cache; 0 means InputPerMillion
	OutputPerMillion float64 // per million output tokens
	PerImage         float64 // per generated image
	PerCall          float64
}

// PriceTable holds prices by model name. The entry "*" is for all other models; without it
// they are free.
type PriceTable map[string]Price

// Validate returns an error wrapping [reflectionflow.ErrInvalid] for a price that is
// negative or not finite.
func (t PriceTable) Validate() error {
	for _, model := range slices.Sorted(maps.Keys(t)) {
		p := t[model]
		for _, v := range []float64{p.InputPerMillion, p.CachedPerMillion, p.OutputPerMillion, p.PerImage, p.PerCall} {
			if !(v >= 0) || math.IsInf(v, 0) {
				return invalid("the price %v of model %q must be 0 or more", v, model)
			}
		}
	}
	return nil
}

// Usage is what a call used, as the server states it.
type Usage struct {
	Calls     int // 1 per call that was sent
	TokensIn  int // input tokens, CachedIn included
	CachedIn  int // of these, from the server's cache
	TokensOut int
	Images    int
}

// Cost returns the price of a usage of a model.
func (t PriceTable) Cost(model string, u Usage) float64 {
	p, ok := t[model]
	if !ok {
		p = t["*"]
	}
	cached := p.CachedPerMillion
	if cached == 0 {
		cached = p.InputPerMillion
	}
	known := min(max(u.CachedIn, 0), u.TokensIn)
	return (float64(u.TokensIn-known)*p.InputPerMillion+float64(known)*cached+float64(u.TokensOut)*p.OutputPerMillion)/1e6 +
		float64(u.Images)*p.PerImage + float64(u.Calls)*p.PerCall
}

// Spent is what a client has sent, received and paid so far.
type Spent struct {
	Attempts  int   // requests sent
	Repeats   int   // of these, repetitions
	CacheHits int   // calls answered without a request
	BytesIn   int64 // in complete replies
	Usage     Usage
	Cost      float64
}

// Account adds a call's usage to the client's totals and returns its cost in tokens and
// money. Impossible figures count as 0. Callers account every reply once, and never a
// cached one.
func (c *Client) Account(model string, u Usage) reflectionflow.Cost {
	for _, n := range []*int{&u.Calls, &u.TokensIn, &u.CachedIn, &u.TokensOut, &u.Images} {
		if *n < 0 || *n > 1<<40 {
			*n = 0
		}
	}
	money := c.config.Prices.Cost(model, u)
	c.count(func(s *Spent) {
		s.Usage = Usage{
			Calls: s.Usage.Calls + u.Calls, TokensIn: s.Usage.TokensIn + u.TokensIn, CachedIn: s.Usage.CachedIn + u.CachedIn,
			TokensOut: s.Usage.TokensOut + u.TokensOut, Images: s.Usage.Images + u.Images,
		}
		s.Cost += money
	})
	return reflectionflow.Cost{TokensIn: u.TokensIn, TokensOut: u.TokensOut, USD: money}
}

// Charges reports whether calls of a model cost money.
func (c *Client) Charges(model string) bool {
	return c.config.Prices.Cost(model, Usage{Calls: 1, TokensIn: 1, TokensOut: 1, Images: 1}) > 0
}

// Free reports whether no call of any model costs money.
func (c *Client) Free() bool {
	for model := range c.config.Prices {
		if c.Charges(model) {
			return false
		}
	}
	return true
}

// Spent returns the totals so far.
func (c *Client) Spent() Spent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spent
}

func (c *Client) count(f func(*Spent)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.spent)
}
