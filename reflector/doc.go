// Package reflector turns what a verifier found into words: [Embedded] says what to
// change in an image, [Refiner] says a prompt more plainly. Both know the embedded
// world's language and rules (package clipart) and nothing of how an image was
// drawn.
package reflector
