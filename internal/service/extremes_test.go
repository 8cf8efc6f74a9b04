package service_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"reflectionflow/internal/service"
)

// TestPageExtremes looks at what is long: prompts, trees, lists and errors.
func TestPageExtremes(t *testing.T) {
	url := pageServer(t, nil)
	for i := range 55 {
		finish(t, url, fmt.Sprintf(`{"prompt":"the search number %d","search":{"strategy":"noise","budget":"1"}}`, i))
	}
	long := finish(t, url, fmt.Sprintf(`{"prompt":%q,"search":{"strategy":"noise","budget":"1"}}`, strings.Repeat("a red clock and ", 200)))
	deep := finish(t, url, `{"prompt":"deep","search":{"strategy":"reflection","budget":"14","width":1,"early_stop":false,"axes":["noise","reflection"]}}`)
	_, refused := call(t, "POST", url+"/api/v1/jobs", `{"prompt":"broken","search":{"strategy":"noise","budget":"1","seed":1}}`)
	if !strings.Contains(refused, `"queued"`) {
		t.Fatal(refused)
	}
	ctx := browser(t)
	for name, size := range map[string][2]int64{"phone": {390, 844}, "desk": {1200, 900}} {
		do(t, ctx, chromedp.EmulateViewport(size[0], size[1]))
		for _, page := range []struct {
			name, job, heading string
			images             int
		}{{"long", long, "a red clock", 1}, {"deep", deep, "deep", 14}} {
			do(t, ctx, chromedp.Navigate(url+"/#/job/"+page.job))
			until(t, ctx, fmt.Sprintf("document.querySelector('h1')?.textContent.startsWith(%q) && document.querySelectorAll('.node button img').length === %d && document.querySelector('.hero img')?.naturalWidth > 0", page.heading, page.images))
			view(t, ctx, name+"-"+page.name)
		}
		var narrow float64
		do(t, ctx, chromedp.Evaluate("Math.min(...[...document.querySelectorAll('.node .text')].map((n) => n.getBoundingClientRect().width))", &narrow))
		if narrow < 80 {
			t.Errorf("%s: a candidate of a deep tree has %v pixels for its text", name, narrow)
		}
		do(t, ctx, chromedp.Navigate(url+"/#/history"))
		until(t, ctx, "document.querySelectorAll('.tile').length === 48 && document.querySelector('p[role=status].note').textContent === '48 searches, and older ones.'")
		view(t, ctx, name+"-history")
		do(t, ctx, press("Older"))
		until(t, ctx, "document.querySelectorAll('.tile').length === 58 && document.activeElement === document.querySelectorAll('.tile')[48].querySelector('a')")
	}
}

// TestPageKey gives a wrong key, a right one, and loses it while a search runs.
func TestPageKey(t *testing.T) {
	keys, err := service.OpenKeys(filepath.Join(t.TempDir(), "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.Add("ann", service.Limits{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, func(o *service.Options) { o.Keys = keys })
	ctx := browser(t, http.StatusUnauthorized)
	do(t, ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(server.URL+"/"))
	until(t, ctx, "document.querySelector('#key') !== null && document.querySelector('.error').textContent === ''")
	view(t, ctx, "key")
	do(t, ctx, chromedp.SendKeys("#key", "rf-wrong\r"))
	until(t, ctx, "document.querySelector('.error')?.textContent.includes('unknown or was revoked')")
	do(t, ctx, chromedp.SendKeys("#key", key+"\r"))
	until(t, ctx, "document.querySelector('#prompt') !== null")
	do(t, ctx, chromedp.SendKeys("#prompt", "slow"), choose("Strategy", "noise"), chromedp.Click("button.primary"))
	until(t, ctx, state+" === 'running'")
	if err := keys.Revoke("ann"); err != nil {
		t.Fatal(err)
	}
	server.CloseClientConnections()
	until(t, ctx, "document.querySelector('#key') !== null && document.querySelector('#connection').textContent === ''")
}
