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

// openAI draws with a server of OpenAI's images API: generations, and edits for
// corrections. What the dialect has no field for is not sent: OpenAI itself knows
// no seed, steps, guidance or negative prompt.
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
	// Only an unseeded server is asked for several images at once: of a seeded one
	// the second image could not be had again alone.
	o.batch = p.count("batch", 1, o.family.maxN)
	switch {
	case o.dialect.seed != "" && o.batch > 1:
		return nil, invalid("batch=%d: %s seeds a batch, not its images; batches are for servers without seeds", o.batch, o.dialect.name)
	case o.negative != "" && o.dialect.negative == "":
		return nil, invalid("a negative prompt: %s takes none", o.dialect.name)
	}
	return o, nil
}

func (o *openAI) check(r reflectionflow.Request) error {
	return firstError(checkReference(r), o.dialect.check(r), o.family.check(o.model, r))
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
	// Model is no part of OpenAI's own reply; other servers name it.
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

// image decodes the image of a group's request i. With more images than were asked
// for nobody knows which is whose.
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

// declined makes the status by which a server's filter refuses a prompt the
// refusal that it is.
func (o *openAI) declined(err error) error {
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind == endpoint.Declined || !e.Moderated() {
		return err
	}
	return o.client.Errorf(endpoint.Declined, "%s: %s", e.Code, e.Message)
}

func sizeText(r reflectionflow.Request) string { return fmt.Sprintf("%dx%d", r.Width, r.Height) }

// share is the part of a drawing's cost that image i of n bears; the shares add up
// to the whole.
func share(c reflectionflow.Cost, i, n int) reflectionflow.Cost {
	part := func(total int) int {
		return total*(i+1)/n - total*i/n
	}
	return reflectionflow.Cost{
		Images: part(c.Images), DenoiseSteps: part(c.DenoiseSteps), TokensIn: part(c.TokensIn), TokensOut: part(c.TokensOut),
		Money: c.Money / float64(n), Seconds: c.Seconds / float64(n),
	}
}
