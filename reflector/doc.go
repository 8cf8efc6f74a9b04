// Package reflector writes what is wrong with an image, and rewrites prompts.
//
// Reflectors implement [reflectionflow.Reflector]: they turn an image and the findings of a
// verifier into a reflection, from which a corrector makes the next image. Refiners
// implement [reflectionflow.Refiner]: they rewrite the prompt. Annotators implement
// [reflectionflow.Annotator]: they compare two images of a prompt.
//
// # Without a server
//
// [Embedded], [Refiner] and [EmbeddedAnnotator] follow the rules of package clipart. Use
// them with generators that know its classes and colors: they need no model, take no time,
// and give the same text for the same findings. Embedded needs a verifier with findings.
//
// # With a vision-language model
//
// [Chat], [ChatRefiner] and [ChatAnnotator] ask a [chat.Model], to which package
// chat/openai connects. Use them for prompts of any content:
//
//   - Chat looks at the image and writes instructions for a corrector, which edits images.
//   - ChatRefiner rewrites the prompt. Use it for generators that cannot edit images, and
//     where every image misses the same requirement.
//   - ChatAnnotator says which of two images is better and how to turn one into the other.
//     Use it to build training data with package genref.
//
// For example:
//
//	model, err := openai.New(openai.Config{URL: "http://localhost:8080/v1"})
//	r, err := reflector.NewChat(model, reflector.ChatOptions{})
//	f, err := reflector.NewChatRefiner(model, reflector.ChatRefinerOptions{})
//	s := &search.Search{Generator: g, Verifier: v, Reflector: r, Refiner: f}
//
// A reflector sees nothing of how an image was generated: only the image, its request and
// its score.
package reflector
