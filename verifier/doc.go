// Package verifier scores images against prompts.
//
// # Verifiers
//
//   - [Embedded] uses two small networks: a detector (package detect), which gives the
//     probability of each requirement, and a reward network (package reward), which prefers
//     one image to another. It knows the classes that it was trained on.
//   - [Chat] asks a vision-language model about each requirement.
//   - [YesNo] takes the probability that a vision-language model answers "yes".
//   - [Ensemble] combines several verifiers.
//
// All of them implement [reflectionflow.Verifier] and may be used by a search:
//
//	model, err := openai.New(openai.Config{URL: "http://localhost:8080/v1"})
//	v, err := verifier.NewChat(model, verifier.ChatOptions{})
//	s := &search.Search{Generator: g, Verifier: v}
//
// Chat and YesNo accept any [chat.Model]; package chat/openai connects to servers.
// [ChatParser] reads the requirements of a prompt.
//
// # Calibration
//
// Values of different verifiers do not compare. [Calibrate] fits a [Curve] from values to
// probabilities on labeled images, see [ReadLabels]; [Calibrated] applies it.
package verifier
