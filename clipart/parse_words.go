package clipart

import (
	"strings"
	"sync"
)

// meaning is the role of a word or phrase in a prompt.
type meaning int

const (
	asNoun        meaning = iota + 1 // an object; value is the class
	asHue                            // a color; value is its name
	asNumber                         // n of something
	asIndefinite                     // a, an
	asDefinite                       // the, this
	asNegation                       // no, without
	asRelation                       // value is the relation
	asPrecisely                      // exactly
	asMinimum                        // at least
	asPlace                          // a place in the image; value is its sides, or "middle"
	asConjunction                    // and, a comma
	asNear                           // with, next to: both objects are there
	asStop                           // the end of a sentence
	asPraise                         // an adjective that asks for nothing
	asBackdrop                       // background
	asGlue                           // a word that asks for nothing
	asAll                            // both, all: of what was named before
	asPosture                        // stands: asks for nothing before a place, is an action elsewhere
	asVague                          // a quantity that is no number
	asDepth                          // a relation in depth
	asAttribute                      // an adjective that no verifier checks
	asAction                         // a verb
	asStyle                          // a style of images
	asRefused                        // any other word that no verifier checks
)

// unknownInCaptions is the entry.inCaptions of phrases that captions do not know.
const unknownInCaptions meaning = -1

// entry is one phrase of the lexicon.
type entry struct {
	meaning    meaning
	inCaptions meaning // the meaning in captions where it differs, see parseCaption
	value      string
	n          int  // of numbers
	plural     bool // of nouns: certainly more than one
}

// maxPhraseWords is the longest phrase of the lexicon, in words.
const maxPhraseWords = 8

// synonyms are other names of classes, singular.
var synonyms = [...][2]string{
	{"man", person},
	{"woman", person},
	{"boy", person},
	{"girl", person},
	{"human", person},
	{"child", person},
	{"bike", "bicycle"},
	{"automobile", "car"},
	{"motorbike", "motorcycle"},
	{"plane", "airplane"},
	{"aeroplane", "airplane"},
	{"lorry", "truck"},
	{"ship", "boat"},
	{"sailboat", "boat"},
	{"stoplight", "traffic light"},
	{"traffic signal", "traffic light"},
	{"hydrant", "fire hydrant"},
	{"puppy", "dog"},
	{"kitten", "cat"},
	{"rucksack", "backpack"},
	{"purse", "handbag"},
	{"hand bag", "handbag"},
	{"necktie", "tie"},
	{"ski", "skis"},
	{"ball", "sports ball"},
	{"soccer ball", "sports ball"},
	{"football", "sports ball"},
	{"basketball", "sports ball"},
	{"bat", "baseball bat"},
	{"baseball mitt", "baseball glove"},
	{"racket", "tennis racket"},
	{"racquet", "tennis racket"},
	{"tennis racquet", "tennis racket"},
	{"wineglass", "wine glass"},
	{"mug", "cup"},
	{"hotdog", "hot dog"},
	{"doughnut", "donut"},
	{"sofa", "couch"},
	{"plant", "potted plant"},
	{"houseplant", "potted plant"},
	{"table", "dining table"},
	{"television", "tv"},
	{"tv set", "tv"},
	{"laptop computer", "laptop"},
	{"mouse", "computer mouse"},
	{"remote", "tv remote"},
	{"remote control", "tv remote"},
	{"keyboard", "computer keyboard"},
	{"phone", "cell phone"},
	{"cellphone", "cell phone"},
	{"mobile phone", "cell phone"},
	{"smartphone", "cell phone"},
	{"fridge", "refrigerator"},
	{"scissor", "scissors"},
	{"teddy", "teddy bear"},
	{"hair dryer", "hair drier"},
	{"hairdryer", "hair drier"},
	{"hairdrier", "hair drier"},
	{"tooth brush", "toothbrush"},
}

// irregularPlurals are plurals that no rule forms.
var irregularPlurals = [...][2]string{
	{"people", person},
	{"men", person},
	{"women", person},
	{"children", person},
	{"mice", "computer mouse"},
	{"puppies", "dog"},
	{"lorries", "truck"},
	{"teddies", "teddy bear"},
}

