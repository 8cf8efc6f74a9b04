package requirements

import (
	"strings"

	"reflectionflow"
)

// styledNouns are styles that stand before a noun: "a cartoon dog".
var styledNouns = byFirst(list(`anime style, anime, manga style, manga, cartoon style, cartoon, claymation, low poly, low-poly, lowpoly, pixel art, pixel-art, pixelated, voxel, watercolor,
watercolour, papercraft, isometric, chibi, pixar style, pixar-style, ghibli style, ghibli-style, 8-bit, 16-bit, 3d rendered, 3d, line art, photorealistic, hyperrealistic`))

// madeWith are nouns with which such a word is no style: "an anime poster", "a 3d printer".
var madeWith = set(`book poster shirt t-shirt figure figurine printer glasses movie paint set brush palette pencil convention store magazine strip paper print
channel festival artist expert model puzzle tutorial sticker icon logo background wallpaper`)

// styledAt is the style before a noun at i, and the token after it; empty for none.
func (p *parser) styledAt(i int) (style string, next int) {
	for _, s := range styledNouns[p.word(i)] {
		next = p.phrase(i, s)
		if next == 0 || !p.nounFollows(next) || p.kind(next) != word || p.word(next) == "style" || p.word(next) == "art" || p.word(next) == "printed" {
			continue
		}
		if noun, _ := singular(p.word(next)); madeWith[noun] || styleHeads[noun] || media[noun] || images[noun] {
			continue
		}
		return s, next
	}
	for k := i + 1; k < i+4 && p.nounable(k-1); k++ { // "a 1920s style car"
		if p.word(k) == "style" && p.nounFollows(k+1) && p.kind(k+1) == word && !p.isProperty(k-1) {
			return p.words(i, k+1), k + 1
		}
	}
	return "", i
}

// aperture reads "f/1.8" and "ISO 100": how a photograph is taken.
func (p *parser) aperture() bool {
	start, end := p.pos, 0
	switch w := p.word(start); {
	case w == "f" && p.kind(start+1) == comma && p.word(start+2) != "" && p.word(start + 2)[0] <= '9' && p.tokens[start].end+1 == p.tokens[start+2].start:
		end = start + 3
	case strings.HasSuffix(w, "mm") && len(w) > 2 && onlyDigits(w[:len(w)-2]):
		end = start + 1
	case w == "iso" && numbersOnly(p.word(start+1)):
		end = start + 2
	case len(w) > 1 && w[0] == 'f' && numbersOnly(w[1:]):
		end = start + 1
	default:
		return false
	}
	p.pos = end
	p.addFact(reflectionflow.Style, strings.ToLower(p.words(start, end)), start, end, reflectionflow.Should)
	return true
}
