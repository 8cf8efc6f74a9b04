// Package reflector turns what a verifier found into words: [Embedded] says what to
// change in a picture, [Refiner] says a prompt more plainly. Both know the embedded
// world's language and rules (package clipart) and nothing of how a picture was
// drawn.
package reflector
