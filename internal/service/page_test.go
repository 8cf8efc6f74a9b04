package service_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts Chromium, or skips the test where there is none. Errors of the console
// fail the test when it ends, but for lost connections.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("needs chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // events that are newer than chromedp
	t.Cleanup(cancel)
	var mutex sync.Mutex
	var faults []string
	chromedp.ListenTarget(ctx, func(event any) {
		fault := ""
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			fault = e.ExceptionDetails.Error()
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				fault = string(e.Args[0].Value)
			}
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "net::ERR_") {
				fault = e.Entry.Text + " " + e.Entry.URL
			}
		}
		if fault != "" {
			mutex.Lock()
			defer mutex.Unlock()
			faults = append(faults, fault)
		}
	})
	t.Cleanup(func() {
		mutex.Lock()
		defer mutex.Unlock()
		for _, fault := range faults {
			t.Error("console:", fault)
		}
	})
	do(t, ctx, log.Enable())
	return ctx
}

// do runs actions.
func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// until waits until an expression of JavaScript is true.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	if err := chromedp.Run(ctx, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(15*time.Second), chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		var text string
		_ = chromedp.Run(ctx, chromedp.Evaluate("document.body.innerText", &text))
		t.Fatalf("%s: %v; the page shows %.800s", expression, err, text)
	}
}

// shot takes a screenshot for go test -artifacts, and checks that nothing is wider than the
// window.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	var wide int
	var file []byte
	do(t, ctx, chromedp.Evaluate("document.documentElement.scrollWidth - innerWidth", &wide), chromedp.CaptureScreenshot(&file))
	if wide > 0 {
		t.Errorf("%s: the page is %d pixels wider than the window", name, wide)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), file, 0o600); err != nil {
		t.Fatal(err)
	}
}

const state = "document.querySelector('.state')?.textContent"

// TestPageInBrowser searches, watches, corrects, cancels and finds on the page.
func TestPageInBrowser(t *testing.T) {
	server := serve(t, nil)
	ctx := browser(t)
	upload := filepath.Join(t.TempDir(), "image.png")
	form, _ := edit(t, "image")
	_, file, _ := strings.Cut(form, "\r\n\r\n")
	if err := os.WriteFile(upload, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}

	// A search, with the keyboard, and its candidates as they come.
	do(t, ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(server.URL+"/"), chromedp.SendKeys("#prompt", "red <b>things</b>"), chromedp.SetValue("select:nth-of-type(1)", "paint"))
	do(t, ctx, chromedp.Evaluate("document.querySelectorAll('select')[1].value = 'noise'; document.querySelector('button.primary').focus()", nil), chromedp.KeyEvent("\r"))
	until(t, ctx, state+" === 'done' && document.querySelectorAll('.tile img').length === 8 && document.querySelector('.tile.best') !== null")
	until(t, ctx, "document.querySelector('h1').textContent === 'red <b>things</b>' && document.querySelector('h1 b') === null")
	shot(t, ctx, "job")

	// A correction of a candidate.
	do(t, ctx, chromedp.Click("#candidate-0 button"), chromedp.SendKeys("dialog textarea", "more blue"))
	shot(t, ctx, "candidate")
	do(t, ctx, chromedp.Click("dialog button.primary"))
	until(t, ctx, "document.querySelector('main').textContent.includes('Corrects an image: more blue') && "+state+" === 'done'")

	// A correction of an upload.
	do(t, ctx, chromedp.Navigate(server.URL+"/#/"), chromedp.SendKeys("#prompt", "blue"), chromedp.Click("summary"),
		chromedp.SetUploadFiles("input[type=file]", []string{upload}), chromedp.SendKeys("details textarea", "much more blue"))
	until(t, ctx, "document.querySelector('.preview').naturalWidth === 50")
	shot(t, ctx, "upload")
	do(t, ctx, chromedp.Evaluate("document.querySelectorAll('select')[1].value = 'noise'", nil), chromedp.Click("button.primary"))
	until(t, ctx, "document.querySelector('main').textContent.includes('Corrects an image: much more blue') && "+state+" === 'done'")

	// A lost connection says so and heals; then the search is cancelled.
	do(t, ctx, chromedp.Navigate(server.URL+"/#/"), chromedp.SendKeys("#prompt", "slow"),
		chromedp.Evaluate("document.querySelectorAll('select')[1].value = 'noise'", nil), chromedp.Click("button.primary"))
	until(t, ctx, state+" === 'running'")
	// The message may be gone again before it is looked for.
	do(t, ctx, chromedp.Evaluate("window.said = []; { const c = document.querySelector('#connection'); new MutationObserver(() => window.said.push(c.textContent)).observe(c, { childList: true, characterData: true, subtree: true }); }", nil))
	server.CloseClientConnections()
	until(t, ctx, "window.said.some((text) => text.startsWith('Connection lost'))")
	until(t, ctx, "document.querySelector('#connection').textContent === ''")
	do(t, ctx, chromedp.Click("//button[text()='Cancel']", chromedp.BySearch))
	until(t, ctx, state+" === 'cancelled'")

	// What was searched is found again.
	do(t, ctx, chromedp.Navigate(server.URL+"/#/history"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 4")
	do(t, ctx, chromedp.SendKeys("input[type=search]", "thin"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 2")
	shot(t, ctx, "history")

	// The API can be tried.
	do(t, ctx, chromedp.Navigate(server.URL+"/#/api"))
	until(t, ctx, "document.querySelectorAll('details').length > 10")
	do(t, ctx, chromedp.Evaluate(`const call = [...document.querySelectorAll('details')].find((d) => d.textContent.startsWith('GET /api/v1/models'));
		call.open = true; call.querySelector('button').click()`, nil))
	until(t, ctx, "document.querySelector('details[open] pre').textContent.includes('\"paint\"')")

	// On a phone, and dark.
	do(t, ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	for _, name := range []string{"", "history", "api", "about"} {
		do(t, ctx, chromedp.Navigate(server.URL+"/#/"+name))
		until(t, ctx, "document.querySelector('h1') !== null")
		shot(t, ctx, "phone-"+name)
	}
	do(t, ctx, chromedp.Navigate(server.URL+"/#/history"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 4")
	do(t, ctx, chromedp.Evaluate("[...document.querySelectorAll('.tile a')].at(-1).click()", nil))
	until(t, ctx, "document.querySelectorAll('.tile img').length === 8")
	shot(t, ctx, "phone-job")
	do(t, ctx, chromedp.Click("#candidate-0 button"))
	shot(t, ctx, "phone-candidate")
}
