package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// stop is where the focus is: what a screen reader says of it, and what is wrong with it for
// those who see.
type stop struct {
	Name, Fault string
	Dialog      bool // whether it is in a dialog
}

// focused describes the element with the focus.
const focused = `(() => {
	const node = document.activeElement;
	const name = node === document.body ? 'body' : node.getAttribute('aria-label') ?? (node.labels?.length ? [...node.labels].map((l) => l.firstChild.textContent || l.textContent).join(' ') : node.textContent);
	const style = getComputedStyle(node), box = node.getBoundingClientRect();
	let fault = '';
	if (node !== document.body && node.id !== 'main') {
		if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) fault = 'no outline';
		else if (box.width < 1 || box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth) fault = 'not in the window: ' + JSON.stringify(box);
	}
	return { name: node.tagName.toLowerCase() + ' ' + name.trim().slice(0, 60), fault, dialog: Boolean(node.closest('dialog')) };
})()`

// keys presses a key, with modifiers.
func keys(t *testing.T, ctx context.Context, key string, with ...input.Modifier) stop {
	t.Helper()
	var at stop
	do(t, ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(with...)), chromedp.Evaluate(focused, &at))
	return at
}

// tab presses Tab until the focus is on what a name begins with, such as "button Search".
// Every stop on the way must be visible.
func tab(t *testing.T, ctx context.Context, name string, with ...input.Modifier) {
	t.Helper()
	var passed []string
	for range 60 {
		at := keys(t, ctx, kb.Tab, with...)
		if at.Fault != "" {
			t.Errorf("%s: %s", at.Name, at.Fault)
		}
		if strings.HasPrefix(at.Name, name) {
			return
		}
		passed = append(passed, at.Name)
	}
	t.Fatalf("Tab does not come to %s; it comes to %s", name, strings.Join(passed, " | "))
}

// at demands that the focus is on what a name begins with.
func at(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	until(t, ctx, fmt.Sprintf("(%s).name.startsWith(%q)", focused, name))
}

// TestPageByKeyboard does all that the page can do by key events alone.
func TestPageByKeyboard(t *testing.T) {
	url := pageServer(t, nil)
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(url+"/#/settings"))
	until(t, ctx, state+" === 'working'")

	// The link to the content skips the navigation, and leaves the page as it is.
	tab(t, ctx, "a Skip to the content")
	keys(t, ctx, kb.Enter)
	at(t, ctx, "main")
	tab(t, ctx, "select Colors")
	keys(t, ctx, kb.ArrowDown)
	keys(t, ctx, kb.ArrowDown)
	until(t, ctx, "location.hash === '#/settings' && getComputedStyle(document.documentElement).colorScheme === 'dark'")
	tab(t, ctx, "a Create", input.ModifierShift)
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelector('#prompt') !== null")

	// A search: the prompt has the focus, a strategy by its letters, and Ctrl with Enter.
	until(t, ctx, "document.activeElement.id === 'prompt' || document.activeElement.id === 'main'")
	do(t, ctx, chromedp.Focus("main"))
	tab(t, ctx, "textarea Prompt")
	do(t, ctx, chromedp.KeyEvent("red things"))
	tab(t, ctx, "select Strategy")
	keys(t, ctx, "r")
	tab(t, ctx, "input Images, or time")
	keys(t, ctx, "a", input.ModifierCtrl)
	keys(t, ctx, "5")
	tab(t, ctx, "textarea Prompt", input.ModifierShift)
	keys(t, ctx, kb.Enter, input.ModifierCtrl)
	until(t, ctx, state+" === 'done' && document.querySelectorAll('.node button img').length === 5 && document.querySelector('.compare') !== null")
	until(t, ctx, "document.querySelector('[role=status].note').textContent.startsWith('5 images')")

	inTree(t, ctx)
	compareByKeyboard(t, ctx)
	findByKeyboard(t, ctx)
}

