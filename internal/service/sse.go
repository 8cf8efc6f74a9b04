package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// events is a reply of server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// writeTime is how long a client may take to accept an event before it is dropped.
const writeTime = 30 * time.Second

func newEvents(w http.ResponseWriter) *events {
	return &events{w: w, control: http.NewResponseController(w)}
}

// begin sends the header, once.
func (e *events) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	e.w.WriteHeader(http.StatusOK)
}

// wireEvent is an event on the wire; id and name may be empty.
func wireEvent(id, name string, data any) (string, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	text := ""
	if id != "" {
		text = "id: " + id + "\n"
	}
	if name != "" {
		text += "event: " + name + "\n"
	}
	return text + "data: " + string(body) + "\n\n", nil
}

// send sends an event without an ID.
func (e *events) send(name string, data any) error {
	text, err := wireEvent("", name, data)
	if err != nil {
		return err
	}
	return e.write(text)
}

// alive sends a comment, so that nobody takes the connection for dead.
func (e *events) alive() error { return e.write(": waiting\n\n") }

func (e *events) write(text string) error {
	e.begin()
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := fmt.Fprint(e.w, text); err != nil {
		return err
	}
	return e.control.Flush()
}

// fail reports an error: as a reply if nothing was sent, else as an event.
func (e *events) fail(err error) error {
	if !e.begun {
		return err
	}
	return e.send("error", map[string]*apiError{"error": typed(err)})
}
