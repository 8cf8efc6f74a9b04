// Package verifier scores images against prompts. [Embedded] does it with two
// small networks of an embedded world: a detector (package detect), which says how
// likely each requirement is met, and a reward network (package reward), which
// prefers one image to another.
package verifier
