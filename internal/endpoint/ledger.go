package endpoint

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// The files of a ledger in the folder of its run.
const (
	callsFile     = "calls.jsonl"
	answersFolder = "answers"
)

// Ledger is the account of a run: which answers its servers gave, what they cost, and
// which candidate paid for them. It keeps, in the run's folder,
//
//	calls.jsonl  one line per answered call, only ever appended to
//	answers/     the answers, in a [Cache], until the run is finished
//
// Paid. An answer and its line are on disk before the answer is used. A run that is killed
// finds the answer there when it is resumed, and the server is not asked again. The sum
// over calls.jsonl is what the servers have charged.
//
// Used. The cost of a call is charged once, to whoever takes its answer first, and that
// cost names the call in [reflectionflow.Cost].Calls. Whoever records the cost records
// these names; when the run is resumed, [Ledger.Open] gets them, so that no answer is
// charged again. [Ledger.Unused] is the difference: answers that were paid for and that
// nobody was charged for, because another model gave them or because the run ended first.
//
// Failed. A call that cost something and gave no usable answer is charged by
// [Ledger.Charge]. It has its own line, and the same request may be sent again.
//
// The zero Ledger and nil are closed: they store nothing. A Ledger may be used from
// several goroutines.
type Ledger struct {
	// Shared is for searches that must each cost what they would cost alone, as in an
	// evaluation: everyone who takes an answer is charged for it, and images are returned as
	// often as they are asked for. It must be set before [Ledger.Open].
	Shared bool

	mu      sync.Mutex
	cache   *Cache   // nil while closed
	lines   *os.File // nil before the first write
	path    string
	size    int64           // of complete lines, in bytes
	calls   map[string]Call // by key
	charged map[string]bool
	unused  []Call
	models  map[string]string // the first that an endpoint named, by purpose and endpoint
}

// The purposes of a call.
const (
	ForText  = "text"  // a question to a language model
	ForImage = "image" // an image, with its share of the batch's cost
)

// Call is a line of calls.jsonl: one answered call.
type Call struct {
	// Key names the call: a hash of endpoint, model and request.
	Key      string `json:"call"`
	For      string `json:"for"`
	Endpoint string `json:"endpoint"`
	// Model is the model that the server named; empty if it named none.
	Model   string              `json:"model,omitempty"`
	Cost    reflectionflow.Cost `json:"cost"`
	Seconds float64             `json:"seconds,omitempty"`
	// Unused is set if the answer came from another model than the run began with: it was
	// paid for and is not used.
	Unused bool `json:"unused,omitempty"`
	// Failed is set if the call cost something and gave no usable answer. The same request
	// may be sent again, as a call with another key.
	Failed bool `json:"failed,omitempty"`
}

// Open opens the ledger of the run in a folder, which the first call creates. charged are the keys that the
// run's record names as charged. After a kill it repairs the files: an incomplete last
// line is dropped, and an answer without its line gets it. Other damage is an error
// wrapping [reflectionflow.ErrInvalid].
func (l *Ledger) Open(folder string, charged []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.path = filepath.Join(folder, callsFile)
	l.size, l.calls, l.charged, l.unused, l.models = 0, map[string]Call{}, map[string]bool{}, nil, map[string]string{}
	for _, key := range charged {
		l.charged[key] = true
	}
	if err := l.read(); err != nil {
		return err
	}
	l.cache = &Cache{folder: filepath.Join(folder, answersFolder), busy: map[string]chan struct{}{}}
	if err := l.reconcile(); err != nil {
		return fmt.Errorf("open the answers of the run: %w", err)
	}
	return nil
}

// maxCallLine bounds a line of calls.jsonl in bytes.
const maxCallLine = 64 << 10

// read reads calls.jsonl.
func (l *Ledger) read() error {
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", callsFile, err)
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, maxCallLine)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break // the rest is an incomplete line
		}
		var c Call
		if err != nil || json.Unmarshal(line, &c) != nil || !isKey(c.Key) {
			return invalid("%s, line %d is damaged", l.path, n)
		}
		l.apply(c)
		l.size += int64(len(line))
	}
	if info, err := file.Stat(); err != nil || info.Size() == l.size {
		return err
	}
	return os.Truncate(l.path, l.size)
}

func isKey(key string) bool {
	return len(key) == 64 && strings.Trim(key, "0123456789abcdef") == ""
}

// reconcile makes calls.jsonl and answers/ agree after a kill between the two writes.
func (l *Ledger) reconcile() error {
	// The pattern is applied within the folder, whose own path may hold pattern characters.
	files, err := fs.Glob(os.DirFS(l.cache.folder), "??/*")
	if err != nil {
		return err
	}
	for _, name := range files {
		path := filepath.Join(l.cache.folder, filepath.FromSlash(name))
		key, bounded := strings.CutSuffix(filepath.Base(path), ".json")
		if !bounded || !isKey(key) {
			if strings.HasSuffix(path, disk.Temporary) {
				os.Remove(path) // incomplete
			}
			continue
		}
		if _, known := l.calls[key]; !known {
			r := l.cache.load(key)
			if r == nil || r.call.Key != key {
				continue
			}
			if err := l.write(r.call); err != nil {
				return err
			}
		}
		l.forget(key)
	}
	return nil
}

