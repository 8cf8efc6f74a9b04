package remote

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// openAI generates with OpenAI's images API: generations, and edits for corrections.
// Fields that the dialect does not have are not sent; OpenAI itself has no seed, steps,
// guidance or negative prompt.
type openAI struct {
	client   *endpoint.Client
	dialect  dialect
	family   family
	model    string
	quality  string
	negative string
	batch    int
	wording  Wording
}

func openOpenAI(c *endpoint.Client, p *params, _ func(Progress)) (engine, error) {
	o := &openAI{client: c, model: p.text("model", ""), quality: p.text("quality", ""), negative: p.text("negative", ""), wording: p.wording("openai")}
	var names []string
	for _, d := range dialects {
		names = append(names, d.name)
	}
	name := p.choice("dialect", names...)
	for _, d := range dialects {
		if d.name == name {
			o.dialect = d
		}
	}
	o.family = familyOf(o.model)
	// Only servers without seeds get batches: a seeded batch has one seed, so its second
	// image could not be generated again alone.
	o.batch = p.count("batch", 1, o.family.maxN)
	switch {
	case o.dialect.seed != "" && o.batch > 1:
		return nil, invalid("batch=%d: the dialect %s seeds whole batches, so leave batch out", o.batch, o.dialect.name)
	case o.negative != "" && o.dialect.negative == "":
		return nil, invalid("negative: the dialect %s takes no negative prompt", o.dialect.name)
	}
	return o, nil
}

func (o *openAI) check(r reflectionflow.Request) error {
	return firstError(checkReferences(r, o.family.references()), o.dialect.check(r), o.family.check(o.model, r))
}

func (o *openAI) canJoin(group []reflectionflow.Request, next reflectionflow.Request) bool {
	return len(group) < o.batch && sameExceptSeed(group[0], next)
}

// imagesReply is the reply of generations and edits.
type imagesReply struct {
	Data []struct {
		B64JSON string `json:"b64_json"`
		URL     string `json:"url"`
	} `json:"data"`
	// Model is not part of OpenAI's reply; some other servers send it.
	Model string `json:"model"`
	Usage struct {
		InputTokens  int `json:"input_tokens"`
		OutputTokens int `json:"output_tokens"`
		Details      struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	} `json:"usage"`
}

func (o *openAI) generate(ctx context.Context, group []reflectionflow.Request) (batchResult, error) {
	request, err := o.request(group)
	if err != nil {
		return batchResult{}, err
	}
	var reply imagesReply
	request.Check = orErrorIn(o.client, func() bool { return len(reply.Data) > 0 })
	response, err := o.client.JSON(ctx, request, nil, &reply)
	if err != nil {
		return batchResult{}, o.declined(err)
	}
	cost := o.client.Account(o.model, endpoint.Usage{
		Calls: 1, Images: len(reply.Data),
		TokensIn: reply.Usage.InputTokens, CachedIn: reply.Usage.Details.CachedTokens, TokensOut: reply.Usage.OutputTokens,
	})
	cost.Images = len(reply.Data)
	if o.dialect.steps != "" {
		cost.DenoiseSteps = len(reply.Data) * group[0].Steps
	}
	cost.Seconds = response.Elapsed.Seconds()
	out := make([]reflectionflow.Generation, len(group))
	for i, r := range group {
		out[i].Cost, out[i].Unseeded = share(cost, i, len(group)), o.dialect.seed == ""
		out[i].Image, out[i].Err = o.image(ctx, reply, i, len(group), r)
	}
	return batchResult{out, reply.Model}, nil
}

// image decodes the image of request i. If there are more images than requests, it is
// unknown which belongs to which.
func (o *openAI) image(ctx context.Context, reply imagesReply, i, want int, r reflectionflow.Request) (image.Image, error) {
	if i >= len(reply.Data) || len(reply.Data) > want {
		return nil, o.client.Errorf(endpoint.Malformed, "%d images instead of %d", len(reply.Data), want)
	}
	data := reply.Data[i]
	if data.B64JSON == "" && data.URL != "" {
		if strings.HasPrefix(data.URL, "data:") {
			return decodeBase64Image(o.client, data.URL, r)
		}
		response, err := o.client.Fetch(ctx, data.URL)
		if err != nil {
			return nil, err
		}
		return decodeImage(o.client, response.Body, r)
	}
	return decodeBase64Image(o.client, data.B64JSON, r)
}

// declined turns the status by which a content filter refuses a prompt into a Declined
// error.
func (o *openAI) declined(err error) error {
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind == endpoint.Declined || !e.Moderated() {
		return err
	}
	return o.client.Errorf(endpoint.Declined, "%s: %s", e.Code, e.Message)
}

func sizeText(r reflectionflow.Request) string { return fmt.Sprintf("%dx%d", r.Width, r.Height) }

// share returns the part of a batch's cost for image i of n. The shares add up to c.
func share(c reflectionflow.Cost, i, n int) reflectionflow.Cost {
	part := func(total int) int {
		return total*(i+1)/n - total*i/n
	}
	return reflectionflow.Cost{
		Images: part(c.Images), DenoiseSteps: part(c.DenoiseSteps), TokensIn: part(c.TokensIn), TokensOut: part(c.TokensOut),
		USD: c.USD / float64(n), Seconds: c.Seconds / float64(n),
	}
}
