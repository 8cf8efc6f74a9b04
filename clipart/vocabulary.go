package clipart

import (
	"slices"
	"strings"
)

// ReflexionToken is what [Words] makes of [reflectionflow.ReflectionMark].
const ReflexionToken = "[reflexion]"

// vocabularyWords are the words of captions and instructions that are no
// numbers, colours or objects. New ones go to the end of the whole list, or
// trained tokenizers lose their meaning.
const vocabularyWords = `. , [reflexion] a an the of and no at in to is are there exactly least
photo picture image plain background left right above below top bottom middle
add remove replace make move one more all with`

// Vocabulary lists every token that captions, instructions and refined prompts
// can hold, as [Words] splits them: lower case, each once, in an order that does
// not change. Names of several words count word by word, plurals as GenEval and
// as English forms them.
func Vocabulary() []string {
	words := strings.Fields(vocabularyWords)
	words = append(words, numberWords[:]...)
	words = append(words, colourNames[:]...)
	for _, class := range classes().names {
		words = append(words, strings.Fields(class)...)
	}
	for _, class := range classes().names {
		words = append(words, strings.Fields(genEvalPlural(class))...)
		words = append(words, strings.Fields(englishPlural(class))...)
	}
	var vocabulary []string
	seen := make(map[string]bool, len(words))
	for _, word := range words {
		if !seen[word] {
			seen[word] = true
			vocabulary = append(vocabulary, word)
		}
	}
	return slices.Clip(vocabulary)
}
