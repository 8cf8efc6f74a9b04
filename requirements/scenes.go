package requirements

// scenes are nouns of places that an image may be set in: after "in", "on" or "at" they
// make a scene, elsewhere an object.
var scenes = set(`beach seashore shore seaside coast bay harbor harbour port pier dock marina sea ocean lake river stream pond waterfall lagoon reef
underwater water forest woods woodland jungle rainforest meadow field fields prairie savanna savannah desert dunes oasis swamp
marsh mountain mountains hill hills hillside hilltop valley canyon cliff cave volcano island glacier tundra arctic antarctica countryside farm
farmland barnyard vineyard orchard garden backyard yard lawn park playground zoo street road highway alley alleyway sidewalk
crosswalk intersection plaza piazza city downtown town village suburb neighborhood skyline cityscape landscape seascape scenery market
marketplace bazaar mall store shop supermarket restaurant cafe café bar pub diner kitchen bathroom bedroom livingroom room office classroom school
library museum gallery hospital church temple mosque cathedral castle palace dungeon ruins station airport subway stadium arena
gym court pool studio theater theatre stage concert club warehouse factory laboratory lab workshop garage basement attic corridor hallway
lobby hotel house home apartment cabin barn greenhouse lighthouse space galaxy universe cosmos moon mars planet orbit sky clouds heaven
underworld grass snow sand mud ice ground floor pavement rain fog mist storm blizzard thunderstorm sunlight moonlight sunshine darkness shade
wind wilderness nature outdoors indoors outside inside battlefield war party wedding festival carnival parade picnic circus fair cemetery graveyard
winter summer spring autumn fall night nighttime day daytime morning afternoon evening dusk dawn sunset sunrise twilight midnight noon
background backdrop scene setting environment atmosphere world dreamland fairyland campsite camp trail path bridge rooftop balcony terrace
patio courtyard porch deck swampland riverbank lakeside waterfront harbourside ballroom throne-room subway-station bakery courtroom
campfire site`)

// buildings are places on which nothing takes place: "two windows on the house".
var buildings = set(`house home church castle palace cathedral temple mosque hospital school office shop store restaurant cafe hotel apartment barn
lighthouse cabin theater theatre museum library room bedroom bathroom kitchen cave greenhouse garage scene world airport supermarket bakery`)

// times are scenes that need no preposition: times of day, seasons and weather.
var times = set(`night nighttime day daytime morning afternoon evening dusk dawn sunset sunrise twilight midnight noon winter summer autumn
rain fog mist storm blizzard thunderstorm sunlight moonlight sunshine indoors outdoors underwater`)

// containers hold what follows "of".
var containers = set(`bowl cup glass plate mug jar bottle basket box bucket vase bag tray pot pan can crate barrel dish platter pitcher jug
carton sack cart truckload shelf pile-of table-full tub tank cage`)

// groups stand before "of" and several objects, with what they say about them.
var groups = map[string]string{
	"group": "", "crowd": "", "bunch": "", "herd": "", "flock": "", "pack": "", "swarm": "", "team": "", "collection": "", "set": "", "family": "",
	"school": "", "bouquet": "", "band": "", "gang": "", "cluster": "", "assortment": "", "fleet": "", "litter": "", "trio": "", "dozen": "", "handful": "", "number": "", "range": "", "host": "",
	"pile": "in a pile", "stack": "in a stack", "row": "in a row", "line": "in a line", "circle": "in a circle", "heap": "in a heap", "queue": "in a line", "column": "in a column", "grid": "in a grid",
}

// arrangements say how several objects stand.
var arrangements = list("in a pile, in a stack, in a row, in a line, in a circle, in a heap, in a grid, in a column")

// measures stand before "of" and are no object of their own.
var measures = set("kind type sort piece bit style version species breed pair slice")

// media are what an image may be: before "of" they say the style.
var media = set(`photo photograph painting watercolor watercolour drawing sketch illustration render rendering portrait selfie poster cartoon comic
engraving etching lithograph woodcut mural fresco collage mosaic sculpture-photo snapshot close-up closeup shot photography artwork art
anime manga diagram blueprint icon logo sticker print screenprint linocut doodle graffiti caricature still landscape panorama view
wallpaper film-still screenshot concept-art polaroid stock-photo headshot mugshot x-ray silhouette cityscape seascape scenery 3d-render
animation advertisement advert ad infographic clipart vector emoji pixel-art miniature diorama figurine tapestry`)

// images are media that say nothing about the style.
var images = set("image picture scene pic depiction representation")

// styleHeads end the phrases that say how an image looks.
var styleHeads = set(`style styled lighting light aesthetic aesthetics art artwork mood atmosphere tones tone palette quality resolution render rendering
photography photo photograph illustration painting drawing sketch watercolor watercolour focus bokeh blur grain angle view shot perspective lens
composition detail details background backdrop colors colours contrast shadows design print exposure format wallpaper texture textures
filter effect effects camera film anime cartoon poster 3d engine ray-tracing hdr realism`)

