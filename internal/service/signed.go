package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// linkTime is how long the address of an image in a reply works without a key, as at OpenAI:
// clients load it with a plain GET.
const linkTime = time.Hour

// link returns the query of an image's address: its look and, where there are keys, a
// signature that stands for the owner's key.
func (s *Server) link(owner, path string, l look, now time.Time) string {
	query := url.Values{"format": {l.format}}
	if l.within != (image.Point{}) {
		query.Set("size", pixels(l.within))
	}
	if s.options.Keys != nil {
		until := strconv.FormatInt(now.Add(linkTime).Unix(), 10)
		query.Set("until", until)
		query.Set("signature", s.options.Keys.sign(owner, path, until))
	}
	return query.Encode()
}

// linked returns the owner for whom the address of an image was signed. A revoked key's
// signatures are void.
func (s *Server) linked(r *http.Request) (owner string, ok bool) {
	query := r.URL.Query()
	signature, until := query.Get("signature"), query.Get("until")
	id, _, isImage := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/jobs/"), "/images/")
	if r.Method != http.MethodGet || signature == "" || !isImage {
		return "", false
	}
	if end, err := strconv.ParseInt(until, 10, 64); err != nil || time.Now().Unix() > end {
		return "", false
	}
	job, err := s.queue.Job(r.Context(), id)
	if err != nil {
		return "", false
	}
	want := s.options.Keys.sign(job.Owner, r.URL.Path, until)
	return job.Owner, want != "" && hmac.Equal([]byte(want), []byte(signature))
}

// sign returns the signature of a path until a time with an owner's key, empty without one.
func (k *Keys) sign(owner, path, until string) string {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	_ = k.refresh()
	for _, known := range k.list {
		if known.Owner == owner {
			mac := hmac.New(sha256.New, []byte(known.sum))
			_, _ = mac.Write([]byte(path + "\n" + until))
			return hex.EncodeToString(mac.Sum(nil))
		}
	}
	return ""
}
