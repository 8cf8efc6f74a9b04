package geneval

import (
	"errors"
	"fmt"
	"slices"
)

// unscoredFile lists the searches that failed for a transient reason.
const unscoredFile = "unscored.jsonl"

// Unscored is a line of unscored.jsonl: a search that failed for a reason that may
// pass, such as a server that did not answer. It says nothing about the strategy, so
// it is neither right nor wrong. A later call of [Evaluation.Run] repeats the search; a
// search that results.jsonl records counts as scored, whatever is listed here.
type Unscored struct {
	Strategy string `json:"strategy"`
	Budget   int    `json:"budget"` // the largest that the search answers for; 0 for a probe of difficulty
	Sample   int    `json:"sample"`
	Index    int    `json:"index"` // of the prompt, from 0
	Error    string `json:"error"`
}

func (u Unscored) check() error {
	if u.Index < 0 || u.Sample < probeSample || u.Budget < 0 || u.Budget > maxBudget {
		return fmt.Errorf("search of prompt %d with sample %d and budget %d", u.Index, u.Sample, u.Budget)
	}
	return nil
}

func (u Unscored) key() search { return search{u.Strategy, u.Budget, u.Sample, u.Index} }

// failure is why a trajectory cannot be scored: the error of a candidate that is worth
// generating or verifying again. It is empty where the trajectory can be scored.
func (t Trajectory) failure() string {
	for _, c := range t.Candidates {
		switch {
		case !c.Retryable():
		case c.Error != "":
			return c.Error
		default:
			return "not verified: " + c.Score.Unanswered
		}
	}
	return ""
}

// skip records a search that cannot be scored.
func (s *sitting) skip(key search, reason string) error {
	u := Unscored{key.strategy, key.budget, key.sample, key.index, reason}
	if err := s.folder.unscored.append(u); err != nil {
		return err
	}
	s.failed[key] = true
	s.results.Unscored = append(s.results.Unscored, u)
	return nil
}

// missing lists the searches that are not scored because they failed, each once with
// its last error, in the order of their first failure. Probes of difficulty are not
// among them.
func (r Results) missing() []Unscored {
	done := make(map[search]bool)
	groups, _, err := r.Manifest.group(r.Records, r.Prompts)
	if err != nil {
		return nil // ReadResults has refused it
	}
	for _, g := range groups {
		done[g] = true
	}
	var list []Unscored
	for _, u := range r.Unscored {
		if done[u.key()] || u.Sample == probeSample {
			continue
		}
		if at := slices.IndexFunc(list, func(v Unscored) bool { return v.key() == u.key() }); at >= 0 {
			list[at] = u
			continue
		}
		list = append(list, u)
	}
	return list
}

// missingOf counts the missing searches of a row.
func (r Results) missingOf(strategy string, budget int) int {
	arm, ok := r.Manifest.arm(strategy)
	if !ok {
		return 0
	}
	n := 0
	for _, u := range r.missing() {
		if u.Strategy == strategy && (arm.Nested || u.Budget == budget) {
			n++
		}
	}
	return n
}

// errMissing is what ends an evaluation with searches that could not be scored.
func (r Results) errMissing() error {
	list := r.missing()
	if len(list) == 0 {
		return nil
	}
	_, total := r.Finished()
	return fmt.Errorf("%d of %d searches are not scored because they failed, the first of %s for prompt %d: %w; give the same command again to repeat them",
		len(list), total, list[0].Strategy, list[0].Index+1, errors.New(list[0].Error))
}
