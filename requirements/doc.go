// Package requirements reads what an image must show out of a prompt in plain English,
// without a network.
//
// [Parse] turns "two dogs on a red sofa, watercolor" into requirements: exactly two dogs,
// a couch, the couch is red, the dogs are on it, the style. It reads GenEval's prompts,
// those of GenEval 2, and the common forms of plain English; the page
// docs/reference/requirements.md lists them.
//
// It drops nothing silently. Words that it cannot read become requirements of the kind
// [reflectionflow.Free], and the prompt's notes name them, as they name contradictions, an
// open quote, and a prompt that is not English.
//
// Objects are named by any noun phrase, singular and in lower case; [Class] says which of
// GenEval's 80 classes covers one.
package requirements