// promptSynonyms are names of classes that only [Parse] knows: singular, plural, class. Captions
// must keep their reading, see [parseCaption].
var promptSynonyms = [...][3]string{
	{"glass of wine", "glasses of wine", "wine glass"},
	{"stop light", "stop lights", "traffic light"},
	{"coffee cup", "coffee cups", "cup"},
	{"coffee mug", "coffee mugs", "cup"},
	{"teacup", "teacups", "cup"},
	{"wine bottle", "wine bottles", "bottle"},
	{"water bottle", "water bottles", "bottle"},
	{"slice of pizza", "slices of pizza", "pizza"},
	{"piece of cake", "pieces of cake", "cake"},
	{"slice of cake", "slices of cake", "cake"},
	{"armchair", "armchairs", "chair"},
	{"settee", "settees", "couch"},
	{"jet", "jets", "airplane"},
	{"yacht", "yachts", "boat"},
	{"school bus", "school buses", "bus"},
	{"pickup truck", "pickup trucks", "truck"},
	{"notebook computer", "notebook computers", "laptop"},
	{"tennis ball", "tennis balls", "sports ball"},
	{"beach ball", "beach balls", "sports ball"},
	{"alarm clock", "alarm clocks", "clock"},
	{"wall clock", "wall clocks", "clock"},
	{"flower vase", "flower vases", "vase"},
	{"park bench", "park benches", "bench"},
	{"guy", "guys", person},
	{"lady", "ladies", person},
	{"kid", "kids", person},
	{"baby", "babies", person},
	{"adult", "adults", person},
	{"kitty", "kitties", "cat"},
	{"doggy", "doggies", "dog"},
	{"lamb", "lambs", "sheep"},
}

// foreignColors are colors outside GenEval's ten, with the nearest of them.
var foreignColors = map[string]string{
	"gray": "black", "grey": "black", "cyan": "blue", "turquoise": "blue", "teal": "green", "violet": "purple",
	"magenta": "pink", "gold": "yellow", "golden": "yellow", "silver": "white", "beige": "brown", "tan": "brown",
	"navy": "blue", "crimson": "red", "scarlet": "red", "maroon": "red", "indigo": "purple", "lavender": "purple",
	"lime": "green", "olive": "green", "aqua": "blue", "cream": "white", "azure": "blue", "bronze": "brown",
}

