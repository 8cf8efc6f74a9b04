package requirements

import (
	"maps"
	"strings"

	"reflectionflow"
)

// colors are color words; those of several words are written with "@". American spelling.
var colors = func() map[string]string {
	m := make(map[string]string)
	for w := range strings.FieldsSeq(`red orange yellow green blue purple pink brown black white gray silver gold beige tan cyan turquoise teal
magenta violet indigo maroon crimson scarlet lavender lilac olive lime mint coral salmon peach cream ivory khaki burgundy bronze copper
amber mustard aqua azure charcoal fuchsia plum ruby emerald sapphire navy ochre terracotta auburn blond mauve taupe ultramarine vermilion
multicolored colorful rainbow-colored pastel off-white`) {
		m[w] = w
	}
	maps.Copy(m, pairs(`grey gray, golden gold, multicoloured multicolored, multi-colored multicolored, multi-coloured multicolored,
colourful colorful, blonde blond, golden-colored gold, reddish red, greenish green, bluish blue, yellowish yellow, brownish brown, pinkish pink,
purplish purple, blackish black, whitish white, grayish gray, greyish gray`))
	return m
}()

// shades are words before a color that belong to it.
var shades = set(`dark light bright pale deep navy sky royal neon hot baby pastel vivid dull forest lime olive midnight ice electric rich soft warm cool cherry blood candy
canary lemon powder cobalt steel slate jet pitch snow pearl burnt brick hunter kelly sea rose ash dusty dusky muted metallic matte fluorescent`)

// BaseColor is the color word of a color of several words, for example "blue" of "dark
// blue", and the color itself otherwise.
func BaseColor(color string) string {
	if i := strings.LastIndexByte(color, ' '); i >= 0 && colors[color[i+1:]] != "" && (shades[color[:i]] || colors[color[:i]] != "") {
		return color[i+1:]
	}
	return color
}

// adjectives are the properties that an object may have, by aspect.
var adjectives = func() map[string]reflectionflow.Aspect {
	m := make(map[string]reflectionflow.Aspect)
	for aspect, words := range map[reflectionflow.Aspect]string{
		reflectionflow.Material: `wooden wood metal metallic glass plastic stone marble leather paper cardboard ceramic porcelain clay brick concrete
steel iron brass chrome aluminum cotton wool woolen silk velvet denim fabric linen rubber wicker bamboo crystal straw rope nylon lace felt
plush wax chocolate ice stained-glass knitted crocheted woven titanium jade pearl granite oak pine tin foil`,
		reflectionflow.Pattern: `striped spotted checkered checked plaid polka-dot polka-dotted dotted patterned floral paisley tartan camouflage
zebra-striped zebra-print leopard-print animal-print tie-dyed tie-dye swirled marbled speckled mottled spiral geometric zigzag chevron gingham`,
		reflectionflow.Texture: `fluffy furry smooth rough soft hard shiny glossy matte sparkling sparkly glittery fuzzy hairy bumpy silky velvety slimy
sticky wrinkled crumpled cracked polished rusty feathery grainy spiky scaly shaggy glowing transparent translucent reflective iridescent holographic
luminous woolly prickly coarse gritty crispy crunchy creamy foamy frosted textured glazed`,
		reflectionflow.Size: `big large small tiny huge giant little gigantic enormous massive miniature mini tall short long wide narrow thick thin
oversized medium-sized life-size life-sized colossal petite towering immense slim slender fat skinny chubby microscopic compact vast wide-brimmed`,
		reflectionflow.Shape: `round square circular rectangular triangular oval spherical cubic cubical cylindrical conical heart-shaped star-shaped
curved flat pointed pointy straight bent hexagonal octagonal pentagonal diamond-shaped curly wavy twisted crescent pyramidal domed arched spherical
oblong angular star-like l-shaped`,
		reflectionflow.State: `open closed broken empty full wet dry clean dirty old new young ancient modern vintage antique lit unlit 
frozen melted folded half-eaten sliced peeled whole ripe unripe rotten fresh cooked raw burnt baked fried grilled roasted boiled toasted
abandoned ruined rundown crowded busy deserted happy sad angry scared surprised sleepy tired excited calm bored confused proud
shy awake alive dead pregnant naked bald bearded elderly middle-aged injured sick healthy strong muscular snowy snow-covered sunny cloudy foggy misty
rainy stormy dusty muddy sandy grassy rocky icy steaming hot cold warm worn torn damaged shattered used unmade messy tidy cluttered neat blooming
withered dried parked stopped locked unlocked sealed wrapped unwrapped painted carved decorated ornate stacked upside-down inverted inflated
deflated armored winged horned masked hooded cloaked uniformed barefoot armed illuminated dim dimly-lit well-lit leafy bare leafless
overgrown weathered faded classic futuristic medieval victorian retro steampunk cyberpunk gothic baroque rustic traditional japanese chinese
italian french american african indian asian european mexican english british german russian egyptian greek roman norwegian swiss scottish irish
wild stray feral domestic baby adult male female anthropomorphic humanoid robotic mechanical electric electronic digital magical mythical
fantasy alien undead ghostly cute adorable beautiful pretty handsome ugly scary creepy funny elegant fancy majestic mysterious lonely playful
friendly fierce gorgeous lovely stunning delicious tasty juicy fast slow heavy lightweight powerful luxurious luxury expensive cheap simple plain
cozy peaceful serene tranquil quiet dark bright light pale vivid lush tropical urban rural industrial residential public private royal
holy sacred haunted enchanted cosmic celestial abstract surreal realistic minimalist quaint picturesque scenic rugged steep deep shallow
clear blurry loose tight sharp blunt folded curious brave lazy hungry thirsty famous rich poor identical different similar matching
same opposite other single lone solo solitary double triple half-open half-full seated upright horizontal vertical diagonal
hand-drawn handmade homemade 3d-printed hand-painted freshly-baked`,
	} {
		for w := range strings.FieldsSeq(words) {
			m[w] = aspect
		}
	}
	return m
}()

