package endpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"reflectionflow/internal/disk"
)

// Cache keeps replies in a folder, one file each, named by the content of the
// question: a verdict is never paid for twice, not in one process, not after a
// crash, not in another run. Several clients may share it. Files are written
// under another name and renamed; a damaged file counts as absent. Nothing is
// ever deleted: the folder is the user's.
type Cache struct {
	folder string
	mu     sync.Mutex
	busy   map[string]chan struct{} // closed when the call for that key is over
}

// cacheVersion is part of every key: files of another layout are not found.
const cacheVersion = "reflectionflow response cache 1"

// NewCache opens the cache in a folder, which is made if it is not there.
func NewCache(folder string) (*Cache, error) {
	if folder == "" {
		return nil, invalid("the response cache needs a folder")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the response cache: %w", err)
	}
	return &Cache{folder: folder, busy: map[string]chan struct{}{}}, nil
}

// cacheFile is the layout of an entry. Neither question nor headers are kept:
// they may hold what the user would not want on the disk.
type cacheFile struct {
	Version     string `json:"version"`
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Sum         string `json:"sha256"`         // of the body, against damage
	Body        []byte `json:"body"`           // base64
	Call        *Call  `json:"call,omitempty"` // in a [Ledger]
}

// cacheKey is the hash of method, URL, content type and canonical body. Headers
// and with them the secret are no part of it.
func cacheKey(r Request, u *url.URL) string {
	return Key([]byte(cacheVersion), []byte(r.Method), []byte(u.String()), []byte(r.ContentType), canonical(r.Body))
}

// Key is the hash of a list of parts, by which an answer is kept.
func Key(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d ", len(part)) // so that no two lists of parts run together
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// canonical rewrites a JSON body with sorted keys and no white space; another
// body stays as it is.
func canonical(body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // 1.0 and 1 stay two things, large seeds stay exact
	var value any
	if d.Decode(&value) != nil {
		return body
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return body
	}
	out, err := json.Marshal(value)
	if err != nil {
		return body
	}
	return out
}

// cached answers from the run's ledger or the cache, or makes the call and keeps
// the reply. Equal calls side by side wait for the first and share its reply; when
// it fails, the next of them tries for itself. A reply of another model than the
// endpoint's counts as absent.
func (c *Client) cached(ctx context.Context, r Request, u *url.URL) (*Response, error) {
	cache, ledger, key := c.config.Cache, c.config.Ledger, cacheKey(r, u)
	guard := cache
	if answers := ledger.answers(); answers != nil {
		guard = answers // all clients of a run share it
	}
	if guard != nil {
		done, err := guard.lock(ctx, key)
		if err != nil {
			return nil, c.contextError(err)
		}
		defer done()
	}
	fits := func(response *Response) bool {
		return (r.Check == nil || r.Check(response) == nil) && c.changed(ForText, c.reading(r).Model) == nil
	}
	if response := ledger.Recall(key, fits); response != nil {
		c.count(func(s *Spent) { s.CacheHits++ })
		return response, nil
	}
	if cache != nil {
		if response := cache.load(key); response != nil && fits(response) {
			c.count(func(s *Spent) { s.CacheHits++ })
			return response, c.account(r, response, key)
		}
	}
	patient, done := ledger.UserContext(ctx)
	defer done()
	response, err := c.call(patient, r, u)
	if err != nil {
		return nil, err
	}
	if err := c.account(r, response, key); err != nil {
		return response, err
	}
	if cache != nil {
		if err := cache.store(key, response); err != nil {
			return nil, fmt.Errorf("endpoint %s: keep the reply: %w", c.config.Name, err)
		}
	}
	return response, nil
}

// claim waits until no other call has the key and takes it.
func (k *Cache) lock(ctx context.Context, key string) (func(), error) {
	for {
		k.mu.Lock()
		other, taken := k.busy[key]
		if !taken {
			mine := make(chan struct{})
			k.busy[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.busy, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (k *Cache) path(key string) string {
	return filepath.Join(k.folder, key[:2], key+".json")
}

// load returns the reply under key, nil when there is none that is whole.
func (k *Cache) load(key string) *Response {
	data, err := os.ReadFile(k.path(key))
	if err != nil {
		return nil
	}
	var f cacheFile
	if json.Unmarshal(data, &f) != nil || f.Version != cacheVersion || f.Status < 200 || f.Status > 299 || f.Sum != sum(f.Body) {
		return nil
	}
	r := &Response{Status: f.Status, Header: http.Header{"Content-Type": {f.ContentType}}, Body: f.Body, Cached: true}
	if f.Call != nil {
		r.call = *f.Call
	}
	return r
}

func (k *Cache) store(key string, r *Response) (err error) {
	layout := cacheFile{Version: cacheVersion, Status: r.Status, ContentType: r.Header.Get("Content-Type"), Sum: sum(r.Body), Body: r.Body}
	if r.call.Key != "" {
		layout.Call = &r.call
	}
	data, err := json.Marshal(layout)
	if err != nil {
		return err
	}
	path := k.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+key[:8]+"-*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}

func sum(body []byte) string {
	h := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(h[:])
}