// phrases are the words other than objects, colors, numbers, relations and places.
var phrases = [...]struct {
	meaning, inCaptions meaning
	words               string // separated by commas
}{
	{asIndefinite, 0, "a,an"},
	{asDefinite, 0, "the,this,that,these,those"},
	{asNegation, 0, "no,without,without any,with no,not any,there is no,there are no"},
	{asNegation, unknownInCaptions, "not a,not an,and not any,but not any"},
	{asPrecisely, 0, "exactly,precisely,just,only"},
	{asPrecisely, asPraise, "single"},
	{asMinimum, 0, "at least"},
	{asConjunction, 0, "and,as well as,and also,plus,&"},
	{asConjunction, unknownInCaptions, "but,while"},
	{asNear, 0, "with,next to,beside,besides,near,by,alongside,close to,and next to,or"},
	{asNear, unknownInCaptions, "including,containing,together with,along with"},
	{asDepth, asNear, "in,behind,in front of,inside"},
	{asDepth, unknownInCaptions, "into,in between,between,among,around,within,outside,outside of,through,across,against,along,toward,towards,away from,far from,from,at,onto,off,up,down,opposite," +
		"in the background,in the foreground,in the distance,in the back,in the front,in back of,in a corner,in the corner,in a row,in a line"},
	{asPraise, 0, "detailed,high quality,cute,nice,pretty,beautiful,lovely,simple,plain,flat,colored,coloured,cartoon,clear"},
	{asPraise, unknownInCaptions, "good,great,adorable,gorgeous,amazing,highly detailed,best quality"},
	{asAttribute, asPraise, "big,small,large,little,tiny,huge,new,old,young,happy"},
	{asAttribute, unknownInCaptions, "bigger,smaller,larger,tall,short,long,thin,fat,giant,gigantic,enormous,medium,round,square,fluffy,furry,striped,spotted,wooden,metal,metallic,plastic,leather," +
		"shiny,dirty,clean,broken,empty,full,open,closed,dark,bright,light brown,sad,angry,sleepy,wild,fresh,ripe,hot,cold,wet,dry,colorful,colourful,transparent,modern,antique,different,identical,similar,same"},
	{asStyle, asPraise, "realistic"},
	{asStyle, unknownInCaptions, "cinematic,photorealistic,photo realistic,hyperrealistic,surreal,surrealistic,abstract,anime,manga,watercolor,watercolor,oil painting,pencil,pastel,impressionist,impressionism,cubist,pop art," +
		"pixel art,digital art,concept art,line art,3d,3d render,4k,8k,hd,hdr,uhd,bokeh,dramatic,vintage,retro,minimalist,minimalistic,masterpiece,trending,artstation,epic,moody,style,stylized,lighting,sharp focus," +
		"depth of field,closeup,close up,macro,portrait,landscape,black and white photo,dreamy,fantasy,futuristic,cyberpunk,steampunk,neon,dall e,midjourney,unreal engine,octane render,ultra,low poly,isometric"},
	{asAction, unknownInCaptions, "run,runs,walk,walks,jump,jumps,eat,eats,drink,drinks,play,plays,sleep,sleeps,chase,chases,hold,holds,wear,wears,ride,rides,fly,flies,swim,swims,look,looks,watch,watches,drive,drives," +
		"carry,carries,read,reads,bark,barks,bite,bites,catch,catches,throw,throws,kick,kicks,hug,hugs,kiss,kisses,smile,smiles,dance,dances,sing,sings,follow,follows,face,faces,touch,touches,lean,leans,float,floats"},
	{asPosture, asPraise, "standing,sitting,lying"},
	{asPosture, asGlue, "stands,sits,lies"},
	{asPosture, unknownInCaptions, "stand,sit,lie,resting,rests,parked"},
	{asBackdrop, 0, "background,backdrop"},
	{asGlue, 0, "photo,photograph,picture,image,drawing,illustration,painting,clipart,clip art,icon,sketch,scene,render,of,there,is,are,showing,shows,show,depicting,depicts,featuring,draw,paint,please,side by side,placed,located,positioned,together,group,altogether,color,colour"},
	{asGlue, unknownInCaptions, "photos,pictures,images,generate,create,make,make me,show me,give me,i want,i would like,has,have,having,which,was,were,also,then,it has,here"},
	{asAll, asRefused, "all,each,both"},
	{asVague, 0, "some,several,many,few,multiple,various,lots,dozens,hundreds,dozen,hundred,thousand,million"},
	{asVague, unknownInCaptions, "a few,a lot of,lots of,plenty of,numerous,countless,a bunch of,any"},
	{asRefused, 0, "at most,not,fewer,less,more,no more than,no fewer than,other,another,either,nothing,every,its,it,them"},
	{asRefused, unknownInCaptions, "neither,nor,they,their,his,her,he,she,one of them,more than,less than,fewer than,about,roughly,almost,nearly,maybe,perhaps,if,except,than,as,like,half"},
}

var relationPhrases = [...]struct {
	relation string
	words    string
}{
	{"left of", "left of,to the left of,on the left of,at the left of,left from,on the left side of,to the left side of"},
	{"right of", "right of,to the right of,on the right of,at the right of,right from,on the right side of,to the right side of"},
	{"above", "above,on top of,over,atop,on the top of"},
	{"below", "below,under,underneath,beneath"},
}

// tens are the number words beyond [maxNumber].
var tens = [...]string{"eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"}

var lexicon = sync.OnceValue(newLexicon)

