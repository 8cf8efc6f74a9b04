package testserver

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// ComfyUI is a double of a ComfyUI server. It runs workflows of the nodes that FLUX,
// Z-Image and Qwen-Image need, and like the server it executes no output a second time.
type ComfyUI struct {
	*Images
	uploads map[string]image.Image
	sockets map[string]chan []byte
	jobs    []*comfyJob
	done    map[string]bool // outputs that were executed before
	files   map[string][]byte
	// NoSocket refuses websockets; SilentSocket accepts them and sends nothing.
	NoSocket, SilentSocket bool
	holding                bool
	interrupted            []string
}

type comfyJob struct {
	id, client string
	nodes      map[string]comfyNode
	state      string // pending, running, over, deleted
	entry      map[string]any
}

type comfyNode struct {
	Class  string         `json:"class_type"`
	Inputs map[string]any `json:"inputs"`
	Meta   map[string]any `json:"_meta"`
}

// NewComfyUI starts a double, which ends with the test.
func NewComfyUI(t testing.TB) *ComfyUI {
	t.Helper()
	s := &ComfyUI{
		Images: newImages(t, ""), uploads: map[string]image.Image{}, sockets: map[string]chan []byte{}, done: map[string]bool{}, files: map[string][]byte{},
	}
	s.handle("GET /ws", s.socket)
	s.handle("POST /prompt", s.prompt)
	s.handle("GET /history/{id}", s.history)
	s.handle("GET /queue", s.queue)
	s.handle("POST /queue", s.delete)
	s.handle("POST /interrupt", s.interrupt)
	s.handle("POST /upload/image", s.upload)
	s.handle("GET /view", s.view)
	return s
}

// Hold makes jobs wait: the first is running, later ones are pending.
func (s *ComfyUI) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// Forget loses all jobs, as a restart does.
func (s *ComfyUI) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = nil
}

// States returns the states of the jobs, in order.
func (s *ComfyUI) States() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, j := range s.jobs {
		list = append(list, j.state)
	}
	return list
}

// Interrupted returns the jobs that interruptions named.
func (s *ComfyUI) Interrupted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.interrupted)
}

func (s *ComfyUI) socket(w http.ResponseWriter, r *http.Request) {
	if s.NoSocket {
		http.Error(w, "no websockets behind this proxy", http.StatusBadGateway)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow() //nolint:errcheck // the end of the test
	out := make(chan []byte, 64)
	s.mu.Lock()
	s.sockets[r.URL.Query().Get("clientId")] = out
	s.mu.Unlock()
	ctx := conn.CloseRead(r.Context())
	for {
		select {
		case <-ctx.Done():
			return
		case data := <-out:
			if conn.Write(ctx, websocket.MessageText, data) != nil {
				return
			}
		}
	}
}

// send sends a message to a client's websocket.
func (s *ComfyUI) send(client, kind string, data map[string]any) {
	s.mu.Lock()
	out := s.sockets[client]
	s.mu.Unlock()
	if out == nil || s.SilentSocket {
		return
	}
	message, _ := json.Marshal(map[string]any{"type": kind, "data": data}) //nolint:errchkjson // plain values
	select {
	case out <- message:
	default: // lost, as with the real server
	}
}

func (s *ComfyUI) prompt(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Prompt map[string]comfyNode `json:"prompt"`
		Client string               `json:"client_id"`
	}
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(&body); err != nil || len(body.Prompt) == 0 {
		reply(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"type": "no_prompt", "message": "No prompt provided", "details": "", "extra_info": map[string]any{}}, "node_errors": map[string]any{}})
		return
	}
	if _, err := s.evaluate(body.Prompt); err != nil {
		reply(w, http.StatusBadRequest, map[string]any{
			"error":       map[string]any{"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": err.Error(), "extra_info": map[string]any{}},
			"node_errors": map[string]any{"1": map[string]any{"errors": []any{map[string]any{"message": err.Error()}}}},
		})
		return
	}
	s.mu.Lock()
	j := &comfyJob{id: fmt.Sprintf("0000-%04d", len(s.jobs)), client: body.Client, nodes: body.Prompt, state: "pending"}
	s.jobs = append(s.jobs, j)
	holding := s.holding
	if holding && !slices.ContainsFunc(s.jobs, func(j *comfyJob) bool { return j.state == "running" }) {
		j.state = "running"
	}
	s.mu.Unlock()
	if !holding {
		go s.run(j)
	}
	reply(w, http.StatusOK, map[string]any{"prompt_id": j.id, "number": len(s.jobs), "node_errors": map[string]any{}})
}

