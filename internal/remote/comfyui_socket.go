package remote

import (
	"context"
	"encoding/json"

	"github.com/coder/websocket"

	"reflectionflow/internal/endpoint"
)

// listener reads a job's websocket, by github.com/coder/websocket, which dials through
// an http.Client, so that the endpoint's secret, proxy and origin apply. The socket is
// optional: without it the job is followed by polling alone.
type listener struct {
	over chan struct{} // receives a value when the server reports the end of the job
	stop context.CancelFunc
	gone chan struct{} // closed when the socket is closed
}

// maxMessage bounds a message in bytes; previews are sent as images.
const maxMessage = 16 << 20

// listen opens the websocket. It must be open before the job is queued.
func (u *comfyUI) listen(ctx context.Context, job *comfyJob) *listener {
	ctx, stop := context.WithCancel(ctx)
	e := &listener{over: make(chan struct{}, 1), stop: stop, gone: make(chan struct{})}
	at := u.client.URL("/ws?clientId=" + job.client)
	dialing, dialed := context.WithTimeout(ctx, cancelTimeout)
	conn, _, err := websocket.Dial(dialing, at.String(), &websocket.DialOptions{HTTPClient: u.client.HTTPClient()}) //nolint:bodyclose // the library's documentation: never needed
	dialed()
	if err != nil {
		close(e.gone)
		return e
	}
	conn.SetReadLimit(maxMessage)
	report := func(p Progress) {
		if u.progress != nil {
			p.Request = job.first
			u.progress(p)
		}
	}
	go func() {
		defer close(e.gone)
		defer conn.CloseNow() //nolint:errcheck // nothing is lost
		for {
			kind, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if kind == websocket.MessageText && readMessage(data, report) {
				select {
				case e.over <- struct{}{}:
				default:
				}
			}
		}
	}()
	return e
}

// readMessage reads a message, reports progress, and returns whether the job has ended.
func readMessage(data []byte, report func(Progress)) bool {
	var m struct {
		Type string `json:"type"`
		Data struct {
			Value float64 `json:"value"`
			Max   float64 `json:"max"`
			Node  *string `json:"node"`
		} `json:"data"`
	}
	if json.Unmarshal(data, &m) != nil {
		return false
	}
	switch m.Type {
	case "execution_start":
		report(Progress{})
	case "progress":
		if m.Data.Max > 0 {
			report(Progress{Done: min(max(m.Data.Value/m.Data.Max, 0), 1)})
		}
	case "executing":
		return m.Data.Node == nil
	case "execution_success", "execution_error", "execution_interrupted":
		return true
	}
	return false
}

// wait waits until the next poll, or until the server reports the end of the job.
func (e *listener) wait(ctx context.Context, clock endpoint.Clock, p *polling) error {
	d, err := p.interval()
	if err != nil {
		return err
	}
	sleeping, wake := context.WithCancel(ctx)
	defer wake()
	slept := make(chan error, 1)
	go func() { slept <- clock.Sleep(sleeping, d) }()
	select {
	case err := <-slept:
		return err
	case <-e.over:
		p.immediately = true // the history has the entry soon
		return ctx.Err()
	}
}

func (e *listener) close() {
	e.stop()
	<-e.gone
}