// write appends a complete line, or leaves the file unchanged.
func (l *Ledger) write(c Call) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if l.lines == nil {
		// A failed call may be charged before an answer has created the folder.
		if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
			return err
		}
		if l.lines, err = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
			return err
		}
	}
	line = append(line, '\n')
	_, err = l.lines.Write(line)
	if err == nil {
		err = l.lines.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", callsFile, err), l.lines.Truncate(l.size))
	}
	l.size += int64(len(line))
	l.apply(c)
	return nil
}

// apply adds a line to the state in memory.
func (l *Ledger) apply(c Call) {
	if c.Unused {
		l.unused = append(l.unused, c)
		return
	}
	l.calls[c.Key] = c
	if c.Model != "" {
		who := c.For + " " + c.Endpoint
		l.models[who] = withChecksum(l.models[who], c.Model)
	}
}

// answers returns the store of answers; nil while the ledger is closed.
func (l *Ledger) answers() *Cache {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache
}

// IsOpen reports whether the ledger is open.
func (l *Ledger) IsOpen() bool { return l.answers() != nil }

// Store writes an answer and its cost to disk and charges it. It returns the cost with the
// call's key. While the ledger is closed it does nothing.
func (l *Ledger) Store(c Call, r *Response) (reflectionflow.Cost, error) {
	answers := l.answers()
	if answers == nil {
		return c.Cost, nil
	}
	if !c.Unused {
		kept := *r
		kept.call = c
		if err := answers.store(c.Key, &kept); err != nil {
			return c.Cost, fmt.Errorf("store the answer of endpoint %s: %w", c.Endpoint, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(c); err != nil {
		return c.Cost, err
	}
	if c.Unused {
		return c.Cost, nil
	}
	l.charged[c.Key] = true
	return c.charge(), nil
}

// Charge writes the cost of a call that failed and may be made again, and charges it as
// [Ledger.Store] does. There is no answer to store, and the call gets its own key. While
// the ledger is closed it does nothing.
func (l *Ledger) Charge(c Call) (reflectionflow.Cost, error) {
	if !l.IsOpen() {
		return c.Cost, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := []byte(c.Key)
	for n := 1; ; n++ {
		c.Key = Key([]byte("failed 1"), asked, []byte(strconv.Itoa(n)))
		if _, taken := l.calls[c.Key]; !taken {
			break
		}
	}
	c.Failed = true
	if err := l.write(c); err != nil {
		return c.Cost, err
	}
	l.charged[c.Key] = true
	return c.charge(), nil
}

// charge returns the call's cost with its key.
func (c Call) charge() reflectionflow.Cost {
	cost := c.Cost
	cost.Seconds, cost.Calls = c.Seconds, []string{c.Key}
	return cost
}

// Recall returns the stored answer to a call, with its cost unless that is charged
// already; nil if there is none that fits accepts. An answer that does not fit is not
// charged. An image is returned once unless the ledger is Shared, because every candidate
// has its own image.
func (l *Ledger) Recall(key string, fits func(*Response) bool) *Response {
	answers := l.answers()
	if answers == nil {
		return nil
	}
	r := answers.load(key)
	if r == nil || r.call.Key != key || !fits(r) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.charged[key] && !l.Shared {
		if r.call.For == ForImage {
			return nil // another prompt of the same run asks for the same image
		}
		return r
	}
	l.charged[key] = true
	r.Cost = r.call.charge()
	r.Cached = false
	return r
}

// model returns the first model that an endpoint named for a purpose in the run, over all
// sessions; empty if it named none.
func (l *Ledger) model(what, endpoint string) string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.models[what+" "+endpoint]
}

// ImageModel returns the model that the server named for the image among the calls; empty
// if it named none.
func (l *Ledger) ImageModel(calls []string) string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range calls {
		if c := l.calls[key]; c.For == ForImage && !c.Failed && c.Model != "" {
			return c.Model
		}
	}
	return ""
}

// UserContext returns a context for work that is stored in the ledger. It ends when the
// user ends ctx, and not when ctx is cancelled with a cause of its own (see
// [context.Cause]), such as the failure of another part: work in progress is paid for, so
// it is completed and stored for the resumed run.
func (l *Ledger) UserContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if !l.IsOpen() {
		return ctx, func() {}
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ctx.Err()) {
			cancel()
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// Forget deletes stored images that the run has recorded.
func (l *Ledger) Forget(calls []string) {
	if !l.IsOpen() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range calls {
		l.forget(key)
	}
}

func (l *Ledger) forget(key string) {
	if l.charged[key] && l.calls[key].For == ForImage {
		os.Remove(l.cache.path(key)) // otherwise deleted at the next Open
	}
}

// Unused returns the number and the cost of answers that nobody was charged for.
func (l *Ledger) Unused() (n int, cost reflectionflow.Cost) {
	if l == nil {
		return 0, cost
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(l.unused)
	for _, key := range slices.Sorted(maps.Keys(l.calls)) {
		if !l.charged[key] {
			list = append(list, l.calls[key])
		}
	}
	for _, c := range list {
		cost = cost.Add(c.Cost)
	}
	return len(list), cost
}

// Answered reports whether an endpoint has answered a call of the run, in any session.
func (l *Ledger) Answered(endpoint string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.Endpoint == endpoint && !c.Failed {
			return true
		}
	}
	return false
}

// Close closes the ledger. If the run is finished, the answers are deleted: nobody will
// ask for them again.
func (l *Ledger) Close(finished bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if l.lines != nil {
		errs = append(errs, l.lines.Close())
	}
	if finished && l.cache != nil {
		errs = append(errs, os.RemoveAll(l.cache.folder))
	}
	l.lines, l.cache = nil, nil
	return errors.Join(errs...)
}