// run executes a job as the server does: only new outputs.
func (s *ComfyUI) run(j *comfyJob) {
	s.mu.Lock()
	j.state = "running"
	s.mu.Unlock()
	s.send(j.client, "execution_start", map[string]any{"prompt_id": j.id})
	g, err := s.evaluate(j.nodes)
	if err != nil {
		s.finish(j, map[string]any{"outputs": map[string]any{}, "status": map[string]any{"status_str": "error", "completed": false, "messages": []any{
			[]any{"execution_error", map[string]any{"prompt_id": j.id, "node_type": "KSampler", "exception_message": err.Error()}},
		}}}, "execution_error")
		return
	}
	for step := range g.request.Steps {
		s.send(j.client, "progress", map[string]any{"value": step + 1, "max": g.request.Steps, "prompt_id": j.id, "node": g.output})
	}
	key, _ := json.Marshal(j.nodes) //nolint:errchkjson // it came as JSON
	s.mu.Lock()
	known := s.done[string(key)]
	s.done[string(key)] = true
	s.mu.Unlock()
	outputs := map[string]any{}
	if !known {
		var images []any
		for range max(0, g.batch+s.ExtraImages) {
			data, _ := s.generateImage(g.request)
			s.mu.Lock()
			name := fmt.Sprintf("%s_%05d_.png", g.prefix, len(s.files)+1)
			s.files[name] = data
			s.mu.Unlock()
			images = append(images, map[string]any{"filename": name, "subfolder": "", "type": "output"})
		}
		outputs[g.output] = map[string]any{"images": images}
		s.send(j.client, "executed", map[string]any{"node": g.output, "output": outputs[g.output], "prompt_id": j.id})
	}
	s.finish(j, map[string]any{"outputs": outputs, "status": map[string]any{"status_str": "success", "completed": true, "messages": []any{}}}, "execution_success")
}

func (s *ComfyUI) finish(j *comfyJob, entry map[string]any, event string) {
	s.send(j.client, event, map[string]any{"prompt_id": j.id})
	s.mu.Lock()
	j.state, j.entry = "over", entry
	s.mu.Unlock()
	s.send(j.client, "executing", map[string]any{"node": nil, "prompt_id": j.id})
}

func (s *ComfyUI) history(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := map[string]any{}
	for _, j := range s.jobs {
		if j.id == r.PathValue("id") && j.entry != nil {
			body[j.id] = j.entry
		}
	}
	reply(w, http.StatusOK, body)
}

func (s *ComfyUI) queue(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := map[string][]any{"running": {}, "pending": {}}
	for i, j := range s.jobs {
		if list, ok := lists[j.state]; ok {
			lists[j.state] = append(list, []any{i, j.id, j.nodes, map[string]any{"client_id": j.client}, []string{"9"}})
		}
	}
	reply(w, http.StatusOK, map[string]any{"queue_running": lists["running"], "queue_pending": lists["pending"]})
}

func (s *ComfyUI) delete(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Delete []string `json:"delete"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if slices.Contains(body.Delete, j.id) && j.state == "pending" {
			j.state = "deleted"
		}
	}
}

func (s *ComfyUI) interrupt(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		ID string `json:"prompt_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body) // an empty body is fine
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = append(s.interrupted, body.ID)
	for _, j := range s.jobs {
		if j.state == "running" && (body.ID == "" || body.ID == j.id) {
			j.state = "over"
			j.entry = map[string]any{"outputs": map[string]any{}, "status": map[string]any{
				"status_str": "error", "completed": false, "messages": []any{[]any{"execution_interrupted", map[string]any{"prompt_id": j.id}}},
			}}
		}
	}
}

func (s *ComfyUI) upload(w http.ResponseWriter, r *http.Request) {
	f, header, err := r.FormFile("image")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	img, err := png.Decode(f)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.uploads[header.Filename] = img
	s.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{"name": header.Filename, "subfolder": "", "type": r.FormValue("type")})
}

func (s *ComfyUI) view(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	data, ok := s.files[r.URL.Query().Get("filename")]
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	http.ServeContent(w, r, "", time.Time{}, readSeeker(data))
}
