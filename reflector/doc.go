// Package reflector writes what is wrong with an image, and rewrites prompts.
//
// Reflectors implement [reflectionflow.Reflector]: they turn an image and the findings of a
// verifier into a reflection, from which a corrector makes the next image. Refiners
// implement [reflectionflow.Refiner]: they rewrite the prompt. Annotators implement
// [reflectionflow.Annotator]: they compare two images of a prompt.
//
//   - [Embedded], [Refiner] and [EmbeddedAnnotator] follow the rules of package clipart.
//     They know its classes and colors, and need no model.
//
//   - [Chat], [ChatRefiner] and [ChatAnnotator] ask a [chat.Model], to which package
//     chat/openai connects:
//
//     model, err := openai.New(openai.Config{URL: "http://localhost:8080/v1"})
//     r, err := reflector.NewChat(model, reflector.ChatOptions{})
//     f, err := reflector.NewChatRefiner(model, reflector.ChatRefinerOptions{})
//     s := &search.Search{Generator: g, Verifier: v, Reflector: r, Refiner: f}
//
// A reflector sees nothing of how an image was generated: only the image, its request and
// its score.
package reflector
