package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"mime"
	"net/http"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// Resumable reports whether images are stored in the ledger of a run.
func (g *generator) Resumable() bool { return g.ledger.IsOpen() }

// key returns the ledger's key for a request: a hash of everything that determines the
// image. The part represents the server and its settings, which a run does not change.
func (g *generator) key(r reflectionflow.Request) (string, error) {
	var references [][]byte
	for _, img := range r.References() {
		file, err := encode(img)
		if err != nil {
			return "", err
		}
		references = append(references, file)
	}
	if references == nil {
		references = [][]byte{nil} // the key of earlier versions
	}
	r.Reference, r.Others = nil, nil
	request, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode the request: %w", err)
	}
	return endpoint.Key(append([][]byte{[]byte("drawing 1"), []byte(g.part), request}, references...)...), nil
}

const (
	imageAnswer   = "image/png"        // with unseeded=1 for a generation that is Unseeded
	failureAnswer = "application/json" // an endpoint.Error
)

// endpointFailed reports whether a generation failed because the endpoint cannot be
// used. Its request is sent again when the run is resumed.
func endpointFailed(o reflectionflow.Generation) bool {
	e, failed := errors.AsType[*endpoint.Error](o.Err)
	return failed && o.Cost.Images == 0 && e.Unusable()
}

// store writes an image or a permanent failure to the ledger, with its cost. Of a
// transient failure only the cost is written: the request is sent again when the run is
// resumed. If unused, only the cost is written too.
func (g *generator) store(r reflectionflow.Request, o *reflectionflow.Generation, model string, unused bool) error {
	failure, failed := errors.AsType[*endpoint.Error](o.Err) // otherwise the context ended
	if !g.Resumable() || o.Image == nil && !failed {
		return nil
	}
	again := failed && (endpointFailed(*o) || !failure.Permanent())
	if again && o.Cost.USD == 0 && o.Cost.Images == 0 {
		return nil
	}
	key, err := g.key(r)
	if err != nil {
		return err
	}
	call := endpoint.Call{
		Key: key, For: endpoint.ForImage, Endpoint: g.client.Name(), Model: model, Cost: o.Cost, Seconds: o.Cost.Seconds, Unused: unused,
	}
	if again {
		o.Cost, err = g.ledger.Charge(call)
		return err
	}
	answer, err := encodeAnswer(*o)
	if err != nil {
		return err
	}
	o.Cost, err = g.ledger.Store(call, answer)
	return err
}

// encodeAnswer returns the form in which the ledger stores a generation.
func encodeAnswer(o reflectionflow.Generation) (*endpoint.Response, error) {
	kind, params := imageAnswer, map[string]string{}
	var body bytes.Buffer
	var err error
	if failure, failed := errors.AsType[*endpoint.Error](o.Err); failed {
		kind = failureAnswer
		err = json.NewEncoder(&body).Encode(failure)
	} else {
		fast := png.Encoder{CompressionLevel: png.BestSpeed} // deleted when the run is finished
		err = fast.Encode(&body, o.Image)
	}
	if err != nil {
		return nil, fmt.Errorf("encode an image for the ledger: %w", err)
	}
	if o.Unseeded {
		params["unseeded"] = "1"
	}
	return &endpoint.Response{
		Status: http.StatusOK, Header: http.Header{"Content-Type": {mime.FormatMediaType(kind, params)}}, Body: body.Bytes(),
	}, nil
}

// decodeAnswer reads the form of encodeAnswer.
func decodeAnswer(answer *endpoint.Response) (reflectionflow.Generation, error) {
	kind, params, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	o := reflectionflow.Generation{Unseeded: params["unseeded"] != ""}
	switch {
	case err != nil:
		return o, err
	case kind == failureAnswer:
		var failure endpoint.Error
		err = json.Unmarshal(answer.Body, &failure)
		o.Err = &failure
	default:
		o.Image, err = endpoint.DecodeImage(answer.Body, limits)
	}
	return o, err
}

// recall fills in the generations that the ledger has and returns the indexes of the
// others.
func (g *generator) recall(requests []reflectionflow.Request, out []reflectionflow.Generation) []int {
	var missing []int
	for i, r := range requests {
		var found reflectionflow.Generation
		var answer *endpoint.Response
		if g.Resumable() {
			if key, err := g.key(r); err == nil {
				answer = g.ledger.Recall(key, func(answer *endpoint.Response) bool {
					found, err = decodeAnswer(answer)
					failure, failed := errors.AsType[*endpoint.Error](found.Err)
					return err == nil && (!failed || failure.Permanent())
				})
			}
		}
		if answer == nil {
			missing = append(missing, i)
			continue
		}
		out[i], out[i].Cost = found, answer.Cost
	}
	return missing
}
