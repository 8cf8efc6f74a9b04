package service_test

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// browser starts Chromium, or skips the test where there is none. Errors of the console
// fail the test when it ends, but for lost connections and replies of the expected statuses.
func browser(t *testing.T, expected ...int) context.Context {
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
			text := e.Entry.Text
			if slices.ContainsFunc(expected, func(status int) bool { return strings.Contains(text, fmt.Sprintf("status of %d", status)) }) {
				return
			}
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "net::ERR_") && !strings.HasSuffix(e.Entry.URL, "/api/v1/jobs/j0") { // which is not there
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

//go:embed testdata/audit.js
var audit string

// view takes a screenshot for go test -artifacts, and checks that nothing is wider than the
// window and that everybody can use it: by audit.js, and by axe-core where AXE_CORE names
// the folder of its npm package.
func view(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	var wide int
	var file []byte
	var faults []string
	do(t, ctx, chromedp.Evaluate("document.documentElement.scrollWidth - innerWidth", &wide), chromedp.CaptureScreenshot(&file), chromedp.Evaluate(audit, &faults))
	if wide > 0 {
		t.Errorf("%s: the page is %d pixels wider than the window", name, wide)
	}
	for _, fault := range faults {
		t.Errorf("%s: %s", name, fault)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("AXE_CORE"); dir != "" {
		axe, err := os.ReadFile(filepath.Join(dir, "axe.min.js"))
		if err != nil {
			t.Fatal(err)
		}
		var violations []string
		do(t, ctx, chromedp.Evaluate(string(axe), nil), chromedp.Evaluate(`axe.run().then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary)))`, &violations,
			func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		for _, violation := range violations {
			t.Errorf("%s: axe: %s", name, violation)
		}
	}
}

const state = "document.querySelector('.state')?.textContent"

// pageServer serves a model with requirements, whose images take a moment. Those of "things"
// show sketches until watched is closed; nil for one.
func pageServer(t *testing.T, watched <-chan struct{}) string {
	t.Helper()
	model := fakeModel()
	model.Parse = assemble.Free(func(text string) (reflectionflow.Prompt, error) {
		return reflectionflow.Prompt{Text: text, Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.Exactly, Object: "cup", Count: 2}, {Kind: reflectionflow.Color, Object: "cup", Color: "red"}}}, nil
	})
	parts := &assemble.Engine{
		Generator: reflectionflow.GeneratorFunc(func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
			if strings.Contains(r.Prompt, "broken") && r.Seed%2 == 0 {
				return nil, errors.New("the engine refused this image")
			}
			_, show := reflectionflow.Sketches(ctx)
			for seen := false; !seen; time.Sleep(20 * time.Millisecond) {
				if show != nil {
					show(reflectionflow.Sketch{Request: r, Step: 1, Image: image.NewGray(image.Rect(0, 0, 8, 8))})
				}
				select {
				case <-watched:
					seen = true
				case <-ctx.Done():
					return nil, ctx.Err()
				default:
					seen = watched == nil || !strings.Contains(r.Prompt, "things")
				}
			}
			return painted(ctx, r)
		}),
		Verifier: reflectionflow.VerifierFunc(func(ctx context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
			score, err := judged(ctx, p)
			for i, r := range p.Prompt.Requirements {
				f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: 0.9}
				if i == 0 {
					f.Evidence = []reflectionflow.Object{{Class: "cup", Box: [4]float64{0.1, 0.1, 0.5, 0.5}, Confidence: 0.8}}
				} else if score.Value > 0.9 {
					f.Verdict = reflectionflow.Met
				}
				score.Requirements = append(score.Requirements, f)
			}
			return score, err
		}),
		Reflector: reflectionflow.ReflectorFunc(func(context.Context, reflectionflow.Observation) (reflectionflow.Reflection, error) {
			return reflectionflow.Reflection{Text: "Make the cup red."}, nil
		}),
		Refiner: reflectionflow.RefinerFunc(func(_ context.Context, o reflectionflow.Observation) (reflectionflow.Refinement, error) {
			return reflectionflow.Refinement{Text: o.Prompt.Text + ", sharp"}, nil
		}),
	}
	model.Open = func(context.Context, string) (*assemble.Engine, error) { return parts, nil }
	return serve(t, func(o *service.Options) { o.Models = []service.Served{{Name: "paint", Model: model}} }).URL
}

