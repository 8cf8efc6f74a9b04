// Package template finds the objects of clip-art images without a network: it compares
// every place of an image with the drawings of package clipart.
//
//	objects, err := template.New().Detect(ctx, images)
//
// # Method
//
// Scenes have a plain background, so an image is taken as the difference of its pixels
// from the background color. A drawing in a color, at a place and of a size, predicts the
// difference there. Two numbers say how they agree over the drawing and a narrow ring
// around it:
//
//   - the likeness, the squared cosine of the two differences, from 0 to 1: the share of
//     what is seen there that the drawing explains, whatever its strength;
//   - the opacity, the strength of the drawing that explains it best: 1 for a drawing as
//     rendered, 0.1 for a ghost of it.
//
// An object is listed where the likeness is at least [MinLikeness] and the opacity at
// least [MinOpacity]. The most alike is taken first and erased from the image, so that what
// is left of it is taken for nothing else.
// Nothing is learned from images: the numbers are set by hand.
//
// It is a second opinion on images of the embedded model, for evaluations: its errors are
// not those of the networks that learned from that model's images.
package template
