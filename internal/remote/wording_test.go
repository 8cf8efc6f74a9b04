package remote_test

import (
	"strings"
	"testing"

	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

func TestWordings(t *testing.T) {
	r := requests()[1]
	r.Prompt = "two cats"
	alone := r
	alone.Reflection = " "
	unreferenced := r
	unreferenced.Reference = nil
	stop := r
	stop.Prompt, stop.Reflection = "two cats.", "Add a second cat. Move the cup!"
	for wording, want := range map[remote.Wording][4]string{
		remote.Marked:   {"two cats [Reflexion] add a second cat", "two cats", "two cats [Reflexion] add a second cat", "two cats. [Reflexion] Add a second cat. Move the cup!"},
		remote.Appended: {"two cats. add a second cat.", "two cats", "two cats. add a second cat.", "two cats. Add a second cat. Move the cup!"},
		remote.Instruction: {
			"Edit the image: add a second cat. Keep everything else as it is. The edited image must show: two cats.", "two cats",
			"two cats. add a second cat.", "Edit the image: Add a second cat. Move the cup! Keep everything else as it is. The edited image must show: two cats.",
		},
	} {
		if got := [4]string{wording.Text(r), wording.Text(alone), wording.Text(unreferenced), wording.Text(stop)}; got != want {
			t.Errorf("%s: got %q, want %q", wording, got, want)
		}
	}
}

// TestWordingOfEachProtocol: the mark goes to no server by default, to each that is
// asked for it, and to all in a run that was recorded before there were wordings.
func TestWordingOfEachProtocol(t *testing.T) {
	r := requests()[1]
	r.Prompt = "two cats"
	usual := map[string]remote.Wording{"a1111": remote.Appended}
	for _, c := range clients() {
		want, named := usual[c.name]
		if !named {
			want = remote.Instruction
		}
		for _, tt := range []struct {
			parameter string
			want      remote.Wording
		}{{"timeout=1h", want}, {"wording=marked", remote.Marked}, {"wording=appended", remote.Appended}} {
			address, double := c.start(t)
			if out := generateOne(t, open(t, withParameter(address, tt.parameter)), r); out.Err != nil {
				t.Fatal(out.Err)
			}
			text := tt.want.Text(r)
			if c.name == "sdcpp" && tt.want == remote.Marked {
				text = "two cats (Reflexion) add a second cat" // see sdcppPrompt
			}
			if got := double.Generated()[0].Prompt; got != text {
				t.Errorf("%s?%s: sent %q, want %q", c.name, tt.parameter, got, text)
			}
		}
	}
	double := testserver.NewSDCPP(t)
	generateOne(t, open(t, "sdcpp+"+double.URL+"?correct=init"), r)
	if got := double.Generated()[0].Prompt; got != remote.Appended.Text(r) {
		t.Errorf("a noised reference: sent %q", got)
	}
	if _, err := remote.Open("sdcpp+http://x?wording=loud", remote.Options{}); err == nil || !strings.Contains(err.Error(), "instruction, appended, marked") {
		t.Errorf("an unknown wording: %v", err)
	}
}

// TestURLsInRecords: a record says which wording a run has; one without says that it
// has the mark, as all had before there were wordings.
func TestURLsInRecords(t *testing.T) {
	for _, tt := range []struct{ url, recorded, opened string }{
		{"sdcpp+http://x", "sdcpp+http://x?wording=instruction", "sdcpp+http://x?wording=instruction"},
		{"sdcpp+http://x?correct=init", "sdcpp+http://x?correct=init&wording=appended", "sdcpp+http://x?correct=init&wording=appended"},
		{"a1111+http://x?batch=2", "a1111+http://x?batch=2&wording=appended", "a1111+http://x?batch=2&wording=appended"},
		{"openai+http://x/v1?wording=marked&model=a/b&n=%2F", "openai+http://x/v1?model=a/b&n=%2F", "openai+http://x/v1?model=a/b&n=%2F&wording=marked"},
		{"comfyui+http://x?wording=marked", "comfyui+http://x", "comfyui+http://x?wording=marked"},
	} {
		recorded := remote.RecordedURL(tt.url)
		opened := remote.URLOfRecord(recorded)
		if recorded != tt.recorded || opened != tt.opened || remote.RecordedURL(opened) != recorded {
			t.Errorf("%s is recorded as %s and opened as %s", tt.url, recorded, opened)
		}
	}
}
