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

// Cache keeps replies in a folder, one file each, named by the hash of the request, so
// that the same question is paid for once, in one process, after a crash and in another
// run. Several clients may share a Cache. A file is written under a temporary name and
// renamed; a damaged file counts as absent. The cache deletes nothing: the folder is the
// user's.
type Cache struct {
	folder string
	mu     sync.Mutex
	busy   map[string]chan struct{} // closed when the call for that key has ended
}

// cacheVersion is part of every key, so files of another layout are not found.
const cacheVersion = "reflectionflow response cache 1"

// NewCache opens the cache in a folder, which is created if it does not exist.
func NewCache(folder string) (*Cache, error) {
	if folder == "" {
		return nil, invalid("the response cache needs a folder")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the response cache: %w", err)
	}
	return &Cache{folder: folder, busy: map[string]chan struct{}{}}, nil
}

// cacheFile is the layout of an entry. The request and the headers are not stored: they
// may hold what the user does not want on the disk.
type cacheFile struct {
	Version     string `json:"version"`
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Sum         string `json:"sha256"`         // of Body
	Body        []byte `json:"body"`           // base64
	Call        *Call  `json:"call,omitempty"` // set by a [Ledger]
}

// cacheKey is the hash of method, URL, content type and canonical body. Headers, and
// with them the secret, are not part of it.
func cacheKey(r Request, u *url.URL) string {
	return Key([]byte(cacheVersion), []byte(r.Method), []byte(u.String()), []byte(r.ContentType), canonical(r.Body))
}

// Key returns the hash of a list of parts, under which an answer is stored.
func Key(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d ", len(part)) // the length separates the parts
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// canonical returns a JSON body with sorted keys and no white space, and another body
// unchanged.
func canonical(body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // 1.0 and 1 stay different, large seeds exact
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

// cached answers from the run's ledger or the cache, or makes the call and stores the
// reply. Concurrent equal calls wait for the first and share its reply; if it fails, the
// next of them is made. A reply of another model than the endpoint's counts as absent.
func (c *Client) cached(ctx context.Context, r Request, u *url.URL) (*Response, error) {
	cache, ledger, key := c.config.Cache, c.config.Ledger, cacheKey(r, u)
	guard := cache
	if answers := ledger.answers(); answers != nil {
		guard = answers // shared by all clients of a run
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
			return nil, fmt.Errorf("endpoint %s: store the reply: %w", c.config.Name, err)
		}
	}
	return response, nil
}

// lock waits until no other call holds the key and takes it.
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

// load returns the reply stored under key, nil if there is none or it is damaged.
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