func newLexicon() map[string]entry {
	words := make(map[string]entry)
	for _, p := range phrases {
		for w := range strings.SplitSeq(p.words, ",") {
			words[w] = entry{meaning: p.meaning, inCaptions: p.inCaptions, value: w}
		}
	}
	words["on"] = entry{meaning: asRelation, inCaptions: asNear, value: "above"}
	for _, p := range relationPhrases {
		for w := range strings.SplitSeq(p.words, ",") {
			words[w] = entry{meaning: asRelation, value: p.relation}
		}
	}
	for n, w := range numberWords {
		words[w] = entry{meaning: asNumber, n: n}
	}
	for i, w := range tens {
		words[w] = entry{meaning: asNumber, n: maxNumber + 1 + i}
	}
	for _, w := range []string{"a pair of", "pair of", "a couple of", "couple of"} {
		words[w] = entry{meaning: asNumber, n: 2, value: "pair"}
	}
	addPlaces(words)
	for _, color := range colorNames {
		words[color] = entry{meaning: asHue, value: color}
	}
	addNouns(words)
	return words
}

// addPlaces adds "at the left", "in the top right corner of the picture" and the like, and the
// corners without other words: "dog top left".
func addPlaces(words map[string]entry) {
	sides := map[string]string{
		"left": "left", "right": "right", "top": "top", "bottom": "bottom", "upper": "top", "lower": "bottom",
		"middle": "middle", "center": "middle", "centre": "middle",
	}
	spots := make(map[string]string)
	for _, spot := range []string{"left", "right", "top", "bottom", "middle", "center", "centre"} {
		spots[spot] = sides[spot]
	}
	for _, vertical := range []string{"top", "bottom", "upper", "lower"} {
		for _, horizontal := range []string{"left", "right"} {
			corner := vertical + " " + horizontal
			spots[corner] = sides[vertical] + " " + horizontal
			words[corner] = entry{meaning: asPlace, value: spots[corner]}
		}
	}
	for _, at := range []string{"at", "on", "in", "to"} {
		for spot, value := range spots {
			for _, part := range []string{"", " side", " corner"} {
				for _, of := range []string{"", " of the picture", " of the image", " of the photo", " of the scene"} {
					words[at+" the "+spot+part+of] = entry{meaning: asPlace, value: value}
				}
			}
		}
	}
	for phrase, value := range map[string]string{
		"on top": "top", "at top": "top", "on bottom": "bottom", "at bottom": "bottom", "on left": "left", "on right": "right",
		"on the far left": "left", "on the far right": "right", "on the left hand side": "left", "on the right hand side": "right",
		"at the very top": "top", "at the very bottom": "bottom", "in the top": "top", "in the bottom": "bottom",
		"in the upper half": "top", "in the lower half": "bottom", "in the top half": "top", "in the bottom half": "bottom",
		"in the left half": "left", "in the right half": "right", "centered": "middle", "in the very middle": "middle",
	} {
		if _, known := words[phrase]; !known {
			words[phrase] = entry{meaning: asPlace, inCaptions: unknownInCaptions, value: value}
		}
	}
}

// addNouns adds the classes and their other names, with all plurals. "orange" stays a color here;
// resolveOrange looks at the word after it.
func addNouns(words map[string]entry) {
	add := func(name, class string) {
		for _, plural := range []string{genEvalPlural(name), englishPlural(name)} {
			if plural != name && plural != class {
				words[plural] = entry{meaning: asNoun, value: class, plural: true}
			}
		}
		if _, isColor := words[name]; !isColor {
			words[name] = entry{meaning: asNoun, value: class}
		}
	}
	for _, class := range classes().names {
		add(class, class)
	}
	for _, s := range synonyms {
		add(s[0], s[1])
	}
	for _, s := range irregularPlurals {
		words[s[0]] = entry{meaning: asNoun, value: s[1], plural: true}
	}
	for _, s := range promptSynonyms {
		words[s[0]] = entry{meaning: asNoun, inCaptions: unknownInCaptions, value: s[2]}
		words[s[1]] = entry{meaning: asNoun, inCaptions: unknownInCaptions, value: s[2], plural: true}
	}
}
