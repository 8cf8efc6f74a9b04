// Package tuning trains the networks of the project: autoencoder, base
// transformer with its text encoders, corrector (LoRA), detector, judge and
// verifier.
//
// A [Task] says what is learnt: a loss as a graph function and batches as a pure
// function of the step's number. [Run] is the loop: gradients, global-norm clip,
// optimiser, moving average, metrics, samples, checkpoints. Everything random in
// a step comes from (seed, step), so a run that was interrupted and resumed is
// bit-identical to one that was not, on the same machine and backend.
package tuning