// nounsToo are colors and properties that are objects where no noun follows.
var nounsToo = set(`orange gold silver bronze copper rose peach lime olive mint coral salmon plum ruby emerald sapphire turquoise lavender lilac
violet cream mustard navy amber charcoal glass stone paper brick leather metal wood plastic marble chocolate ice wax pearl crystal rope straw
iron steel wool cotton silk clay pine oak foil lace square spiral giant mini baby alien adult male female light dark oval crescent rainbow
young cold chinese japanese electric public tin jade bamboo rubber felt`)

// materials are the adjectives of materials after "made of".
var materials = pairs("wood wooden, glass glass, metal metal, stone stone, plastic plastic, leather leather, paper paper, gold golden, silver silver, steel steel, marble marble, brick brick, clay clay, ice ice, chocolate chocolate, concrete concrete, cardboard cardboard, wool woolen, crystal")

// intensifiers stand before a property and belong to it.
var intensifiers = set("very extremely really quite slightly incredibly super extra so too rather fairly highly absolutely completely fully partially half almost nearly semi")

// praise asks for nothing that can be seen, and is no wish of its own.
var praise = set(`nice good great amazing awesome perfect wonderful fantastic excellent incredible best some kind typical certain proper
real actual particular various following`)

// fillers carry no wish: they are skipped wherever nothing else reads them.
var fillers = set(`a an the there is are was were be being been am it its it's they them he she him her who whom which that this these those and
of to also then please as so just both all each every has have had do does while where when with in on at by for plus but or
can could will would should may might must let me i we you us show shows showing shown depict depicts depicting make create generate draw paint
render give want need like featuring features contain contains containing include includes including i'd i'll i'm there's here here's
image picture together overall see seen visible s thanks thank put set`)

// relatives begin a clause about the noun before.
var relatives = set("that which who")

// copulas say what their subject is.
var copulas = set("is are was were being be looks look seems seem appears appear becomes remains stays stay's isn't aren't")

// pronouns stand for an object named before.
var pronouns = set("it they he she them him one's")

// ends never begin or continue a noun.
var ends = set(`a an the this that these those his her its their my your our and or but nor with without in on at by for from of to into onto
over under above below behind beside besides between among amid amidst near next inside outside within through throughout across along around
against toward towards up down off out about after before during until while as like than is are was were be been being has have had
which who whom whose where when there here it they he she him them no not never very also then than if so such both all each every
some any many several few underneath beneath beyond upon atop via per plus minus except unless because since though although versus
i you we me us can could will would should may might must do does did please except alongside left-of right-of facing wearing holding
don't doesn't isn't aren't cannot can't won't what how why whether either neither only just even still too again maybe perhaps ideally
preferably possibly optionally maximum minimum nobody noone no-one nothing none more less fewer most least depicting showing featuring containing including
anywhere everywhere somewhere together anymore otherwise instead thanks`)
