package requirements

import "strings"

// verbs are common verbs in their base form. Their other forms follow from the rules of
// spelling, see [verbForms]; a word in "-ing" after a noun is a verb whether it is listed
// or not.
const verbs = `sit stand lie sleep rest run walk jump fly swim float ride drive hold carry wear eat drink read write play chase catch throw kick
hit push pull lift climb dance sing look watch stare gaze smile laugh cry talk speak shout point wave hug kiss cook bake paint draw build fix
repair clean wash cut chop pour stir feed stroke hunt fight wrestle race surf ski skate cycle sail dive fall lean kneel crouch squat perch
hang hover glow burn shine bloom grow rise drift roll slide swing spin bounce leap hop crawl graze lick bite sniff bark howl roar perform juggle
balance meditate pray study work type use operate guard protect attack defend bring take give offer serve deliver sell buy cover surround fill
overlook face approach enter leave cross follow lead pass touch reach open close nap doze yawn stretch pose march gallop trot sprint jog stroll
wander travel hike camp pick plant water knit sew weave carve sculpt photograph film record listen hear sniff smell taste chew swallow blow
whisper yell scream argue celebrate toast embrace greet shake clap bow nod wink blink frown dream think wait stack stand support drag tow
haul load unload park land hatch peek peer hide emerge escape flee melt freeze boil fry grill roast explode erupt crash collide sink splash drip
flow shoot aim fire make see help lose get go come teach learn share lay knit polish grill wrap unwrap sweep mow decorate arrange inspect examine`

// doubled are verbs that double their last letter before an ending.
var doubled = set("sit run swim cut chop hug hit dig get put set stop spin swing-not hop nap jog trot clap nod wink-not grab drag drip step tap wrap plan skip slip trip squat")

// gerundOf maps other forms of the verbs to the form in "-ing".
var gerundOf = func() map[string]string {
	m := make(map[string]string)
	for v := range strings.FieldsSeq(verbs) {
		g := gerund(v)
		m[v], m[third(v)] = g, g
	}
	for past, v := range pairs("ran run, ate eat, wore wear, rode ride, drank drink, threw throw, flew fly, swam swim, fell fall, drove drive, sang sing, wrote write, took take, gave give, went go, came come") {
		m[past] = gerund(v)
	}
	return m
}()

// pastOf maps the regular past of the verbs to the form in "-ing".
var pastOf = func() map[string]string {
	m := make(map[string]string)
	for v := range strings.FieldsSeq(verbs) {
		past := v + "ed"
		switch {
		case doubled[v]:
			past = v + v[len(v)-1:] + "ed"
		case strings.HasSuffix(v, "e"):
			past = v + "d"
		}
		m[past] = gerund(v)
	}
	return m
}()

// gerund is the form of a verb in "-ing".
func gerund(v string) string {
	switch {
	case doubled[v]:
		return v + v[len(v)-1:] + "ing"
	case strings.HasSuffix(v, "ie"):
		return v[:len(v)-2] + "ying"
	case strings.HasSuffix(v, "e") && !strings.HasSuffix(v, "ee"):
		return v[:len(v)-1] + "ing"
	}
	return v + "ing"
}

// third is the form of a verb after "he".
func third(v string) string {
	n := len(v)
	switch {
	case strings.HasSuffix(v, "y") && !strings.ContainsAny(v[n-2:n-1], "aeiou"):
		return v[:n-1] + "ies"
	case strings.HasSuffix(v, "s") || strings.HasSuffix(v, "sh") || strings.HasSuffix(v, "ch") || strings.HasSuffix(v, "x") || strings.HasSuffix(v, "z"):
		return v + "es"
	}
	return v + "s"
}

// notVerbs are nouns and prepositions that end in "-ing".
var notVerbs = set(`ring king wing string spring building painting ceiling clothing railing thing morning evening earring wedding pudding
swing sling icing seedling duckling sibling dumpling dwelling lightning stocking darling viking being beijing something anything nothing
everything drawing rendering engraving etching bedding flooring lettering wiring piping topping filling frosting stuffing roofing offspring
sting bling bing ping earthling gosling sterling peking bling awning clearing crossing landing opening meeting boxing-ring starling herring
flowing-hair lighting styling setting plumbing netting ending greeting beginning feeling writing`)

// alsoVerbs are those of them that are verbs before an object: "crossing a river".
var alsoVerbs = set("building painting swinging drawing engraving wiring filling stuffing clearing crossing landing opening meeting writing frosting topping ringing")

// doingAt reports whether the word at i may be a verb in "-ing".
func (p *parser) doingAt(i int) bool {
	w := p.word(i)
	if !alsoVerbs[w] {
		return isGerund(w)
	}
	q, next := p.quantity(i + 1)
	return q.named && p.nounFollows(next)
}

// postures are what an object does by itself while it stands somewhere: "sitting on a
// sofa" is an activity and a position.
var postures = set(`sitting standing lying sleeping resting hanging perched floating swimming flying walking running leaning kneeling crouching
hovering laying squatting napping dozing posing waiting dancing playing grazing crawling strolling lounging reclining relaxing seated
sunbathing meditating smiling talking singing perching jogging wandering hiding blooming growing glowing burning soaring`)

// placements say that an object is somewhere, and nothing else.
var placements = set("placed located positioned situated set put found seen displayed arranged staying kept shown mounted")

// irregularParticiples are past participles that do not end in "-ed".
var irregularParticiples = set(`made worn held lit built drawn written hung thrown driven seen shown set stuck woven torn hidden eaten sat
lain stood bent caught cut dug fed hit left sewn spun split strewn struck swept tied won wound bound clad put engulfed`)

// possessions are verbs whose object belongs to the subject: what follows speaks of the
// subject again.
var possessions = set("wearing holding carrying having with sporting")

// isGerund reports whether a word may be a verb in "-ing".
func isGerund(w string) bool {
	return len(w) > 4 && strings.HasSuffix(w, "ing") && !notVerbs[w]
}

// isParticiple reports whether a word may be a past participle.
func isParticiple(w string) bool {
	return irregularParticiples[w] || len(w) > 4 && strings.HasSuffix(w, "ed") && !notParticiples[w]
}

var notParticiples = set("shed sled breed seed weed speed steed reed bleed creed greed moped hundred-and-one watershed sacred naked wicked hundred bed red feed need deed indeed biped toboggan-sled bunk-bed flatbed unicorn-bed")
