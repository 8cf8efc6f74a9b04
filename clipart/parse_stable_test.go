package clipart

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
)

// captionWords are the words of TestCaptionReadingIsStable: what captions and the prompts of
// older triplet sets are made of.
var captionWords = strings.Split(`a,a,a,the,dog,dogs,cat,red,blue,white,orange,oranges,cup,cups,and,and,and,with,on,in,behind,inside,next to,`+
	`left of,right of,above,below,on top of,on the left,at the top,top left,in the middle of the picture,no,without,two,three,five,7,one,exactly,at least,`+
	`big,small,cute,standing,sits,is,there is,photo of,background,plain,both,or,not,person,people,a pair of,scissors,wine glass,glass,tree,",",.`, ",")

// TestPromptReadingIsStable guards the requirements of every prompt that models were trained and
// measured on: short captions of all tasks must keep their reading.
func TestPromptReadingIsStable(t *testing.T) {
	rng, sum := rand.New(rand.NewPCG(20, 26)), fnv.New64a()
	for _, task := range allTasks() {
		for range 2000 {
			_, prompt := Sample(task, rng)
			for _, text := range []string{prompt.Text, VariedCaption(prompt.Requirements, rng)} {
				parsed, err := Parse(text)
				fmt.Fprintln(sum, text, parsed.Requirements, err)
			}
		}
	}
	if got, want := sum.Sum64(), uint64(0x6b7980b378811621); got != want {
		t.Errorf("hash of the requirements is %#x, want %#x: some prompt is read differently", got, want)
	}
}

// TestCaptionReadingIsStable guards [SplitOf], which decides what is held out from training: it
// must keep its value for every text, long captions and loosely worded ones too.
func TestCaptionReadingIsStable(t *testing.T) {
	rng, sum := rand.New(rand.NewPCG(20, 27)), fnv.New64a()
	for _, task := range allTasks() {
		for range 500 {
			scene, prompt := Sample(task, rng)
			for _, text := range []string{LongCaption(scene), DetailedCaption(prompt.Requirements, scene)} {
				fmt.Fprintln(sum, text, SplitOf(text))
			}
		}
	}
	parsed := 0
	for range 40000 {
		words := make([]string, 2+rng.IntN(9))
		for i := range words {
			words[i] = captionWords[rng.IntN(len(captionWords))]
		}
		text := strings.Join(words, " ")
		if _, err := parseCaption(text); err == nil {
			parsed++
		}
		fmt.Fprintln(sum, text, SplitOf(text))
	}
	if parsed < 3000 {
		t.Errorf("only %d texts have a reading", parsed)
	}
	if got, want := sum.Sum64(), uint64(0x32d08586b05f9d10); got != want {
		t.Errorf("hash of the splits is %#x, want %#x: some text changed its split", got, want)
	}
}