// choose sets a control that a label names.
func choose(label, value string) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`{ const c = [...document.querySelectorAll('label')].find((l) => l.textContent.startsWith(%q)).querySelector('input, select'); c.value = %q; c.dispatchEvent(new Event('input')); }`, label, value), nil)
}

// press clicks on the button or link with a text.
func press(text string) chromedp.Action {
	return chromedp.Click(fmt.Sprintf("//*[self::button or self::a][normalize-space()=%q]", text), chromedp.BySearch)
}

// TestPageInBrowser searches, watches, corrects, compares, cancels and finds on the page.
func TestPageInBrowser(t *testing.T) {
	watched := make(chan struct{})
	url := pageServer(t, watched)
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(url+"/#/history"))
	until(t, ctx, "document.querySelector('.empty')?.textContent.includes('Nothing was searched yet')")
	view(t, ctx, "history-empty")

	// A search, by keyboard alone from the prompt, and its tree as it grows.
	do(t, ctx, chromedp.Navigate(url+"/#/"))
	until(t, ctx, "document.querySelector('.cost')?.textContent.includes('Nothing is known yet')")
	view(t, ctx, "create")
	// A preview may be gone again before it is looked for.
	do(t, ctx, chromedp.Evaluate("window.rough = false; new MutationObserver(() => window.rough ||= document.querySelector('.node img.rough') !== null).observe(document.body, { childList: true, subtree: true })", nil))
	do(t, ctx, chromedp.SendKeys("#prompt", "red <b>things</b>"), choose("Strategy", "reflection"), choose("Images", "5"), chromedp.Focus("button.primary"), chromedp.KeyEvent("\r"))
	until(t, ctx, "window.rough")
	close(watched)
	until(t, ctx, state+" === 'done' && document.querySelectorAll('.node.waiting').length === 0 && document.querySelectorAll('.node button img').length === 5")
	until(t, ctx, "document.querySelector('.tree ul .node') !== null && document.querySelectorAll('.node.best').length === 1 && document.querySelector('.hero img') !== null")
	until(t, ctx, "document.querySelector('h1').textContent === 'red <b>things</b>' && document.querySelector('h1 b') === null")
	view(t, ctx, "job")

	// Its images are compared.
	do(t, ctx, press("side by side"))
	until(t, ctx, "document.querySelectorAll('.pair img').length === 2")
	view(t, ctx, "compare-side")
	do(t, ctx, press("flicker"))
	until(t, ctx, "document.querySelector('.compare .over').hidden")
	until(t, ctx, "!document.querySelector('.compare .over').hidden")
	do(t, ctx, press("Pause"), press("slider"), chromedp.Focus("input[type=range]"), chromedp.KeyEvent("\u0303"))

	// A correction, by a tick and own words, grows under its candidate.
	do(t, ctx, chromedp.Click("#candidate-0 button"))
	view(t, ctx, "candidate")
	do(t, ctx, press("Correct"))
	until(t, ctx, "document.querySelector('dialog form .error').textContent.startsWith('Say what')")
	do(t, ctx, chromedp.SendKeys("dialog textarea", "more blue"), chromedp.Click("dialog fieldset input"), press("Correct"))
	until(t, ctx, "document.querySelector('dialog') === null && [...document.querySelectorAll('#candidate-0 + ul .node')].some((n) => n.textContent.includes('your correction') && n.textContent.includes('more blue Show exactly 2 cups.'))")
	until(t, ctx, "document.querySelector('[role=status].note').textContent.includes('finished')")
	view(t, ctx, "corrected")
	do(t, ctx, chromedp.Reload()) // and is there again
	until(t, ctx, "[...document.querySelectorAll('#candidate-0 + ul .node')].some((n) => n.textContent.includes('your correction'))")
	do(t, ctx, chromedp.Click("button.star"))
	until(t, ctx, "document.querySelector('button.star').getAttribute('aria-pressed') === 'true'")

	// Failed images are said.
	do(t, ctx, chromedp.Navigate(url+"/#/"), chromedp.SendKeys("#prompt", "broken"), choose("Strategy", "noise"), choose("Images", "6"), choose("Seed", "3"), chromedp.Click("button.primary"))
	until(t, ctx, state+" === 'done' && document.querySelector('.node .bad')?.textContent.includes('refused')")
	view(t, ctx, "failed-images")

	runCode(t, ctx, url)
	findInBrowser(t, ctx, url)
	onPhone(t, ctx, url)
}

