package requirements

import (
	"strings"
)

// irregular are plurals that follow no rule, with their singulars.
var irregular = pairs(`
people person, persons person, men man, women woman, children child, mice mouse, geese goose, feet foot, teeth tooth,
knives knife, knifes knife, wolves wolf, leaves leaf, shelves shelf, loaves loaf, halves half, thieves thief, scarves scarf,
calves calf, elves elf, hooves hoof, wives wife, lives life, selves self, oxen ox, dice die, cacti cactus, octopi octopus,
fungi fungus, movies movie, cookies cookie, brownies brownie, zombies zombie, pies pie, ties tie, selfies selfie,
hoodies hoodie, birdies birdie, smoothies smoothie, collies collie, huskies husky, genies genie, shoes shoe, toes toe,
canoes canoe, hoes hoe, oboes oboe, horseshoes horseshoe, buses bus, lenses lens, axes axe, gases gas, irises iris,
sandwichs sandwich, benchs bench, toothbrushs toothbrush, sheeps sheep, fishes fish, persona persona, aircraft aircraft,
policemen policeman, firemen fireman, snowmen snowman, firefighters firefighter, fishermen fisherman, skises skis,
scissorses scissors, broccolis broccoli, mooses moose, deers deer, geishas geisha, quizzes quiz, pizzas pizza, busses bus,
headphoneses headphones, caches cache, moustaches moustache, mustaches mustache, headaches headache, avalanches avalanche,
eyes eye, dyes dye, bees bee, trees tree, knees knee, frisbees frisbee, coffees coffee, toffees toffee, cacao`)

// unchanged are words whose plural is the singular, or that have a plural only, or that
// end like a plural.
var unchanged = set(`sheep fish deer moose bison salmon trout shrimp squid aircraft spacecraft hovercraft series species
scissors skis pants jeans trousers shorts tights leggings pajamas overalls binoculars tongs pliers tweezers sunglasses
eyeglasses goggles headphones earphones glasses stairs clothes tennis chess dominoes mathematics athletics physics news
cactus octopus hippopotamus platypus walrus bus virus campus citrus crocus hibiscus lotus venus abacus asparagus papyrus
gas lens iris canvas atlas christmas pancreas compass bass grass glass dress cross boss moss chess mess kiss boss princess
goddess waitress actress mattress fortress headdress cypress watercress harness wilderness darkness canvas texas paris
swiss bonsai samurai ninja bass perhaps always towards backwards besides outdoors indoors upstairs downstairs overseas
pieces thus this his its us yes plus minus focus analysis oasis basis crisis ms ibis pelvis hummus couscous mars uranus`)

// singular is a noun's singular, and whether the noun is a plural.
func singular(noun string) (string, bool) {
	if s, ok := irregular[noun]; ok {
		return s, s != noun
	}
	n := len(noun)
	if unchanged[noun] || n < 4 || noun[n-1] != 's' {
		// Short plurals such as "tvs" are those of short words.
		if n == 3 && noun[2] == 's' && !strings.ContainsAny(noun[:2], "aeiou") {
			return noun[:2], true
		}
		return noun, pluralOnly[noun]
	}
	stem := noun[:n-1]
	has := func(endings ...string) bool {
		for _, e := range endings {
			if strings.HasSuffix(noun, e) {
				return true
			}
		}
		return false
	}
	switch {
	case has("ss", "us", "is", "'s", "’s"):
		return noun, false
	case has("ies"):
		return noun[:n-3] + "y", true
	case has("sses", "shes", "ches", "xes", "zzes", "oes"):
		return noun[:n-2], true
	}
	return stem, true
}

// pluralOnly are nouns of one thing in the plural, which need no number.
var pluralOnly = set("people")

// pairsOfOne are nouns of which "a pair" is one thing.
var pairsOfOne = set(`scissors pants jeans trousers shorts tights leggings pajamas overalls binoculars tongs pliers
tweezers sunglasses eyeglasses goggles headphones earphones glasses skis`)

