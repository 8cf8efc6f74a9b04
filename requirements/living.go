package requirements

import "strings"

// living are nouns of people and animals, besides GenEval's classes and kinds of those.
var living = set(`person bird cat dog horse sheep cow elephant bear zebra giraffe lion tiger monkey gorilla rabbit bunny fox wolf deer moose kangaroo
koala panda raccoon squirrel mouse rat hamster hedgehog turtle tortoise snake lizard crocodile alligator frog toad shark whale dolphin octopus crab seal
otter beaver bat dinosaur dragon unicorn robot ghost zombie vampire mermaid fairy angel demon monster alien skeleton people family
snowman t-rex goat pig piglet donkey camel llama alpaca chimpanzee ape leopard cheetah panther sloth badger mole squid fish goldfish insect
gnome elf dwarf goblin orc troll giant superhero santa character creature animal cub twin chimp bee hero villain wizard princess mascot`)

// alive reports whether a noun is of a person or an animal.
func alive(noun string) bool {
	head := strings.ToLower(noun[strings.LastIndexByte(noun, ' ')+1:])
	if living[head] {
		return true
	}
	switch narrower[head] {
	case "person", "dog", "cat", "bird", "horse", "cow", "sheep", "bear":
		return true
	}
	return false
}

// named cuts the name off a noun: the cat of "my cat Luna".
func (p *parser) named(words []string, start int) []string {
	for k := 1; k < len(words); k++ {
		if !p.name1(start + k) {
			continue
		}
		if s, _ := singular(words[k-1]); p.name1(start) || !alive(s) && !classSet[s] {
			return words
		}
		return words[:k]
	}
	return words
}