// styles are style words and phrases that stand alone, with those of them that an image
// must have: the others say how good or how sharp it is, or how it was taken.
var (
	styles = setOf(list(`watercolor, watercolour, cinematic, photorealistic, realistic, hyperrealistic, photo-realistic, hyper-realistic, surreal, surrealist,
surrealism, abstract, minimalist, minimalistic, minimalism, anime, manga, cartoon, comic, pixel art, low poly, low-poly, isometric, 3d, 3d render, cgi, claymation, origami,
papercraft, vector, vector art, line art, lineart, ink, charcoal, pastel, pencil, oil painting, oil on canvas, oil, acrylic, gouache, fresco, mosaic, stained glass,
impressionist, impressionism, expressionist, expressionism, cubist, cubism, baroque, renaissance, art deco, art nouveau, bauhaus, pop art, ukiyo-e, gothic, vintage, retro,
vaporwave, synthwave, cyberpunk, steampunk, dieselpunk, solarpunk, futuristic, sci-fi, fantasy, noir, film noir, black and white, black-and-white, monochrome, monochromatic,
sepia, grayscale, greyscale, noir style, ghibli, studio ghibli, pixar, disney, digital art, digital painting, concept art, matte painting, children's book, storybook, graffiti,
flat design, flat, cel shaded, cel-shaded, hand-drawn, hand drawn, sketch, illustration, photograph, photography, photo, documentary, editorial, psychedelic, whimsical, moody, dreamy,
ethereal, dramatic, dark, gloomy, serene, peaceful, cozy, epic, vibrant, colorful, colourful, pastel colors, neon, macro, portrait, landscape, panorama, close-up, close up,
aerial view, top view, top-down, top down, bird's-eye view, bird's eye view, birds-eye view, side view, front view, back view, rear view, from above, from below, from behind,
wide shot, full shot, full body, full-body, medium shot, long shot, overhead, flat lay, fisheye, symmetrical, centered composition, double exposure, long exposure,
tilt-shift, tilt shift, bokeh, blurred, blurry background, white background, plain background, black background, transparent background, backlit, silhouette`))
	qualities = setOf(list(`masterpiece, ink wash, detailed ink wash, best quality, high quality, highest quality, high-quality, high detail, highly detailed, ultra detailed, ultra-detailed, hyperdetailed, hyper detailed, hyper-detailed,
intricate, intricate details, intricately detailed, very detailed, extremely detailed, sharp, sharp focus, in focus, crisp, hd, uhd, full hd, hdr, 4k, 8k, 16k, 2k, 4k resolution, 8k resolution, uhd 8k, high resolution, hi-res, high-res,
award winning, award-winning, professional, professional photo, professional photography, trending on artstation, unreal engine, unreal engine 5, octane render, octane, v-ray, vray,
ray tracing, ray-traced, raytracing, global illumination, depth of field, shallow depth of field, 35mm, 50mm, 85mm, 35mm film, film grain, analog, kodak, dslr, raw, raw photo, beautiful, stunning, gorgeous, amazing, breathtaking,
natural light, natural lighting, soft light, soft lighting, studio lighting, volumetric lighting, cinematic lighting, dramatic lighting, golden hour, rim light, wallpaper, photo, photograph, photography, photorealistic, realistic, lifelike, wide angle, wide-angle`))
)

// clothes are worn, where a person is in them.
var clothes = set(`suit dress shirt t-shirt jacket coat hat cap helmet uniform costume robe gown skirt jeans pants shorts sweater hoodie armor armour
kimono tuxedo swimsuit bikini spacesuit apron scarf gloves boots shoes sneakers heels sunglasses glasses goggles mask pajamas tie overalls vest
blouse cloak cape outfit clothes clothing attire raincoat hijab turban veil crown sari toga leotard tutu wetsuit socks sandals overcoat
cardigan trousers leggings stockings headscarf bonnet beanie fedora`)

// nouns are common objects that a list of words may name without an article.
var nouns = set(`lion tiger elephant monkey gorilla rabbit bunny fox wolf deer moose kangaroo koala panda raccoon squirrel mouse rat hamster hedgehog
turtle tortoise snake lizard crocodile alligator frog toad fish shark whale dolphin octopus jellyfish crab lobster seal otter beaver bat bee
butterfly ant spider beetle ladybug dragonfly snail worm dinosaur dragon unicorn robot ghost zombie vampire mermaid fairy angel demon monster
alien skeleton skull tree flower rose tulip sunflower daisy cactus mushroom leaf bush vine pumpkin tomato potato onion pepper corn lettuce
cucumber garlic lemon lime strawberry blueberry raspberry cherry grape watermelon melon pineapple mango pear peach coconut avocado kiwi bread toast
croissant bagel cookie pie cupcake pancake waffle muffin candy lollipop chocolate cheese egg bacon sausage steak chicken rice noodles pasta
spaghetti sushi taco burrito salad soup coffee tea milk juice beer wine water candle lamp lantern lightbulb mirror window door house
castle tower bridge church barn tent cabin skyscraper building fence gate wall roof chimney stairs ladder table desk shelf bookshelf
drawer cabinet wardrobe carpet rug curtain pillow blanket towel bucket broom mop basket box jar mug plate pan pot kettle teapot tray
guitar violin piano trumpet drum flute saxophone harp camera telescope microscope radio speaker headphones computer monitor printer phone
watch compass map globe key lock hammer screwdriver wrench saw axe shovel rope chain anchor sword shield bow arrow gun cannon crown
ring necklace earrings bracelet hat cap helmet scarf glove shoe boot sock shirt dress coat jacket pants jeans skirt belt wallet sunglasses
balloon kite toy doll puzzle dice ball drone rocket spaceship satellite astronaut planet star moon sun cloud rainbow lightning mountain
river lake waterfall volcano island boat ship submarine helicopter tractor van scooter wagon sled skateboard surfboard tire wheel flag
sign poster painting statue fountain bench streetlight mailbox trash sandcastle snowman igloo campfire fire smoke feather shell pearl diamond
coin pencil pen crayon paintbrush eraser ruler scissors envelope letter newspaper magazine calendar toy trumpet backpack suitcase`)