// compounds are nouns of several words that begin with what is an adjective elsewhere, or
// hold a word that ends a noun elsewhere.
var compounds = list(`hot dog, hot air balloon, hot tub, stop sign, potted plant, house plant, stuffed animal, stuffed toy, wine glass, glass of wine,
golden retriever, polar bear, teddy bear, red panda, giant panda, blue whale, killer whale, white tiger, bald eagle, black hole, 
parking meter, parking lot, dining table, dining room, dining chair, living room, swimming pool, washing machine, sewing machine, shopping cart,
shopping bag, wedding dress, wedding ring, wedding cake, frying pan, cutting board, sleeping bag, rocking chair, rocking horse, fishing rod,
fishing boat, sailing boat, sailing ship, rowing boat, baseball glove, chewing gum, building block, drinking glass, magnifying glass,
looking glass, stained glass window, french fries, fried egg, ice cream, solar panel, grand piano, electric guitar, acoustic guitar,
orange juice, orange tree, traffic light,
fire hydrant, fire truck, fire engine, jack-o'-lantern, christmas tree, mobile phone, running shoe, running track,
walking stick, new york city, new york, new zealand, new orleans, new delhi, new mexico, golden gate bridge, grand canyon, red square, black sea, great wall of china, bathing suit, diving board, recycling bin, boxing ring, boxing glove, knitting needle, racing car, steering wheel, ironing board, vending machine,
skipping rope, spinning wheel, spinning top, climbing wall, mixing bowl, drinking fountain, hiking boot, riding boot, changing room, waiting room, playing card, shaving brush, measuring tape, rolling pin,
sleeping mask, wrapping paper, dressing gown, dressing table, skating rink, gaming chair, reading glasses, writing desk, serving tray, cooking pot, skating shoe, jogging suit, wedding veil, flying saucer, flying fish, paper plane, paper airplane, paper lantern, rubber duck, 
living being, human being, cell phone, set of keys, piece of paper, sheet of paper, can opener, bottle opener, light bulb, light switch, street light,
street lamp, street sign, desk lamp, dark chocolate, milk chocolate, park bench, autumn leaf, fall leaf, maple leaf, oak leaf, palm leaf, tea leaf, banana leaf, dried leaf, fallen leaf, still life`)

// synonyms are other names of GenEval's classes, for exactly the same objects.
var synonyms = pairs(`
sofa couch, settee couch, loveseat couch, plane airplane, aeroplane airplane, bike bicycle, motorbike motorcycle, automobile car, lorry truck,
human person, human being@person, somebody person, someone person, stoplight@traffic light, traffic signal@traffic light, stop light@traffic light,
hydrant@fire hydrant, rucksack backpack, purse handbag, hand bag@handbag, necktie tie, ski skis, doughnut donut, television tv, television set@tv, tv set@tv,
telly tv, tv screen@tv, remote@tv remote, remote control@tv remote, tv remote control@tv remote, keyboard@computer keyboard, laptop computer@laptop,
notebook computer@laptop, cellphone@cell phone, smartphone@cell phone, iphone@cell phone, mobile phone@cell phone, mobile@cell phone, phone@cell phone, hotdog@hot dog,
wineglass@wine glass, glass of wine@wine glass, pot plant@potted plant, house plant@potted plant, houseplant@potted plant, dinner table@dining table, kitchen table@dining table,
hair dryer@hair drier, hairdryer@hair drier, hairdrier@hair drier, blow dryer@hair drier, fridge refrigerator, microwave oven@microwave, wall clock@clock,
stuffed bear@teddy bear, teddy@teddy bear, tooth brush@toothbrush, tennis racquet@tennis racket, racket@tennis racket, baseball mitt@baseball glove,
pc mouse@computer mouse, skate board@skateboard, surf board@surfboard, snow board@snowboard, fire plug@fire hydrant`)

// classes are GenEval's classes: COCO's in their order, with three other names.
var classes = list(`person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase,
frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass,
cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
potted plant, bed, dining table, toilet, tv, laptop, computer mouse, tv remote, computer keyboard, cell phone, microwave, oven,
toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush`)

