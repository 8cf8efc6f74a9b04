package terminal

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	markdownImage = regexp.MustCompile(`!\[[^\]]*\]\([^)]*\)`)
	markdownLink  = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)
	markdownMarks = regexp.MustCompile("\\*\\*|`")
	tableRule     = regexp.MustCompile(`^\|[\s:|-]+\|$`)
)

// Markdown renders a document as plain text with lines of up to width columns: front
// matter, images and marks of emphasis are dropped, links keep their text and external
// addresses, paragraphs are filled, tables are aligned, and code is indented.
func Markdown(text string, width int) string {
	r := renderer{width: width}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] == "---" { // front matter
		for n, line := range lines[1:] {
			if line == "---" {
				lines = lines[n+2:]
				break
			}
		}
	}
	for _, line := range lines {
		r.line(strings.TrimRight(line, " \r"))
	}
	r.flush()
	return strings.TrimSpace(r.out.String()) + "\n"
}

type renderer struct {
	out       strings.Builder
	width     int
	paragraph []string
	table     [][]string
	code      bool
}

func (r *renderer) line(line string) {
	switch {
	case strings.HasPrefix(line, "```"):
		r.flush()
		r.code = !r.code
	case r.code:
		r.print("    " + line)
	case strings.HasPrefix(line, "|"):
		r.row(line)
	case line == "":
		r.flush()
		r.print("")
	case strings.HasPrefix(line, "#"):
		r.flush()
		title := plain(strings.TrimLeft(line, "# "))
		r.print(title + "\n" + strings.Repeat("─", utf8.RuneCountInString(title)))
	case strings.HasPrefix(line, "- "):
		r.flush()
		r.paragraph = []string{line}
	default:
		r.paragraph = append(r.paragraph, line)
	}
}

func (r *renderer) print(line string) {
	if line == "" && strings.HasSuffix(r.out.String(), "\n\n") {
		return // what stood between two empty lines was dropped
	}
	r.out.WriteString(line + "\n")
}

func (r *renderer) row(line string) {
	if len(r.paragraph) > 0 {
		r.flush()
	}
	if tableRule.MatchString(line) {
		return
	}
	var cells []string
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		cells = append(cells, plain(strings.TrimSpace(cell)))
	}
	r.table = append(r.table, cells)
}

// flush prints the paragraph or the table that the lines before have made.
func (r *renderer) flush() {
	text := plain(strings.Join(r.paragraph, " "))
	indent := ""
	if strings.HasPrefix(text, "- ") {
		indent = "  "
	}
	for i, line := range Wrap(text, r.width-len(indent)) {
		if i > 0 {
			line = indent + line
		}
		r.print(line)
	}
	widths := map[int]int{}
	for _, cells := range r.table {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cells := range r.table {
		var line strings.Builder
		for i, cell := range cells {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		r.print(strings.TrimRight(line.String(), " "))
	}
	r.paragraph, r.table = nil, nil
}

// plain drops the marks within a line.
func plain(text string) string {
	text = markdownImage.ReplaceAllString(text, "")
	text = markdownLink.ReplaceAllStringFunc(text, func(link string) string {
		parts := markdownLink.FindStringSubmatch(link)
		if strings.Contains(parts[2], "://") {
			return parts[1] + " (" + parts[2] + ")"
		}
		return parts[1]
	})
	return markdownMarks.ReplaceAllString(text, "")
}

// Wrap breaks text between words into lines of up to width characters, or of one longer
// word.
func Wrap(text string, width int) []string {
	var lines, words []string // words are those of the last line
	length := 0               // of the last line, with a space after each word
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if len(words) > 0 && length+n > width {
			lines = append(lines, strings.Join(words, " "))
			words, length = nil, 0
		}
		words = append(words, word)
		length += n + 1
	}
	if len(words) > 0 {
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}