// runCode runs what the page shows of a correction as code. Each run submits the same job.
func runCode(t *testing.T, ctx context.Context, url string) {
	do(t, ctx, chromedp.Navigate(url+"/#/history?text=more"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 1")
	do(t, ctx, chromedp.Click(".tile a"))
	until(t, ctx, "document.querySelectorAll('details pre').length === 3")
	var first string
	var texts []string
	do(t, ctx, chromedp.Evaluate("location.hash.split('/').pop()", &first), chromedp.Evaluate("[...document.querySelectorAll('details pre')].map((p) => p.textContent)", &texts))
	dir := t.TempDir()
	for i, c := range []struct{ program, file, run string }{{"curl", "call.sh", "sh call.sh"}, {"python3", "call.py", "python3 call.py"}, {"go", "call.go", "go run call.go"}} {
		if _, err := exec.LookPath(c.program); err != nil {
			t.Logf("without %s", c.program)
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(texts[i]), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", c.run) //nolint:gosec // of the page
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		id := regexp.MustCompile(`j[0-9a-z]{10,}`).FindString(string(out))
		if err != nil || id == "" {
			t.Fatalf("%s: %v: %s\n%s", c.program, err, out, texts[i])
		}
		_, was := call(t, "GET", url+"/api/v1/jobs/"+first, "")
		_, now := call(t, "GET", url+"/api/v1/jobs/"+id, "")
		a, b := decode[jobs.Job](t, was), decode[jobs.Job](t, now)
		if a.Prompt != b.Prompt || a.Reflection != b.Reflection || string(a.Settings) != string(b.Settings) || b.Image == "" {
			t.Errorf("%s submits %s\nand the page shows %s", c.program, now, was)
		}
		call(t, "GET", url+"/api/v1/jobs/"+id+"/events", "") // until it has ended
		if status, body := call(t, "DELETE", url+"/api/v1/jobs/"+id, ""); status != http.StatusNoContent {
			t.Errorf("status %d: %s", status, body)
		}
	}
}

// findInBrowser finds searches again, makes changes, and deletes one.
func findInBrowser(t *testing.T, ctx context.Context, url string) {
	do(t, ctx, chromedp.Navigate(url+"/#/history"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 3")
	do(t, ctx, chromedp.SendKeys("input[type=search]", "thin"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 2 && location.hash.includes('text=thin')")
	do(t, ctx, chromedp.Click(".fields input[type=checkbox]"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 1 && document.querySelector('.tile .star').textContent === '★'")
	view(t, ctx, "history")
	do(t, ctx, chromedp.SendKeys("input[type=search]", "zebra"))
	until(t, ctx, "document.querySelector('.empty').textContent === 'No search fits these filters.'")
	until(t, ctx, "location.hash.includes('zebra')") // else what was typed would come after
	do(t, ctx, chromedp.Navigate(url+"/#/history?text=broken"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 1 && document.querySelector('.tile').textContent.includes('broken')")
	do(t, ctx, press("Again"))
	until(t, ctx, "document.querySelector('#prompt')?.value === 'broken' && document.querySelector('.cost').textContent.startsWith('At most about')")
	do(t, ctx, chromedp.NavigateBack())
	until(t, ctx, "document.querySelectorAll('.tile').length === 1")
	do(t, ctx, press("Delete"))
	until(t, ctx, "document.querySelector('dialog button.danger') !== null")
	view(t, ctx, "delete")
	do(t, ctx, chromedp.Click("dialog button.danger"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 0")

	// The API can be tried.
	do(t, ctx, chromedp.Navigate(url+"/#/api"))
	until(t, ctx, "document.querySelectorAll('details').length > 10")
	do(t, ctx, chromedp.Evaluate(`const call = [...document.querySelectorAll('details')].find((d) => d.textContent.startsWith('GET /api/v1/models'));
		call.open = true; call.querySelector('button').click()`, nil))
	until(t, ctx, "document.querySelector('details[open] pre').textContent.includes('\"paint\"')")
	view(t, ctx, "api")
	do(t, ctx, chromedp.Navigate(url+"/#/settings"))
	until(t, ctx, state+" === 'working'")
	view(t, ctx, "settings")
	do(t, ctx, choose("Colors", "dark"))
	until(t, ctx, "getComputedStyle(document.documentElement).colorScheme === 'dark'")
	view(t, ctx, "settings-dark")
	do(t, ctx, choose("Colors", "auto"), chromedp.Navigate(url+"/#/job/j0"))
	until(t, ctx, "document.querySelector('h1')?.textContent === 'This is not here'")
	view(t, ctx, "missing")
}

// onPhone looks at all pages on a phone, in the dark.
func onPhone(t *testing.T, ctx context.Context, url string) {
	do(t, ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	for _, name := range []string{"", "history", "api", "settings"} {
		do(t, ctx, chromedp.Navigate(url+"/#/"+name))
		until(t, ctx, fmt.Sprintf("document.querySelector('h1')?.textContent.startsWith(%q)", map[string]string{"": "What should", "history": "History", "api": "API", "settings": "Settings"}[name]))
		view(t, ctx, "phone-"+name)
	}
	do(t, ctx, chromedp.Navigate(url+"/#/history"))
	until(t, ctx, "document.querySelectorAll('.tile').length === 2")
	do(t, ctx, chromedp.Evaluate("[...document.querySelectorAll('.tile a')].find((a) => !a.closest('.tile').textContent.includes('Corrected')).click()", nil))
	until(t, ctx, "document.querySelectorAll('.node button img').length >= 6")
	view(t, ctx, "phone-job")
	do(t, ctx, chromedp.Click("#candidate-0 button"))
	view(t, ctx, "phone-candidate")
}

// TestPageHeals corrects an upload, loses its connection, and cancels.
func TestPageHeals(t *testing.T) {
	server := serve(t, nil)
	ctx := browser(t)
	upload := filepath.Join(t.TempDir(), "image.png")
	form, _ := edit(t, "image")
	_, file, _ := strings.Cut(form, "\r\n\r\n")
	if err := os.WriteFile(upload, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(server.URL+"/#/"), chromedp.SendKeys("#prompt", "blue"), chromedp.Click("summary"),
		chromedp.SetUploadFiles("input[type=file]", []string{upload}), chromedp.SendKeys("details textarea", "much more blue"))
	until(t, ctx, "document.querySelector('.preview').naturalWidth === 50")
	view(t, ctx, "upload")
	do(t, ctx, choose("Strategy", "noise"), chromedp.Click("button.primary"))
	until(t, ctx, "document.querySelector('main').textContent.includes('Corrects an image: much more blue') && "+state+" === 'done'")
	until(t, ctx, "document.querySelector('.tree > li > .node').textContent.includes('the image to correct') && document.querySelectorAll('.tree ul .node button img').length === 8")
	view(t, ctx, "job-of-upload")

	// The same again starts from the same image.
	do(t, ctx, press("Again with changes"))
	until(t, ctx, "document.querySelector('.preview')?.naturalWidth === 48")
	do(t, ctx, chromedp.Click("button.primary"))
	until(t, ctx, state+" === 'done' && document.querySelector('main').textContent.includes('the image to correct')")

	// A lost connection says so and heals; then the search is cancelled.
	do(t, ctx, chromedp.Navigate(server.URL+"/#/"), chromedp.SendKeys("#prompt", "slow"), choose("Strategy", "noise"), chromedp.Click("button.primary"))
	until(t, ctx, state+" === 'running' && document.querySelector('.node.waiting') !== null")
	view(t, ctx, "running")
	// The message may be gone again before it is looked for.
	do(t, ctx, chromedp.Evaluate("window.said = []; { const c = document.querySelector('#connection'); new MutationObserver(() => window.said.push(c.textContent)).observe(c, { childList: true, characterData: true, subtree: true }); }", nil))
	server.CloseClientConnections()
	until(t, ctx, "window.said.some((text) => text.startsWith('Connection lost'))")
	until(t, ctx, "document.querySelector('#connection').textContent === ''")
	do(t, ctx, network.Enable(), network.EmulateNetworkConditions(true, 0, 0, 0))
	server.CloseClientConnections()
	until(t, ctx, "document.querySelector('#connection').textContent.startsWith('Connection lost')")
	view(t, ctx, "lost")
	do(t, ctx, network.EmulateNetworkConditions(false, 0, -1, -1))
	until(t, ctx, "document.querySelector('#connection').textContent === ''")
	do(t, ctx, press("Cancel"))
	until(t, ctx, state+" === 'cancelled' && document.querySelector('.node.waiting') === null")
	view(t, ctx, "cancelled")
}
