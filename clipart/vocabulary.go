package clipart

import (
	"slices"
	"strings"
)

// ReflexionToken is the token of [reflectionflow.ReflectionMark] in [Words].
const ReflexionToken = "[reflexion]"

// vocabularyWords are the words of captions and instructions other than numbers, colors and
// objects. New ones must go to the end of the list that Vocabulary returns: the index of a word is
// its token in trained models.
const vocabularyWords = `. , [reflexion] a an the of and no at in to is are there exactly least
photo picture image plain background left right above below top bottom middle
add remove replace make move one more all with`

// Vocabulary lists every token of captions, instructions and refined prompts as [Words] splits
// them: lower case, each once, in a fixed order. Names of several words are split into words;
// plurals are those of GenEval and of English.
func Vocabulary() []string {
	words := strings.Fields(vocabularyWords)
	words = append(words, numberWords[:]...)
	words = append(words, colorNames[:]...)
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
