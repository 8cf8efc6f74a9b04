package geneval

import (
	"bytes"
	"embed"
	"fmt"
	"image"
	"image/jpeg"
)

//go:embed photos/*.jpg
var photoFiles embed.FS

// knownPhotos names the photographs of the self-test with the object that each shows.
var knownPhotos = [][2]string{{"chelsea", "cat"}, {"coffee", "cup"}, {"astronaut", "person"}}

// KnownPhotos are photographs for [CheckJudge], of judges that know photographs: each with
// the prompt for what it shows, and with those for what the others show.
func KnownPhotos() ([]KnownScene, error) {
	var all []KnownScene
	for i, known := range knownPhotos {
		img, err := photo(known[0])
		if err != nil {
			return nil, err
		}
		for k, other := range knownPhotos {
			m := Metadata{Tag: "single_object", Prompt: "a photo of a " + other[1], Include: []Include{{Class: other[1], Count: 1}}}
			all = append(all, KnownScene{Metadata: m, Image: img, Right: i == k})
		}
	}
	return all, nil
}

func photo(name string) (image.Image, error) {
	data, err := photoFiles.ReadFile("photos/" + name + ".jpg")
	if err != nil {
		return nil, fmt.Errorf("self-test of the judge: %w", err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("self-test of the judge: photo %s: %w", name, err)
	}
	return img, nil
}
