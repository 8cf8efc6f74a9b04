package requirements_test

import (
	"strings"
	"testing"

	"reflectionflow/requirements"
)

// TestNumbers holds ways to say how many there are, by their reading. Requirements are
// separated by semicolons.
func TestNumbers(t *testing.T) {
	for want, phrases := range map[string][]string{
		"at_least: at least 2 dog": {
			"no fewer than two dogs", "no less than two dogs", "not fewer than two dogs", "not less than 2 dogs", "there are no fewer than two dogs", "at least two dogs", "more than one dog",
			"two dogs or more", "two dogs at least", "two dogs, or more", "two or more dogs", "a minimum of two dogs", "two dogs minimum",
		},
		"at_most: at most 2 dog": {
			"no more than two dogs", "not more than two dogs", "not over two dogs", "there are no more than two dogs", "there are not more than two dogs", "fewer than three dogs", "less than three dogs",
			"two dogs or fewer", "two dogs or less", "two dogs at most", "two dogs, at most", "up to two dogs", "zero to two dogs", "two dogs maximum",
		},
		"at_least: at least 1 cup; at_most: at most 3 dog":                                {"a cup and fewer than four dogs", "a cup, fewer than four dogs", "a cup and no more than three dogs", "a cup and three dogs or fewer"},
		"at_most: at most 2 cup; at_most: at most 3 dog":                                  {"at most two cups and fewer than four dogs", "no more than two cups and no more than three dogs"},
		"at_least: at least 1 park; at_most: at most 2 dog; interaction: park with dog":   {"a park with no more than two dogs", "a park with fewer than three dogs", "a park with two dogs at most"},
		"at_least: at least 1 park; at_least: at least 3 dog; interaction: park with dog": {"a park with no fewer than three dogs", "a park with more than two dogs", "a park with three dogs or more"},
		"at_least: at least 1 beach; at_most: at most 2 person":                           {"a beach without more than two people"},
		"at_least: at least 5 dog; at_most: at most 7 dog": {
			"five to seven dogs", "5-7 dogs", "5–7 dogs", "5 to 7 dogs", "from five to seven dogs", "between five and seven dogs", "five or seven dogs",
			"at least five but no more than seven dogs", "no fewer than five and fewer than eight dogs", "at most seven but at least five dogs",
		},
		"at_least: at least 1 park; at_least: at least 5 dog; at_most: at most 7 dog; interaction: park with dog": {"a park with five to seven dogs", "a park with from 5 to 7 dogs"},
		"at_least: at least 4 dog":                                                    {"over three dogs", "Over 3 dogs", "above three dogs", "more than three dogs"},
		"at_most: at most 2 dog; scene: the scene: park":                              {"under three dogs in a park", "below three dogs in a park"},
		"at_least: at least 101 cat":                                                  {"over a hundred cats"},
		"exactly: exactly 2 tree; at_least: at least 1 dog; position: dog under tree": {"under two trees, a dog"},
		"exactly: exactly 6 cup":                                                      {"half a dozen cups", "a half dozen cups", "half a dozen of cups", "half-a-dozen cups", "exactly half a dozen cups"},
		"exactly: exactly 12 cup":                                                     {"a dozen cups", "twelve cups"},
		"at_least: at least 6 cup":                                                    {"at least half a dozen cups", "half a dozen cups or more"},
		"exactly: exactly 5 ball; color: at least 2 ball that is red; color: at least 3 ball that is blue": {
			"two red and three blue balls", "two red balls and three blue balls", "two red balls and three blue ones", "two red balls and three blue", "five balls, two red and three blue",
		},
		"exactly: exactly 6 ball; color: at least 1 ball that is red; color: at least 2 ball that is green; color: at least 3 ball that is blue":                                                                        {"one red, two green and three blue balls"},
		"exactly: exactly 5 ball; color: at least 2 ball that is red; color: at least 3 ball that is blue; at_least: at least 1 table; position: at least 2 red ball on table; position: at least 3 blue ball on table": {"two red and three blue balls on a table"},
		"at_least: at least 1 table; exactly: exactly 3 ball; color: at least 2 ball that is red; color: at least 1 ball that is blue; interaction: table with red ball":                                                {"a table with two red and one blue ball"},
		"at_least: at least 2 cup; color: at least 1 cup that is red; color: at least 1 cup that is blue":                                                                                                               {"a red and a blue cup", "a red cup and a blue one"},
		"exactly: exactly 5 dog; attribute: at least 2 dog that is big; attribute: at least 3 dog that is small":                                                                                                        {"two big and three small dogs"},
		"at_least: at least 1 orange; exactly: exactly 2 cup; color: at least 2 cup that is blue":                                                                                                                       {"an orange and two blue cups"},
		"exactly: exactly 2 dog; color: at least 1 dog that is brown; color: at least 1 dog that is black; at_least: at least 1 cat; attribute: at least 1 cat that is big":                                             {"two dogs, one brown and one black, and a big cat"},
		"at_least: at least 2 dog; color: at least 1 dog that is brown; color: at least 1 dog that is black; place: brown dog in the left of the image; place: black dog in the right of the image": {
			"the left dog is brown and the right one is black", "the left dog is brown and the right dog is black", "a dog on the left and a dog on the right. The left one is brown and the right one is black",
		},
		"absent: no dog": {"not a single dog", "no dogs", "not one dog", "not even one dog", "there is not a single dog", "there aren't any dogs", "there's no dog", "no dogs at all", "no dogs in sight", "zero dogs"},
		"at_least: at least 1 street; absent: no person": {"a street with nobody around", "a street with no one around", "a street with no one in it", "a street, nobody in sight", "a street and no people", "a street with not a single person"},
		"absent: no person":      {"nobody", "no one", "there is nobody", "there is no one around"},
		"exactly: exactly 1 dog": {"no dogs except one", "no dogs but one", "no dogs except for one", "exactly one dog"},
		"exactly: exactly 2 dog; color: at least 2 dog that is brown":                                                                    {"no dogs except two brown ones", "no dogs, except for two brown ones", "two brown dogs"},
		"exactly: exactly 2 cat; free: no animals except two cats":                                                                       {"no animals except two cats"},
		"exactly: exactly 2 cat; free: no animals other than two cats":                                                                   {"no animals other than two cats"},
		"at_least: at least 1 cup; free: nothing but a cup":                                                                              {"nothing but a cup"},
		"at_least: at least 2 cup; free: all cups are red except one":                                                                    {"all cups are red except one"},
		"exactly: exactly 2 bicycle; absent: no car":                                                                                     {"no cars, but two bikes"},
		"at_least: at least 1 cat":                                                                                                       {"I'd love a picture of a cat", "I would like an image of a cat", "I want a cat", "I'd really love to see a cat", "Please, a picture of a cat", "a picture of a cat", "Hi, could you draw me a cat?", "I'm looking for an image of a cat"},
		"at_least: at least 1 sandwich; attribute: at least 1 sandwich that is cut in half":                                              {"a sandwich, cut in half", "a sandwich cut in half", "a sandwich that is cut in half", "the sandwich is cut in half"},
		"at_least: at least 1 plate; attribute: at least 1 plate that is broken in two":                                                  {"a plate broken in two", "a plate, broken in two"},
		"at_least: at least 1 man; at_least: at least 1 cake; attribute: at least 1 cake that is in half; interaction: man cutting cake": {"a man cutting a cake in half"},
	} {
		for _, text := range phrases {
			p, err := requirements.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(said(p), "; ")
			if got != want || len(p.Notes) > 0 {
				t.Errorf("%s:\n got %s\nwant %s\nnotes %q", text, got, want, p.Notes)
			}
		}
	}
}

func TestNotesAboutNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"100001 dogs":                                  "a requirement counts to 10000: more is not asked of 100001 dogs",
		"a million stars":                              "a requirement counts to 10000: more is not asked of a million stars",
		"between two and 20000 dogs":                   "a requirement counts to 10000: more is not asked of between two and 20000 dogs",
		"two dogs, three dogs":                         "a contradiction, unless these are different ones (they are added up): two dogs, and three dogs",
		"exactly one dog and two dogs":                 "a contradiction, unless these are different ones (they are added up): exactly one dog, and two dogs",
		"at least three dogs, at most two dogs":        "a contradiction: at least 3 dog, and at most 2 dog",
		"10000 dogs":                                   "",
		"a dog and a dog":                              "",
		"two red dogs and three black dogs":            "",
		"two dogs on a sofa and three dogs on a bed":   "",
		"a man with two dogs, a woman with three dogs": "",
		"two dogs. The two dogs are brown":             "",
	} {
		p, err := requirements.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Notes, "; "); got != want {
			t.Errorf("%s: notes %q, want %q", text, p.Notes, want)
		}
	}
}

// What nobody does, and which of two objects is meant, is not read, and not lost.
func TestNumbersThatAreNotReadAreKept(t *testing.T) {
	for text, want := range map[string]string{
		"nobody is smiling":                                  "nobody is smiling",
		"a man and nobody else":                              "nobody else",
		"none of the dogs is red":                            "none of the dogs is red",
		"two dogs, the left one big and the right one small": "the left one big and the right one small",
	} {
		p, err := requirements.Parse(text)
		if got := strings.Join(requirements.Unread(p), "; "); err != nil || got != want {
			t.Errorf("%s: not read: %q, %v, want %q", text, got, err, want)
		}
	}
}
