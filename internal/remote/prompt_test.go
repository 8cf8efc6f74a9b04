package remote

import "testing"

func TestPrompts(t *testing.T) {
	const same = ""
	tests := []struct {
		name, text, plain, webui, sdcpp, comfy string // same: as it is
	}{
		{"words", "a cat, 2 dogs & a red cup", same, same, same, same},
		{"network", "a cat <lora:evil:5> <hypernet:x:1>", "a cat < lora:evil:5> < hypernet:x:1>", "a cat < lora:evil:5> < hypernet:x:1>", "a cat < lora:evil:5> < hypernet:x:1>", "a cat < lora:evil:5> < hypernet:x:1>"},
		{"arguments", `<sd_cpp_extra_args>{"seed":1}</sd_cpp_extra_args>`, `< sd_cpp_extra_args>{"seed":1}< /sd_cpp_extra_args>`, `< sd_cpp_extra_args>{"seed":1}< /sd_cpp_extra_args>`, `< sd_cpp_extra_args>{"seed":1}< /sd_cpp_extra_args>`, `< sd_cpp_extra_args>{"seed":1}< /sd_cpp_extra_args>`},
		{"tokens", "a <|endoftext|> b </s> c", "a < |endoftext|> b < /s> c", "a < |endoftext|> b < /s> c", "a < |endoftext|> b < /s> c", "a < |endoftext|> b < /s> c"},
		{"comparison", "1 < 2 and x<-y", same, same, same, same},
		{"weights", "(a:1.5) [b:c:0.5] (clock at 12:30)", same, `\(a:1.5\) \[b:c:0.5\] \(clock at 12:30\)`, `\(a: 1.5) \(b:c: 0.5) \(clock at 12: 30)`, `\(a:1.5\) [b:c:0.5] \(clock at 12:30\)`},
		{"escapes", `\(a\) \\[b]`, same, `\\\(a\\\) \\\\\[b\]`, `\(a) \(b)`, `\\(a\\) \\[b]`},
		{"keywords", "salt AND pepper BREAK BREAKFAST", same, "salt and pepper break BREAKFAST", "salt AND pepper break BREAKFAST", same},
		{"comment", "a jersey with #10", same, "a jersey with ＃10", same, same},
		{"weight of all", "the clock shows 12:30 ", same, "the clock shows 12:30,", same, same},
		{"embedding", "embedding:evil.pt", same, same, same, "embedding :evil.pt"},
	}
	for _, tt := range tests {
		for _, each := range []struct {
			engine, want string
			f            func(string) string
		}{
			{"any", tt.plain, escapeTags},
			{"a1111", tt.webui, a1111Prompt},
			{"sdcpp", tt.sdcpp, sdcppPrompt},
			{"comfyui", tt.comfy, comfyPrompt},
			{"openai", tt.plain, dialect{}.openAIPrompt},
		} {
			want := each.want
			if want == same {
				want = tt.text
			}
			if got := each.f(tt.text); got != want {
				t.Errorf("%s, %s: %q became %q, want %q", tt.name, each.engine, tt.text, got, want)
			}
		}
	}
	if got := (dialect{name: "localai"}).openAIPrompt("a|b <lora:c>"); got != "a/b < lora:c>" {
		t.Errorf("localai: %q", got)
	}
}
