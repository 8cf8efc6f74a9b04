package remote

import (
	"net/url"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/wording"
)

// Wording is how the prompt and the reflection of a correction become one text. A
// generator's URL names it as wording=; without that each protocol has the one that
// its usual editors were made for.
type Wording string

// The wordings.
const (
	// Instruction words the reflection as an instruction: what to change, and what
	// the result must show. It is for models that edit by instruction: OpenAI's edits,
	// FLUX.1 Kontext, FLUX.2, Qwen-Image-Edit. Default of openai, of comfyui and of
	// sdcpp with correct=ref.
	Instruction Wording = "instruction"
	// Appended is the prompt with the reflection as further sentences. It is for models
	// that generate from a noised reference and read a description. Default of a1111 and
	// of sdcpp with correct=init.
	Appended Wording = "appended"
	// Marked is the prompt, [reflectionflow.ReflectionMark] and the reflection. It is
	// for correctors that were trained on it, such as FLUX-Corrector; to others the mark
	// is noise. Versions before there were
	// wordings sent it to all.
	Marked Wording = "marked"
)

// Text is the text of a request: its prompt alone where it has no reflection.
func (w Wording) Text(r reflectionflow.Request) string {
	switch w {
	case Marked:
		return wording.Marked(r)
	case Appended:
		return wording.Appended(r)
	}
	return wording.Instruction(r)
}

// usualWording is the wording of a protocol where the URL names none.
func usualWording(protocol, correct string) Wording {
	if protocol == "a1111" || protocol == "sdcpp" && correct == "init" {
		return Appended
	}
	return Instruction
}

// wording takes the parameter.
func (p *params) wording(protocol string) Wording {
	wordings := []string{string(Instruction), string(Appended), string(Marked)}
	w := p.text("wording", string(usualWording(protocol, p.values.Get("correct"))))
	if !slices.Contains(wordings, w) {
		p.fail("parameter wording=%q: use %s", w, strings.Join(wordings, ", "))
	}
	return Wording(w)
}

// RecordedURL is the form in which the record of a run keeps a generator's URL: with
// its wording, and without one for [Marked]. So records from before there were
// wordings, which have none, are read as what they were; see [URLOfRecord].
func RecordedURL(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	protocol, _, _ := strings.Cut(u.Scheme, "+")
	switch w := Wording(u.Query().Get("wording")); w {
	case "":
		return addWording(rawURL, usualWording(protocol, u.Query().Get("correct")))
	case Marked:
		head, query, _ := strings.Cut(rawURL, "?")
		rest := slices.DeleteFunc(strings.Split(query, "&"), func(item string) bool { return strings.HasPrefix(item, "wording=") })
		if len(rest) == 0 {
			return head
		}
		return head + "?" + strings.Join(rest, "&")
	}
	return rawURL
}

// URLOfRecord is the URL to open for one that a record keeps.
func URLOfRecord(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Query().Has("wording") {
		return rawURL
	}
	return addWording(rawURL, Marked)
}

func addWording(rawURL string, w Wording) string {
	separator := "?"
	if strings.Contains(rawURL, "?") {
		separator = "&"
	}
	return rawURL + separator + "wording=" + string(w)
}
