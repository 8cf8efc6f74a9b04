// Package verifier scores images against prompts.
//
// # Verifiers
//
//   - [Embedded] uses two small networks: a detector (package detect), which gives the
//     probability of each requirement, and a reward network (package reward), which prefers
//     one image to another. Use it for the classes that it was trained on: it takes
//     milliseconds, needs no server, and can judge previews of unfinished images.
//   - [Chat] asks a vision-language model about each requirement. Use it for prompts of any
//     content, and where a reflector or the adaptive strategy needs to know what is wrong.
//   - [YesNo] takes the probability that a vision-language model answers "yes". Use it to
//     rank images with a server that returns log-probabilities; without
//     [YesNoOptions.PerRequirement] it says how good an image is, but not what is wrong.
//   - [Ensemble] combines several verifiers. Use it where their errors differ; the method
//     [Reliability] believes each in what its calibration shows it to be good at.
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
// probabilities on labeled images, see [ReadLabels], and one per kind of requirement for
// findings ([KindCalibration]); [Calibrated] applies them. [Pairwise] compares two images in
// both orders and measures position bias. Calibrate a
// verifier before its value is read as a probability, and the members of an ensemble by
// [Mean]; the other methods need only the reference values.
package verifier
