package reflectionflow

// Action is how a candidate came to be.
type Action string

// The actions of a search.
const (
	Explore Action = "explore" // fresh noise, the prompt as it is
	Rewrite Action = "rewrite" // fresh noise, a refined prompt
	Reflect Action = "reflect" // the corrector redraws the parent
)

// Candidate is one image ever drawn. Chains are followed through Parent.
type Candidate struct {
	ID     int    `json:"id"`     // position in the search's order, from 0
	Parent int    `json:"parent"` // ID of the candidate it grew from, -1 for none
	Round  int    `json:"round"`  // from 0
	Chain  int    `json:"chain"`  // from 0 to width-1
	Action Action `json:"action"`
	// Reason says in a phrase why the search chose this action; empty where the
	// strategy leaves no choice. It is for people: never parsed.
	Reason  string  `json:"reason,omitempty"`
	Request Request `json:"request"`
	// Abandoned lists the noises that were given up on an early estimate before
	// that of Request was drawn to the end, in order. Their costs are in Cost.
	Abandoned []Abandoned `json:"abandoned,omitempty"`
	Score     Score       `json:"score"`
	// Unseeded is set when the generator did not draw with the request's seed, or did
	// not confirm it: the same request may give another image.
	Unseeded bool `json:"unseeded,omitempty"`
	// Error says why nothing was drawn; it is empty for an image. A candidate
	// with an error has a zero Score and is never the best.
	Error string `json:"error,omitempty"`
	// Cost of this candidate alone: drawing, verifying, reflecting, refining.
	Cost Cost `json:"cost"`
}

// Abandoned is a noise that was not drawn to the end.
type Abandoned struct {
	Seed  uint64 `json:"seed"`
	Steps int    `json:"steps"` // denoising steps taken
}

// Steps is what the candidate takes of a budget, in denoising steps: those of its
// image, drawn or failed, and those that were taken of abandoned noises.
func (c Candidate) Steps() int {
	steps := c.Request.Steps
	for _, a := range c.Abandoned {
		steps += a.Steps
	}
	return steps
}

// Result is what a search hands back.
type Result struct {
	Prompt     Prompt      `json:"prompt"`
	Candidates []Candidate `json:"candidates"` // in ID order
	Best       int         `json:"best"`       // ID of the best ever seen, -1 for none; ties go to the lower ID
	Stopped    StopReason  `json:"stopped"`
	Cost       Cost        `json:"cost"` // sum over the candidates
}

// StopReason says why a search ended.
type StopReason string

// The reasons a search can end for.
const (
	StoppedRight  StopReason = "right"  // a candidate met every requirement
	StoppedBudget StopReason = "budget" // the budget is spent
)
