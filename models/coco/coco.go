// Package coco embeds the weights of SSDLite MobileNetV2, a detector of the 80 COCO classes in
// photographs. README.md is its model card. Package vision/ssdlite runs it.
package coco

import _ "embed"

// Name is the name of the weights in errors.
const Name = "models/coco/model.safetensors"

// Weights is the safetensors file: float16, batch norms folded, kernels [height, width, in, out].
//
//go:embed model.safetensors
var Weights []byte
