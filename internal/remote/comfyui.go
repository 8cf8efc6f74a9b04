package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// comfyUI generates with the user's workflow on a ComfyUI server (server.py): the
// request's values are put into the workflow's slots, the workflow is queued and
// followed over a websocket and by its history, and its one image is fetched.
//
// The server does not execute nodes again whose inputs are unchanged, and then reports
// no new image. So every job saves under a name of its own: the saving node always
// runs, while a repeated request costs no sampling.
type comfyUI struct {
	client     *endpoint.Client
	progress   func(Progress)
	generation *workflow
	edit       *workflow // nil: no corrections
	wording    Wording
	timeout    time.Duration
}

func openComfyUI(c *endpoint.Client, p *params, progress func(Progress)) (engine, error) {
	u := &comfyUI{client: c, progress: progress, wording: p.wording("comfyui"), timeout: p.timeout}
	path, edit := p.text("workflow", ""), p.text("edit", "")
	slots, editSlots := p.prefixed("slot."), p.prefixed("edit_slot.")
	if path == "" {
		return nil, invalid("ComfyUI needs workflow=FILE: a workflow saved in API format")
	}
	var err error
	if u.generation, err = readWorkflow(path, slots); err != nil {
		return nil, err
	}
	if u.generation.has("reference") {
		return nil, invalid("workflow %s has a slot for a reference image: name it as edit=FILE, and one without as workflow=FILE", path)
	}
	if edit == "" {
		return u, nil
	}
	if u.edit, err = readWorkflow(edit, editSlots); err != nil {
		return nil, err
	}
	if !u.edit.has("reference") {
		return nil, invalid("workflow %s has no slot for the reference image: title a LoadImage node \"slot: reference\"", edit)
	}
	return u, nil
}

func (u *comfyUI) check(r reflectionflow.Request) error {
	if r.Reference != nil && u.edit == nil {
		return invalid("corrections need a workflow of their own: give edit=FILE, or search without reflection")
	}
	return checkReferences(r, 1)
}

func (u *comfyUI) canJoin([]reflectionflow.Request, reflectionflow.Request) bool { return false }

// comfyJob is one execution of a workflow. The server knows it by its own id and by our
// client id, which is unique.
type comfyJob struct {
	id, client string
	first      reflectionflow.Request
	output     string // node that saves the image
}

func (u *comfyUI) generate(ctx context.Context, group []reflectionflow.Request) (batchResult, error) {
	r := group[0]
	flow := u.generation
	reference := ""
	if r.Reference != nil {
		flow = u.edit
		var err error
		if reference, err = u.upload(ctx, r.Reference); err != nil {
			return batchResult{}, err
		}
	}
	job := &comfyJob{client: rand.Text(), first: r, output: flow.output}
	prompt := flow.fill(r, u.wording.Text(r), reference, job.client)
	began := u.client.Clock().Now()
	listener := u.listen(ctx, job)
	defer listener.close()
	if err := u.run(ctx, job, prompt); err != nil {
		if ctx.Err() != nil || endpoint.IsKind(err, endpoint.Timeout) || endpoint.IsKind(err, endpoint.Interrupted) {
			u.cancel(ctx, job)
		}
		return batchResult{}, err
	}
	entry, err := u.await(ctx, job, listener)
	if err != nil {
		if entry.Status.Text == "" { // otherwise the job has ended
			u.cancel(ctx, job)
		}
		return batchResult{}, err
	}
	cost := u.client.Account("", endpoint.Usage{Calls: 1, Images: 1})
	cost.Images, cost.Seconds = 1, max(0, u.client.Clock().Now().Sub(began).Seconds())
	if flow.has("steps") {
		cost.DenoiseSteps = r.Steps
	}
	out := reflectionflow.Generation{Cost: cost, Unseeded: !flow.has("seed")}
	var img image.Image
	if img, out.Err = u.fetch(ctx, entry, job, r); out.Err == nil {
		out.Image = img
	}
	return batchResult{images: []reflectionflow.Generation{out}}, nil // the workflow determines the model
}