// narrower are kinds of objects of a class.
var narrower = narrow(map[string]string{
	"person": `man woman boy girl child kid baby toddler teenager lady gentleman guy astronaut chef cook doctor nurse farmer policeman
policewoman firefighter fireman soldier knight king queen prince princess pirate ninja samurai wizard witch cowboy dancer ballerina singer musician
guitarist pianist violinist drummer artist painter photographer teacher student scientist worker businessman businesswoman waiter waitress athlete
player cyclist runner skier snowboarder surfer skateboarder swimmer climber hiker fisherman monk nun bride groom couple pedestrian tourist clown
magician pilot sailor diver driver barista baker carpenter mechanic gardener judge boxer wrestler gymnast skater referee conductor warrior viking geisha
grandmother grandfather mother father sister brother son daughter friend model actor actress hunter`,
	"dog": `puppy poodle corgi beagle labrador husky dachshund bulldog pug chihuahua terrier collie retriever dalmatian pomeranian hound
shepherd greyhound rottweiler doberman`,
	"cat": `kitten tabby kitty`, "bird": `parrot owl eagle sparrow penguin flamingo duck duckling chicken hen rooster swan goose peacock
crow raven pigeon dove seagull robin hummingbird toucan ostrich pelican hawk falcon turkey kingfisher woodpecker stork heron crane`,
	"horse": "pony foal stallion mare", "cow": "bull calf ox", "sheep": "lamb ram ewe", "bear": "panda grizzly",
	"car": "taxi cab sedan convertible suv limousine hatchback coupe jeep", "truck": "pickup", "boat": `ship sailboat yacht canoe kayak ferry
gondola rowboat speedboat dinghy raft`, "airplane": "jet airliner biplane jetliner", "train": "locomotive tram", "bus": "minibus",
	"couch": "", "chair": "armchair stool", "cup": "mug teacup", "potted plant": "bonsai", "clock": "",
	"sports ball": `ball football basketball baseball volleyball soccer@ball tennis@ball`,
	"bed":         "cot crib", "cake": "cupcake cheesecake", "sandwich": "burger hamburger cheeseburger", "tie": "",
	"bottle": "flask", "knife": "dagger", "dining table": "table desk",
	"computer mouse": "", "book": "notebook", "tv": "monitor", "vase": "", "suitcase": "luggage",
})

// Class is the class of GenEval that covers an object: the object itself, or what it is a
// kind of. An object of a narrower kind, such as a puppy, is one of its class, but not
// every object of the class is one: a detector of the class that finds none refutes it,
// and one that finds some does not prove it. The class is empty where none covers the
// object.
func Class(object string) (class string, isNarrower bool) {
	object = strings.ToLower(object)
	if c, ok := canonical(object); ok {
		return c, false
	}
	// "sports car" is a car, "toy car" is none.
	words := strings.Fields(object)
	for i := range words {
		head := strings.Join(words[i:], " ")
		if i > 0 && notReal[words[i-1]] {
			return "", false
		}
		if c, ok := narrower[head]; ok {
			return c, true
		}
		if c, ok := canonical(head); ok && i > 0 {
			return c, true
		}
	}
	return "", false
}

// notReal are words before a noun that make it another object.
var notReal = set("toy paper rubber teddy model plush chocolate gingerbread sea guinea flower bath race butter sugar pine eye tooth hair lego statue doll face picture")

// canonical is GenEval's name of an object, if it is one of its classes.
func canonical(object string) (string, bool) {
	if classSet[object] {
		return object, true
	}
	c, ok := synonyms[object]
	return c, ok
}

var classSet = setOf(classes)

func narrow(kinds map[string]string) map[string]string {
	m := make(map[string]string)
	for class, words := range kinds {
		for w := range strings.FieldsSeq(words) {
			m[strings.ReplaceAll(w, "@", " ")] = class
		}
	}
	return m
}

// set is the set of the words of a text.
func set(text string) map[string]bool { return setOf(strings.Fields(text)) }

func setOf(words []string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// list is a text's phrases, separated by commas.
func list(text string) []string {
	var phrases []string
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.Join(strings.Fields(s), " "); s != "" {
			phrases = append(phrases, s)
		}
	}
	return phrases
}

// byFirst are phrases by their first word, in order.
func byFirst(phrases []string) map[string][]string {
	m := make(map[string][]string)
	for _, s := range phrases {
		first, _, _ := strings.Cut(s, " ")
		m[first] = append(m[first], s)
	}
	return m
}

// pairs maps the first of two words to the second; "@" separates them where they are
// phrases.
func pairs(text string) map[string]string {
	m := make(map[string]string)
	for _, s := range list(text) {
		key, value, ok := strings.Cut(s, "@")
		if !ok {
			key, value, _ = strings.Cut(s, " ")
		}
		m[key] = value
	}
	return m
}