// inTree moves in the tree of candidates, opens one, and corrects it.
func inTree(t *testing.T, ctx context.Context) {
	do(t, ctx, chromedp.Focus("main"))
	tab(t, ctx, "button Favourite")
	keys(t, ctx, " ")
	until(t, ctx, "document.querySelector('button.star').getAttribute('aria-pressed') === 'true'")
	tab(t, ctx, "button Open candidate 0")
	for _, step := range []struct{ key, to string }{
		{kb.ArrowRight, "button Open candidate 1"},
		{kb.ArrowLeft, "button Open candidate 0"},
		{kb.ArrowDown, "button Open candidate 1"},
		{kb.ArrowUp, "button Open candidate 0"},
		{kb.Home, "button Open candidate 0"},
	} {
		if got := keys(t, ctx, step.key); !strings.HasPrefix(got.Name, step.to) || got.Fault != "" {
			t.Errorf("%q comes to %s %s, want %s", step.key, got.Name, got.Fault, step.to)
		}
	}

	// The dialog keeps the focus, and gives it back.
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelector('dialog[open]') !== null")
	var first string
	for i := range 14 {
		at := keys(t, ctx, kb.Tab)
		if i == 0 {
			first = at.Name
		}
		if !at.Dialog || at.Fault != "" {
			t.Errorf("Tab in the dialog comes to %s %s", at.Name, at.Fault)
		}
	}
	tab(t, ctx, first)
	tab(t, ctx, "button cup: 2", input.ModifierShift)
	until(t, ctx, "document.querySelectorAll('dialog rect').length === 1")
	keys(t, ctx, kb.Escape)
	until(t, ctx, "document.querySelector('dialog') === null")
	at(t, ctx, "button Open candidate 0")

	keys(t, ctx, kb.Enter)
	tab(t, ctx, "textarea What is wrong")
	do(t, ctx, chromedp.KeyEvent("more blue"))
	tab(t, ctx, "input cup: 2")
	keys(t, ctx, " ")
	tab(t, ctx, "button Correct")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelector('dialog') === null && [...document.querySelectorAll('#candidate-0 + ul .node')].some((n) => n.textContent.includes('your correction') && n.textContent.includes('more blue Show exactly 2 cups.'))")
	at(t, ctx, "button Open candidate 0")
	until(t, ctx, "document.querySelector('[role=status].note').textContent.includes('finished')")
}

// compareByKeyboard compares images in each way.
func compareByKeyboard(t *testing.T, ctx context.Context) {
	tab(t, ctx, "button slider")
	tab(t, ctx, "input From candidate")
	for range 3 {
		keys(t, ctx, kb.ArrowRight)
	}
	until(t, ctx, "document.querySelector('.compare .over').style.clipPath === 'inset(0px 0px 0px 47%)'")
	tab(t, ctx, "button flicker", input.ModifierShift)
	keys(t, ctx, kb.Enter)
	tab(t, ctx, "button Pause")
	keys(t, ctx, " ")
	until(t, ctx, "[...document.querySelectorAll('button')].some((b) => b.textContent === 'Play')")
	tab(t, ctx, "button Other one")
	keys(t, ctx, " ")
	tab(t, ctx, "select Right, or second", input.ModifierShift)
	keys(t, ctx, kb.End)
	tab(t, ctx, "button side by side")
	keys(t, ctx, " ")
	until(t, ctx, "document.querySelectorAll('.pair figcaption')[1]?.textContent.includes('your correction')")
	tab(t, ctx, "summary The same search as code")
	keys(t, ctx, kb.Enter)
	tab(t, ctx, "pre")
}

// findByKeyboard finds a search again, keeps it, and deletes it after a confirmation.
func findByKeyboard(t *testing.T, ctx context.Context) {
	do(t, ctx, chromedp.Focus("main"))
	tab(t, ctx, "a History", input.ModifierShift)
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelectorAll('.tile').length === 2")
	tab(t, ctx, "input Search")
	do(t, ctx, chromedp.KeyEvent("things"))
	until(t, ctx, "location.hash.includes('text=things') && document.querySelector('p[role=status].note').textContent.startsWith('2 searches')")
	tab(t, ctx, "a Open: red things")
	tab(t, ctx, "button Delete: red things")
	keys(t, ctx, kb.Enter)
	at(t, ctx, "button Keep") // Enter again does no harm
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelector('dialog') === null && document.querySelectorAll('.tile').length === 2")
	at(t, ctx, "button Delete: red things")
	keys(t, ctx, kb.Enter)
	at(t, ctx, "button Keep")
	if got := keys(t, ctx, kb.Tab); got.Name != "button Delete" || !got.Dialog {
		t.Fatalf("Tab comes to %s", got.Name)
	}
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelectorAll('.tile').length === 1")
	at(t, ctx, "a Open: red things") // the search that is left
	keys(t, ctx, kb.Enter)
	until(t, ctx, state+" === 'done'")
	tab(t, ctx, "a Again with changes")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelector('#prompt')?.value === 'red things'")
	do(t, ctx, chromedp.Focus("main"))
	tab(t, ctx, "button Search")
	tab(t, ctx, "a API", input.ModifierShift)
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelectorAll('details').length > 10")
	tab(t, ctx, "summary GET /v1/models")
	keys(t, ctx, " ")
	tab(t, ctx, "button Send")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "document.querySelector('details[open] pre').textContent.includes('\"paint\"')")
}