// upload uploads a reference image under a name made of its content, so that it may be
// sent again, and returns the name for a LoadImage node.
func (u *comfyUI) upload(ctx context.Context, reference image.Image) (string, error) {
	data, err := encode(reference)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	err = addFile(w, "image", "reflectionflow-"+hex.EncodeToString(sum[:12])+".png", data)
	for _, field := range [][2]string{{"type", "input"}, {"overwrite", "true"}} {
		err = firstError(err, w.WriteField(field[0], field[1]))
	}
	if err = firstError(err, w.Close()); err != nil {
		return "", err
	}
	var stored struct{ Name, Subfolder string }
	_, err = u.client.JSON(ctx, endpoint.Request{
		Method: http.MethodPost, Path: "/upload/image", Body: buf.Bytes(), ContentType: w.FormDataContentType(), Repeat: endpoint.RepeatSafe,
		Check: orErrorIn(u.client, func() bool { return stored.Name != "" }),
	}, nil, &stored)
	switch {
	case err != nil:
		return "", err
	case stored.Name == "":
		return "", u.client.Errorf(endpoint.Malformed, "the reference image was stored without a name")
	case stored.Subfolder != "":
		return stored.Subfolder + "/" + stored.Name, nil
	}
	return stored.Name, nil
}

// run queues the workflow.
func (u *comfyUI) run(ctx context.Context, job *comfyJob, prompt map[string]any) error {
	ctx, done := graceContext(ctx)
	defer done()
	var reply struct {
		ID     string          `json:"prompt_id"`
		Errors json.RawMessage `json:"node_errors"`
	}
	_, err := u.client.JSON(ctx, endpoint.Request{
		Method: http.MethodPost, Path: "/prompt", Check: orErrorIn(u.client, func() bool { return reply.ID != "" }),
	}, map[string]any{"prompt": prompt, "client_id": job.client}, &reply)
	switch {
	case err != nil:
		return err
	case reply.ID == "" || len(reply.ID) > 200 || strings.ContainsAny(reply.ID, "/\\?#%."):
		return u.client.Errorf(endpoint.Malformed, "the server queued the workflow without a usable id")
	}
	job.id = reply.ID
	return nil
}

// comfyImage is the location of a saved image.
type comfyImage struct {
	Filename  string `json:"filename"`
	Subfolder string `json:"subfolder"`
	Type      string `json:"type"`
}

// comfyEntry is the history's entry of a job that has ended.
type comfyEntry struct {
	Outputs map[string]struct {
		Images []comfyImage `json:"images"`
	} `json:"outputs"`
	Status struct {
		Text     string              `json:"status_str"`
		Messages [][]json.RawMessage `json:"messages"`
	} `json:"status"`
}

// await polls the job's history until it has an entry: at once when the websocket
// reports the end, and at intervals, because messages may be lost.
func (u *comfyUI) await(ctx context.Context, job *comfyJob, listener *listener) (comfyEntry, error) {
	const every = 8 // every 8th poll checks that the job still exists
	wait := newPolling(u.client, u.timeout)
	for n := 1; ; n++ {
		entry, ok, err := u.history(ctx, job)
		if err != nil || ok {
			return entry, err
		}
		if n%every == 0 {
			if _, waits, err := u.queued(ctx, job); err != nil || !waits {
				entry, ok, again := u.history(ctx, job) // it may have ended meanwhile
				if err := firstError(err, again); err != nil || ok {
					return entry, err
				}
				return entry, u.client.Errorf(endpoint.Failed, "the server no longer knows the job: was it restarted?")
			}
		}
		if err := listener.wait(ctx, u.client.Clock(), wait); err != nil {
			return entry, err
		}
	}
}

