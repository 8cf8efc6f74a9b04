package endpoint_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/internal/endpoint"
)

// echoes returns the forms in which a server may repeat a key.
func echoes(key string) map[string]string {
	forms := map[string]string{
		"plain": key, "query": url.QueryEscape(key), "path": url.PathEscape(key), "lower-case escapes": strings.ToLower(url.QueryEscape("+/")) + key,
		"invisible characters": key[:5] + "\u200b" + key[5:], "URL of base64": url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("Bearer " + key))),
		"raw URL base64": base64.RawURLEncoding.EncodeToString([]byte("me:" + key + " and more")),
	}
	for i := range 3 {
		forms[fmt.Sprint("base64 at offset ", i)] = base64.StdEncoding.EncodeToString([]byte("Bearer "[i:] + key))
		forms[fmt.Sprint("base64 within a text at offset ", i)] = base64.StdEncoding.EncodeToString([]byte("key:xx"[i:] + key + "; more of it"))
	}
	return forms
}

// leaks reports whether a text holds most of the key in any form.
func leaks(text, key string) bool {
	undone, _ := url.PathUnescape(text)
	for _, t := range []string{text, undone} {
		if strings.Contains(t, key[2:len(key)-2]) {
			return true
		}
		for offset := range 3 {
			form := base64.StdEncoding.EncodeToString([]byte("xx"[:offset] + key))[4:24]
			if strings.Contains(t, form) || strings.Contains(t, strings.NewReplacer("+", "-", "/", "_").Replace(form)) {
				return true
			}
		}
	}
	return false
}

// TestEchoedSecret: in whatever form a server repeats the key, it is in no error, model name,
// ledger, cache or reply.
func TestEchoedSecret(t *testing.T) {
	const key = "sk-very+secret/key_0123456789?é"
	for name, form := range echoes(key) {
		t.Run(name, func(t *testing.T) {
			quoted, err := json.Marshal(form)
			if err != nil {
				t.Fatal(err)
			}
			escaped := strings.ReplaceAll(string(quoted), "/", `\/`)
			escaped = strings.Replace(escaped, "s", `\u0073`, 1)
			for _, text := range []string{string(quoted), escaped} {
				folder := t.TempDir()
				ledger := &endpoint.Ledger{}
				if err := ledger.Open(folder, nil); err != nil {
					t.Fatal(err)
				}
				handler, _ := replies(
					status(401, `{"error":{"message":`+text+`,"code":`+text+`,"type":`+text+`}}`),
					status(200, `{"model":`+text+`,"text":`+text+`}`, "Content-Type", "text/"+url.PathEscape(form)))
				c, _ := client(t, handler, func(c *endpoint.Config) { c.Secret, c.Ledger = endpoint.NewSecret(key), ledger }, withCache(t, filepath.Join(folder, "cache")))
				_, failure := c.Do(t.Context(), endpoint.Request{})
				var e *endpoint.Error
				if !errors.As(failure, &e) {
					t.Fatal(failure)
				}
				var reply struct{ Model, Text string }
				response, err := c.JSON(t.Context(), endpoint.Request{
					Method: "POST", Cacheable: true, Read: func() endpoint.Reading { return endpoint.Reading{Model: reply.Model} },
				}, map[string]int{}, &reply)
				if err != nil {
					t.Fatal(err)
				}
				encoded, _ := json.Marshal(e)
				said := fmt.Sprintf("%v %+v %s %s %q %q %s %v", e, e, e.Body, encoded, c.Models(), reply, response.Body, response.Header)
				if name == "invisible characters" {
					said = fmt.Sprintf("%v %q", e, c.Models()) // what is shown
				}
				if leaks(said, key) {
					t.Errorf("the key shows in %s", said)
				}
				leavesNoKey(t, folder, key)
			}
		})
	}
}

func leavesNoKey(t *testing.T, folder, key string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		var entry struct{ Body []byte }
		_ = json.Unmarshal(data, &entry) // calls.jsonl has no such thing
		if leaks(string(data), key) || leaks(string(entry.Body), key) {
			t.Errorf("%s holds the key: %s %s", path, data, entry.Body)
		}
		return err
	})
	if err != nil || files != 3 {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestImagesKeepTheirBytes: redaction does not change replies without the key: megabytes of
// base64 with a short key.
func TestImagesKeepTheirBytes(t *testing.T) {
	text := `{"b64":"` + strings.Repeat("AbCdEfGh01+/", 100_000) + `","path":"a\/b\u0041"}`
	c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }, func(c *endpoint.Config) { c.Secret = endpoint.NewSecret("AbCd") })
	var reply struct{ B64, Path string }
	if _, err := c.JSON(context.Background(), endpoint.Request{}, nil, &reply); err != nil || len(reply.B64) != 1_200_000 || reply.Path != "a/bA" {
		t.Errorf("%d characters, path %q, %v", len(reply.B64), reply.Path, err)
	}
}
