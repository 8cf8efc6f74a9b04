package genref

// renamedReasons are the reasons of [Effort.Skipped] and [Annotation.Skipped] in sets of
// earlier versions, with their present wording.
var renamedReasons = map[string]string{
	"prompts without a wrong picture":                SkippedAllRight,
	"prompts without a right picture":                SkippedNoRight,
	"prompts whose pictures score alike":             SkippedAlike,
	"wrong pictures that no correction put right":    SkippedUncorrected,
	"prompts whose longer wording draws no better":   SkippedNoBetter,
	"prompts with fewer than two pictures":           SkippedNoPair,
	"pictures that were not drawn":                   SkippedFailed,
	"pictures neither right nor clearly wrong":       SkippedUnsure,
	"wrong pictures without an instruction":          SkippedNoFix,
	"wrong pictures equal to the right one":          SkippedSame,
	"wrong pictures beyond the most that are paired": SkippedMany,
	"triplets that the set has already":              SkippedDuplicate,
	"wrong pictures that could not be put right":     SkippedNotRepaired,
	"scenes without a fault to make":                 SkippedNoFlaw,
	"rows without a picture that can be read":        SkippedNoImage,
	"rows whose two pictures are the same":           SkippedSamePair,
	"files that are damaged":                         SkippedDamaged,
	"pictures that do not decode":                    SkippedBadImage,
	"prompts that are none":                          SkippedBadPrompt,
}

// currentReason returns the present wording of a stored reason.
func currentReason(reason string) string {
	if renamed, ok := renamedReasons[reason]; ok {
		return renamed
	}
	return reason
}

// renameReasons replaces reasons of earlier versions.
func (e *Effort) renameReasons() {
	for reason, n := range e.Skipped {
		if renamed := currentReason(reason); renamed != reason {
			delete(e.Skipped, reason)
			e.Skipped[renamed] += n
		}
	}
}
