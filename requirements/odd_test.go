package requirements_test

import (
	"strings"
	"testing"

	"reflectionflow/requirements"
)

// Odd characters, numbers below zero, relations to nothing and languages have a sensible reading, or are
// kept or noted as not read.
func TestOddPrompts(t *testing.T) {
	const negative = "a number below zero is not read: "
	for text, want := range map[string]struct{ said, note string }{
		"-5 dogs":          {"at_least: at least 2 dog; free: -5", negative + "-5"},
		"−5 dogs":          {"at_least: at least 2 dog; free: −5", negative + "−5"},
		"minus five dogs":  {"at_least: at least 2 dog; free: minus five", negative + "minus five"},
		"a cat, -5 dogs":   {"at_least: at least 1 cat; at_least: at least 2 dog; free: -5", negative + "-5"},
		"5 - 7 dogs":       {"at_least: at least 5 dog; at_most: at most 7 dog", ""},
		"two dogs - a cat": {"exactly: exactly 2 dog; at_least: at least 1 cat", ""},

		"two do\u200bgs and a c\ufeffat":       {"exactly: exactly 2 dog; at_least: at least 1 cat", "characters that show nothing stand inside words: they are left out"},
		"\ufefftwo dogs":                       {"exactly: exactly 2 dog", ""},
		"two \u202edogs\u202c and a ca\u00adt": {"exactly: exactly 2 dog; at_least: at least 1 cat", "characters that show nothing stand inside words: they are left out"},
		"two dogs\u200b and a cat":             {"exactly: exactly 2 dog; at_least: at least 1 cat", ""},

		"🐶🐶 on a red sofa":          {"at_least: at least 1 couch; color: at least 1 couch that is red; free: on; free: 🐶🐶", ""},
		"two dogs🐶 and a cat ❤️":    {"exactly: exactly 2 dog; at_least: at least 1 cat; free: 🐶; free: ❤️", ""},
		"👨\u200d👩\u200d👧 and a dog": {"at_least: at least 1 dog; free: 👨👩👧", ""},
		"5️⃣ dogs":                  {"exactly: exactly 5 dog", ""},
		"🎉":                         {"free: 🎉", ""},

		"over a dog":        {"at_least: at least 1 dog; free: over", ""},
		"behind the house":  {"at_least: at least 1 house; free: behind", ""},
		"between two trees": {"exactly: exactly 2 tree; free: between", ""},

		"二匹の犬と赤いソファ":                                {"free: 二匹の犬と赤いソファ", "it looks like Japanese"},
		"دو سگ روی مبل قرمز":                        {"free: دو سگ روی مبل قرمز", "it looks like Arabic letters"},
		"hai con chó trên ghế sofa":                 {"free: hai con chó trên ghế sofa", "it looks like Vietnamese"},
		"kaksi koiraa punaisella sohvalla ja kissa": {"free: kaksi koiraa punaisella sohvalla ja kissa", "it looks like Finnish"},
		"dva psi na červené pohovce":                {"free: dva psi na červené pohovce", "it looks like Czech"},
		"to hunde på en rød sofa":                   {"free: to hunde på en rød sofa", "not in English"},
	} {
		p, err := requirements.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		checkParsed(t, text, p)
		if got := strings.Join(said(p), "; "); got != want.said {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want.said)
		}
		notes := strings.Join(p.Notes, "; ")
		if !strings.Contains(notes, want.note) || want.note == "" && notes != "" {
			t.Errorf("%q: notes %q, want %q", text, notes, want.note)
		}
	}
}

// A prompt of two thousand words is too long, and the error says by how much.
func TestTwoThousandWords(t *testing.T) {
	_, err := requirements.Parse(strings.Repeat("dogs ", 2000))
	if err == nil || !strings.Contains(err.Error(), "the prompt has 10000 bytes, at most 4096 are allowed") {
		t.Error(err)
	}
	p, err := requirements.Parse(strings.Repeat("a dog ", 600) + "and a cat")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(said(p), "; "); !strings.Contains(got, "cat") || len(p.Requirements) > 64 {
		t.Errorf("%.300s", got)
	}
}