// history returns the job's entry; false while the job has not ended.
func (u *comfyUI) history(ctx context.Context, job *comfyJob) (comfyEntry, bool, error) {
	var all map[string]comfyEntry
	if _, err := u.client.JSON(ctx, endpoint.Request{Path: "/history/" + job.id}, nil, &all); err != nil {
		return comfyEntry{}, false, err
	}
	entry, ok := all[job.id]
	if !ok {
		return entry, false, nil
	}
	if entry.Status.Text == "error" {
		return entry, true, u.client.Errorf(endpoint.Failed, "%s", entry.reason())
	}
	return entry, true, nil
}

// reason returns the server's reason for a failure.
func (e comfyEntry) reason() string {
	for _, message := range e.Status.Messages {
		var name string
		var data struct {
			Node    string `json:"node_type"`
			Message string `json:"exception_message"`
		}
		if len(message) != 2 || json.Unmarshal(message[0], &name) != nil {
			continue
		}
		switch name {
		case "execution_interrupted":
			return "the job was interrupted at the server"
		case "execution_error":
			_ = json.Unmarshal(message[1], &data) // missing fields stay empty
			return strings.TrimPrefix(data.Node+": "+data.Message, ": ")
		}
	}
	return "the server gives no reason"
}

// fetch downloads the image that the job saved.
func (u *comfyUI) fetch(ctx context.Context, entry comfyEntry, job *comfyJob, r reflectionflow.Request) (image.Image, error) {
	images := entry.Outputs[job.output].Images
	if len(images) != 1 {
		return nil, u.client.Errorf(endpoint.Malformed, "node %s saved %d images instead of 1", job.output, len(images))
	}
	at := images[0]
	response, err := u.client.Do(ctx, endpoint.Request{Path: "/view", Query: url.Values{"filename": {at.Filename}, "subfolder": {at.Subfolder}, "type": {at.Type}}})
	if err != nil {
		return nil, err
	}
	return decodeImage(u.client, response.Body, r)
}

// queued reports whether the job is running, and whether the queue has it at all.
func (u *comfyUI) queued(ctx context.Context, job *comfyJob) (running, there bool, err error) {
	var queue struct {
		Running [][]json.RawMessage `json:"queue_running"`
		Pending [][]json.RawMessage `json:"queue_pending"`
	}
	if _, err := u.client.JSON(ctx, endpoint.Request{Path: "/queue"}, nil, &queue); err != nil {
		return false, false, err
	}
	for i, list := range [][][]json.RawMessage{queue.Running, queue.Pending} {
		if slices.ContainsFunc(list, job.is) {
			return i == 0, true, nil
		}
	}
	return false, false, nil
}

// is reports whether an item of the queue, [number, id, prompt, extra data, …], is this
// job. It fills in the id, which is unknown if the reply to the submission was lost.
func (j *comfyJob) is(item []json.RawMessage) bool {
	var id string
	var extra struct {
		Client string `json:"client_id"`
	}
	if len(item) < 4 || json.Unmarshal(item[1], &id) != nil || json.Unmarshal(item[3], &extra) != nil {
		return false
	}
	if extra.Client != j.client && (j.id == "" || id != j.id) {
		return false
	}
	j.id = id
	return true
}

// cancel removes the job from the queue, or interrupts it if it is running. Old servers
// interrupt whatever runs now, so they are asked only if that is this job.
func (u *comfyUI) cancel(ctx context.Context, job *comfyJob) {
	ctx, done := cancelContext(ctx)
	defer done()
	running, there, err := u.queued(ctx, job)
	if err != nil || !there {
		return
	}
	path, body := "/queue", map[string]any{"delete": []string{job.id}}
	if running {
		path, body = "/interrupt", map[string]any{"prompt_id": job.id}
	}
	u.client.JSON(ctx, endpoint.Request{Method: http.MethodPost, Path: path, Repeat: endpoint.RepeatNever}, body, nil) //nolint:errcheck // there is nobody to tell
}
