// Package tuning trains the networks of an embedded world: the autoencoder, the base (the
// transformer and its text encoders), the corrector (a LoRA), the detector, the pairwise
// verifier and the judge.
//
// # Stages
//
// A [Recipe] determines all networks. It is read from YAML by [ReadRecipe] and has one
// section per stage. [Train] trains one stage and adds its network to a model folder in the
// layout of diffusers; [Stages] lists the stages in the order in which they build on each
// other, with what each one learns, needs and writes. Training data is rendered, so it needs
// no download; the corrector and the verifier can also learn from GenRef sets (package
// genref).
//
// A recipe may name a model of FLUX.1 or FLUX.2 instead ([BaseFiles], [StageOptions].Base): the
// corrector is then trained on it, block by block, and its weights stay in their files. [Plan]
// says what that takes.
//
// # Tasks
//
// A [Task] is what one training learns: a loss as a graph function, and batches that depend on
// their index alone. [Run] is the training loop: gradients, clipping by the global norm, the
// optimizer (AdamW, Muon or Prodigy), moving averages of the weights, metrics, samples and
// checkpoints. [Stepper] makes single steps, for benchmarks.
//
// All randomness of a step derives from the seed and the step. A training that was interrupted
// and resumed is byte-identical to one that was not, on the same machine and backend.
package tuning
