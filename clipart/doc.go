// Package clipart is the world of the embedded model: scenes of clip-art objects on plain
// backgrounds, with the 80 object classes and 10 colors of GenEval (arXiv 2310.11513). It needs
// no network and no weights.
//
// # Prompts
//
// [Parse] reads a text into a prompt with typed requirements, and rejects with a reason what
// cannot be required. [ShortCaption] writes requirements in GenEval's wording, [LongCaption] and
// [DetailedCaption] describe a scene. [Classes], [Colors] and [Vocabulary] list what is known.
//
// # Scenes
//
// [Layout] chooses a [Scene] that satisfies requirements, [Scene.Render] renders it, and
// [Scene.Truth] lists its visible objects with their boxes. [Check] and [CheckAll] evaluate
// requirements on such objects, or on those of a detector, by GenEval's rules.
//
// # Corrections
//
// [Fixes] lists what to change for an image to meet its prompt, [Corrections] adds what could be
// misread, and [Instruction] words both. [Repair] plans the corrected scene,
// [LocatedCorrections] takes the places of the corrections from that plan, and [Outline] and
// [Describe] state a layout in a few words.
//
// # Training data
//
// [Sample] and [Sampler] produce random prompts with scenes by [Task] and [Split], [Flaw] a flawed
// variant of a scene with the instruction that corrects it, and [TrainingCaption] the text that a
// generator is trained on.
//
// # Determinism
//
// Rendering uses integer arithmetic only: a scene has the same bytes on every machine. Functions
// that take a random source or a seed are deterministic in it. Everything is safe for concurrent
// use.
//
// The drawings come from permissively licensed icon sets, listed by [Sources]. The command
// atlasgen makes the embedded atlas from them.
package clipart
