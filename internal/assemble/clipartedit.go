package assemble

import (
	"context"
	"image"
	"maps"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/requirements"
)

// edited adds what the image shows besides to the wish of an instruction: the model
// generates what its prompt names and no more. A whole prompt stays as it is.
func (w world) edited(ctx context.Context, v reflectionflow.Verifier, img image.Image, instruction string) (string, error) {
	wish := requirements.Wish(instruction)
	if _, err := w.Parse(instruction); err == nil || wish == instruction {
		return instruction, nil
	}
	asked, err := requirements.Parse(wish)
	if err != nil {
		return "", err
	}
	first := reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: w.Classes[0], Count: 1}
	scores, err := v.Verify(ctx, []reflectionflow.PromptedImage{{
		Prompt: reflectionflow.Prompt{Text: clipart.ShortCaption([]reflectionflow.Requirement{first}), Requirements: []reflectionflow.Requirement{first}}, Image: img,
	}})
	if err != nil {
		return "", err
	}
	if beside := clipart.ShortCaption(others(scores[0].Objects, asked.Requirements)); beside != "" {
		return beside + " and " + wish, nil
	}
	return "a photo of " + wish, nil
}

// others are the numbers of the objects of classes that no requirement names, by class.
func others(seen []reflectionflow.Object, asked []reflectionflow.Requirement) (list []reflectionflow.Requirement) {
	counts := map[string]int{}
	for _, o := range seen {
		counts[o.Class]++
	}
	for _, r := range asked {
		delete(counts, r.Object)
		delete(counts, r.Target)
	}
	for _, class := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: class, Count: counts[class]})
	}
	return list
}
