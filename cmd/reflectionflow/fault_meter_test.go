package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow/internal/testserver"
)

// meter stands before the engine and the language model, which cost money, and counts the
// calls. It sees in the object store which of their answers are stored.
type meter struct {
	url            string
	painter, judge string // the doubles behind it
	delay          time.Duration

	mutex   sync.Mutex
	now     int               // grows with each event: no clock is compared
	calls   map[string]*paid  // by what is asked
	answers map[string]string // what is asked, by what tells its answer: pixels of an image, a phrase of a text
	begun   map[string]int    // when an instance of a process was started
	total   int
	broken  int // calls that ended without an answer: the caller was killed
	late    int // calls after the answer was stored, of workers that may have looked before
	wrong   []string
	news    chan event
}

// paid is a question that costs money.
type paid struct {
	calls  int
	stored int    // when its answer was seen in the store; 0 while it was not
	by     string // who asked last
}

// alone is the instance of searches that nothing disturbs. They are answered at once.
const alone = "alone"

// event is what a killer waits for.
type event struct{ what, instance string }

// What can be known of a call.
const (
	asked    = "asked"
	answered = "answered"
	stored   = "stored"
)

func newMeter(t *testing.T, delay time.Duration) *meter {
	t.Helper()
	judge := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		a := testserver.DefaultAnswer(q)
		sum := sha256.Sum256(q.Body)
		a.Text = anyPhrase.ReplaceAllString(a.Text, fmt.Sprintf("text %x", sum[:8]))
		return a
	}})
	m := &meter{
		painter: testserver.NewA1111(t, testserver.A1111Options{}).URL, judge: strings.TrimSuffix(judge.URL, "/v1"), delay: delay,
		calls: map[string]*paid{}, answers: map[string]string{}, begun: map[string]int{}, news: make(chan event, 1000),
	}
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	m.url = s.URL
	return m
}

// starts notes that an instance is about to start.
func (m *meter) starts(instance string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.now++
	m.begun[instance] = m.now
}

func (m *meter) tell(what, instance string) {
	select {
	case m.news <- event{what, instance}:
	default: // nobody waits
	}
}

// ServeHTTP passes a call on to the double that answers it.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller was killed
	}
	instance := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	counts := r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/interrupt")
	question := ""
	if counts {
		question = m.ask(instance, r.URL.Path, body)
	}
	status, answer, err := m.pass(r, body, counts && instance != alone)
	if err != nil {
		m.mutex.Lock()
		m.broken++
		m.mutex.Unlock()
		return
	}
	if counts {
		m.answer(question, answer)
		m.tell(answered, instance)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the caller may have been killed
}

func (m *meter) pass(r *http.Request, body []byte, slow bool) (status int, answer []byte, err error) {
	if slow {
		select {
		case <-r.Context().Done():
			return 0, nil, r.Context().Err()
		case <-time.After(m.delay):
		}
	}
	to := m.painter
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		to = m.judge
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// taskID is what differs between two calls that ask the same.
var taskID = regexp.MustCompile(`"force_task_id":"[^"]*"`)

// ask counts a call. It is wrong where the process that calls was started after the answer
// was seen in the store: it must have looked there.
func (m *meter) ask(instance, path string, body []byte) (question string) {
	sum := sha256.Sum256(append([]byte(path+"\n"), taskID.ReplaceAll(body, nil)...))
	question = fmt.Sprintf("%s %x", path, sum[:8])
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.now++
	m.total++
	p := m.calls[question]
	if p == nil {
		p = &paid{}
		m.calls[question] = p
	}
	p.calls++
	p.by = instance
	began, known := m.begun[instance]
	switch {
	case !known:
		m.wrong = append(m.wrong, fmt.Sprintf("%s calls %s, which is no worker", instance, question))
	case p.stored > 0 && began > p.stored:
		m.wrong = append(m.wrong, fmt.Sprintf("%s repeats %s: its answer was stored before the process was started", instance, question))
	case p.stored > 0:
		m.late++
	}
	m.tell(asked, instance)
	return question
}

// anyPhrase is what [testserver.DefaultAnswer] says where it may say anything, and phrase
// what the meter says instead: it tells the question.
var (
	anyPhrase = regexp.MustCompile(`(?:text|Sentence) \d+`)
	phrase    = regexp.MustCompile(`text [0-9a-f]{16}`)
)

// answer remembers what tells the answer to a question.
func (m *meter) answer(question string, body []byte) {
	var made struct {
		Images []string `json:"images"`
	}
	var signs []string
	if err := json.Unmarshal(body, &made); err == nil {
		for _, text := range made.Images {
			if file, err := base64.StdEncoding.DecodeString(text); err == nil {
				signs = append(signs, signOf(file))
			}
		}
	}
	signs = append(signs, phrase.FindAllString(string(body), -1)...)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, sign := range signs {
		m.answers[sign] = question
	}
}

// signOf is the sign of an image: its pixels.
func signOf(file []byte) string {
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return ""
	}
	return pixelsOf(img)
}

// watch looks at the answers that are stored until ctx ends.
func (m *meter) watch(ctx context.Context, url string) {
	seen := map[string]bool{}
	for ctx.Err() == nil {
		_ = m.look(ctx, url, seen) // it ends when a node is killed
		pause(ctx, 100*time.Millisecond)
	}
}

// look follows the objects of the fleet.
func (m *meter) look(ctx context.Context, url string, seen map[string]bool) error {
	conn, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, "OBJ_fleet")
	if err != nil {
		return err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"$O.fleet.M.>"}})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		msg, err := messages.Next()
		if err != nil {
			return err
		}
		var info jetstream.ObjectInfo
		if err := json.Unmarshal(msg.Data(), &info); err != nil {
			return err
		}
		if strings.HasPrefix(info.Name, "answer/") && !seen[info.Name] {
			if err := m.take(ctx, js, info.Name); err != nil {
				return err
			}
			seen[info.Name] = true
		}
	}
}

// take notes that an answer is stored.
func (m *meter) take(ctx context.Context, js jetstream.JetStream, name string) error {
	store, err := js.ObjectStore(ctx, "fleet")
	if err != nil {
		return err
	}
	data, err := store.GetBytes(ctx, name)
	if err != nil {
		return err
	}
	var answer struct {
		Image string `json:"image"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	signs := phrase.FindAllString(string(data), -1)
	if answer.Image != "" {
		file, err := store.GetBytes(ctx, "image/"+answer.Image)
		if err != nil {
			return err
		}
		signs = append(signs, signOf(file))
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.now++
	for _, sign := range signs {
		if p := m.calls[m.answers[sign]]; p != nil && p.stored == 0 {
			p.stored = m.now
			m.tell(stored, p.by)
			return nil
		}
	}
	return nil
}

// check reports what was paid for twice, and returns the counts in a line.
func (m *meter) check() (counts string, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	stored, twice := 0, 0
	for _, p := range m.calls {
		if p.stored > 0 {
			stored++
		}
		twice += p.calls - 1
	}
	if len(m.wrong) > 0 {
		err = errors.New(strings.Join(m.wrong, "\n"))
	}
	return fmt.Sprintf("%d paid calls of %d questions, %d answers seen in the store; %d calls were lost with their worker, %d repeated because an answer was not stored, %d repeated after it was (%d by workers that may have looked before)",
		m.total, len(m.calls), stored, m.broken, twice, len(m.wrong)+m.late, m.late), err
}
