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

// Ledger is the account of a run: what its servers have answered, and what that
// cost. It keeps, in the run's folder,
//
//	calls.jsonl  one line an answered call, only ever appended to
//	answers/     the answers, in a [Cache], until the run is finished
//
// An answer is on disk, with its line, before it is used; a run that was killed
// finds it there when it goes on, asks nobody and pays once. A call's cost is
// charged to whoever takes its answer first and names it in
// [reflectionflow.Cost].Calls; whoever records that cost records the names, and
// [Ledger.Open] is told them, so that no later sitting charges them again.
//
// The zero Ledger, and nil, is closed: it keeps nothing. A ledger may be used from
// several goroutines.
type Ledger struct {
	// Shared is set, before [Ledger.Open], for searches that are each to cost what they
	// would alone, as in an evaluation: an answer is charged to everyone who takes it,
	// whenever that is, and images are recalled as often as they are asked for.
	Shared bool

	mu      sync.Mutex
	cache   *Cache   // nil while closed
	lines   *os.File // nil before the first line
	path    string
	size    int64           // of the whole lines
	calls   map[string]Call // by key
	charged map[string]bool
	unused  []Call
	models  map[string]string // the first that an endpoint has named for a purpose
}

// What a call was for.
const (
	ForText  = "text"  // a question to a language model
	ForImage = "image" // a drawing, or the part of one image in it
)

// Call is an answered call, a line of calls.jsonl.
type Call struct {
	// Key names the call by its whole content: endpoint, model and question.
	Key      string `json:"call"`
	For      string `json:"for"`
	Endpoint string `json:"endpoint"`
	// Model is what the server says has answered; empty where it says nothing.
	Model   string              `json:"model,omitempty"`
	Cost    reflectionflow.Cost `json:"cost"`
	Seconds float64             `json:"seconds,omitempty"`
	// Unused is set when the answer came from another model than the run began with:
	// it was paid for and is kept from use.
	Unused bool `json:"unused,omitempty"`
	// Failed is set when the call cost something and gave no answer that can be used.
	// It may be made again, and is a call of its own then.
	Failed bool `json:"failed,omitempty"`
}

// Open opens the ledger of the run in a folder that exists; charged are the calls
// that the run's record has charged. A last line that was cut off is dropped, and
// an answer that was kept without its line gets it. A damaged ledger is an error
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

// maxCallLine bounds a line of calls.jsonl.
const maxCallLine = 64 << 10

// read takes in calls.jsonl.
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
			break // what is left was cut off
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

// mend brings calls.jsonl and answers/ into step after a kill between the two.
func (l *Ledger) reconcile() error {
	// Within the folder, whose own path may have what a pattern has.
	files, err := fs.Glob(os.DirFS(l.cache.folder), "??/*")
	if err != nil {
		return err
	}
	for _, name := range files {
		path := filepath.Join(l.cache.folder, filepath.FromSlash(name))
		key, bounded := strings.CutSuffix(filepath.Base(path), ".json")
		if !bounded || !isKey(key) {
			if strings.HasSuffix(path, disk.Temporary) {
				os.Remove(path) // cut off
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

// write appends a whole line, or leaves the file as it was.
func (l *Ledger) write(c Call) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if l.lines == nil {
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

// enter takes in a line.
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

// answers is where the answers are; nil while the ledger is closed.
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

// Store writes an answer and its cost, and charges it: what it returns is the cost
// with the call's name. It does nothing while the ledger is closed.
func (l *Ledger) Store(c Call, r *Response) (reflectionflow.Cost, error) {
	answers := l.answers()
	if answers == nil {
		return c.Cost, nil
	}
	if !c.Unused {
		kept := *r
		kept.call = c
		if err := answers.store(c.Key, &kept); err != nil {
			return c.Cost, fmt.Errorf("keep the answer of endpoint %s: %w", c.Endpoint, err)
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

// Charge writes the cost of a call that failed and may be made again, and charges it
// as [Ledger.Store] does. There is no answer to keep: the call gets a name of its own.
// It does nothing while the ledger is closed.
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

// charge is the cost under the call's name.
func (c Call) charge() reflectionflow.Cost {
	cost := c.Cost
	cost.Seconds, cost.Calls = c.Seconds, []string{c.Key}
	return cost
}

// Recall returns the answer to a call that an earlier sitting or an earlier call
// has kept, with its cost unless that is charged already; nil where there is none
// that fits. No cost is charged for an answer that does not fit. An image is recalled
// once, unless the ledger is shared: each candidate has its own.
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
			return nil // of another prompt's run beside this one, which asks for the same
		}
		return r
	}
	l.charged[key] = true
	r.Cost = r.call.charge()
	r.Cached = false
	return r
}

// model is what the server of an endpoint said first that it answers with, in all
// sittings of the run; empty where it has said nothing.
func (l *Ledger) model(what, endpoint string) string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.models[what+" "+endpoint]
}

// UserContext is the context for work that is kept in a ledger. It ends when the user
// ends ctx, and not when ctx is given up for a cause of its own (see
// [context.Cause]), such as the failure of another part: what is under way is paid
// for, and is there when the run goes on.
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

// Forget drops the answers of recorded images: the record has them.
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
		os.Remove(l.cache.path(key)) // else it is dropped the next time
	}
}

// Unused is how many answers nobody was charged for, and what they cost.
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

// Close closes the ledger. When the run is finished its answers are deleted:
// nobody will ask for them again.
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
