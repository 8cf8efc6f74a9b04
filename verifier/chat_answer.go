package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

// verdictSchema returns the form of the answer. Every requirement has a property of its
// own, so that a server that enforces schemas neither omits nor adds one. Models write
// properties in their order: first what they see, then the verdict.
func verdictSchema(items []chatItem) json.RawMessage {
	const verdict = `{"type":"object","additionalProperties":false,"required":["seen","objects",%s"verdict","probability"],"properties":{` +
		`"seen":{"type":"string"},` +
		`"objects":{"type":"array","maxItems":8,"items":{"type":"object","additionalProperties":false,"required":["class","color","box"],"properties":{` +
		`"class":{"type":"string"},"color":{"type":"string"},` +
		`"box":{"type":"array","minItems":4,"maxItems":4,"items":{"type":"number","minimum":0,"maximum":1}}}}},%s` +
		`"verdict":{"type":"string","enum":["met","not_met","unsure"]},` +
		`"probability":{"type":"number","minimum":0,"maximum":1}}}`
	var ids, verdicts []string
	for _, item := range items {
		key, answer := "", ""
		if item.answered {
			key, answer = `"answer",`, `"answer":{"type":"string"},`
		}
		ids = append(ids, `"`+item.ID+`"`)
		verdicts = append(verdicts, `"`+item.ID+`":`+fmt.Sprintf(verdict, key, answer))
	}
	return json.RawMessage(`{"type":"object","additionalProperties":false,"required":["verdicts","quality"],"properties":{` +
		`"verdicts":{"type":"object","additionalProperties":false,"required":[` + strings.Join(ids, ",") + `],"properties":{` + strings.Join(verdicts, ",") + `}},` +
		`"quality":{"type":"number","minimum":0,"maximum":10}}}`)
}

// chatAnswer is a model's answer. Verdicts are decoded one by one, so that an invalid one
// does not affect the others.
type chatAnswer struct {
	Verdicts map[string]json.RawMessage `json:"verdicts"`
	Quality  json.RawMessage            `json:"quality"`
}

type chatVerdict struct {
	Seen        string                 `json:"seen"`
	Answer      string                 `json:"answer"`
	Verdict     reflectionflow.Verdict `json:"verdict"`
	Probability *float64               `json:"probability"`
	Objects     []chatObject           `json:"objects"`
}

type chatObject struct {
	Class string    `json:"class"`
	Color string    `json:"color"`
	Box   []float64 `json:"box"`
}

// check returns an error that tells the model what to correct.
func (a *chatAnswer) check(items []chatItem) error {
	var wrong []string
	asked := map[string]bool{}
	for _, item := range items {
		asked[item.ID] = true
		v, err := a.consistent(item)
		if err == nil && item.evidenced && v.unfounded() {
			err = fmt.Errorf("%s is met, but no object is named that it rests on", item.ID)
		}
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.Verdicts)) {
		if !asked[id] {
			wrong = append(wrong, fmt.Sprintf("there is no requirement %q", firstBytes(id, 32)))
		}
	}
	if q, err := a.quality(); err != nil || q < 0 || q > 10 {
		wrong = append(wrong, "quality must be a number from 0 to 10")
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong[:min(len(wrong), 8)], "; "))
	}
	return nil
}

// verdict returns the verdict on a requirement, or an error if it is missing or invalid.
func (a *chatAnswer) verdict(id string) (chatVerdict, error) {
	raw, ok := a.Verdicts[id]
	if !ok {
		return chatVerdict{}, fmt.Errorf("verdict %s is missing", id)
	}
	var v chatVerdict
	if err := json.Unmarshal(raw, &v); err != nil {
		return chatVerdict{}, fmt.Errorf("verdict %s does not have the form asked for", id)
	}
	switch v.Verdict {
	case reflectionflow.Met, reflectionflow.NotMet, reflectionflow.Unsure:
	default:
		return chatVerdict{}, fmt.Errorf(`the verdict of %s must be "met", "not_met" or "unsure"`, id)
	}
	if v.Probability == nil || !(*v.Probability >= 0 && *v.Probability <= 1) {
		return chatVerdict{}, fmt.Errorf("the probability of %s must be a number from 0 to 1", id)
	}
	return v, nil
}

// consistent returns the verdict on a requirement, or an error if it is missing, invalid or
// contrary to the model's own answer: such a verdict says nothing.
func (a *chatAnswer) consistent(item chatItem) (chatVerdict, error) {
	v, err := a.verdict(item.ID)
	if err == nil && item.contradicted(v) {
		err = fmt.Errorf("%s is %s, which contradicts the answer: it is %s, and asked for was %s", item.ID, v.Verdict, chat.Quote(firstBytes(v.Answer, 32)), chat.Quote(item.Answer))
	}
	return v, err
}

// judges reports whether the answer has a usable verdict on any requirement.
func (a *chatAnswer) judges(items []chatItem) bool {
	return slices.ContainsFunc(items, func(item chatItem) bool {
		_, err := a.consistent(item)
		return err == nil
	})
}

func (a *chatAnswer) quality() (float64, error) {
	var q float64
	err := json.Unmarshal(a.Quality, &q)
	return q, err
}

// unsureConfidence is the confidence of a requirement without a verdict, and the highest
// of one without evidence.
const unsureConfidence = 0.5

// score returns the score of the valid part of the answer.
func (a *chatAnswer) score(p reflectionflow.Prompt, items []chatItem) reflectionflow.Score {
	var score reflectionflow.Score
	var detail []string
	score.Requirements = make([]reflectionflow.Finding, len(p.Requirements))
	total := 0.0
	for _, item := range items {
		finding := reflectionflow.Finding{Verdict: reflectionflow.Unsure, Confidence: unsureConfidence}
		if v, err := a.consistent(item); err == nil {
			finding.Verdict, finding.Confidence = v.settle()
			if item.evidenced && v.unfounded() {
				finding.Verdict, finding.Confidence = reflectionflow.Unsure, min(finding.Confidence, unsureConfidence)
			}
			finding.Evidence = evidence(v.Objects, finding.Confidence)
			if p, missing := missingNeed(p, item.index, score.Requirements); missing {
				finding.Verdict, finding.Confidence = reflectionflow.NotMet, min(finding.Confidence, p)
			}
			total += finding.Confidence
			if v.Seen != "" {
				detail = append(detail, item.Text+": "+firstBytes(v.Seen, 300))
			}
		}
		if item.ID != wholeID {
			finding.Requirement = p.Requirements[item.index]
			score.Requirements[item.index] = finding
		}
	}
	quality, err := a.quality()
	if err != nil {
		quality = 0
	}
	score.Value = (total/float64(len(items)) + min(max(quality, 0), 10)/100) / 1.1
	score.Detail = strings.Join(detail, "\n")
	return score
}

// settle returns a verdict and the probability that the requirement is met. Models often
// state the probability of their verdict instead: not_met with 0.9 is read as 0.1. A
// requirement that is met with less than 0.5 is unsure.
func (v chatVerdict) settle() (reflectionflow.Verdict, float64) {
	p := *v.Probability
	switch {
	case v.Verdict == reflectionflow.NotMet && p > 0.5:
		p = 1 - p
	case v.Verdict == reflectionflow.Met && p < 0.5:
		return reflectionflow.Unsure, p
	}
	return v.Verdict, p
}

// contradicted reports whether a verdict is contrary to the answer in words: another answer
// of the kind that was asked for is not met, and that answer is not not_met.
func (item chatItem) contradicted(v chatVerdict) bool {
	if !item.answered {
		return false
	}
	expected, other := (chat.Question{Answer: item.Answer}).Says(v.Answer)
	return expected && v.Verdict == reflectionflow.NotMet || other && v.Verdict == reflectionflow.Met
}

// unfounded reports whether the requirement is met without naming an object.
func (v chatVerdict) unfounded() bool {
	return v.Verdict == reflectionflow.Met && !slices.ContainsFunc(v.Objects, func(o chatObject) bool { return strings.TrimSpace(o.Class) != "" })
}

// evidence returns the objects with a valid box, at most 8. The corners of a box may come
// in any order. Boxes in pixels are dropped: they cannot be told from mistakes.
func evidence(objects []chatObject, confidence float64) []reflectionflow.Object {
	var kept []reflectionflow.Object
	for _, o := range objects[:min(len(objects), 8)] {
		if o.Class == "" || len(o.Box) != 4 || slices.ContainsFunc(o.Box, func(f float64) bool { return !(f >= 0 && f <= 1) }) {
			continue
		}
		kept = append(kept, reflectionflow.Object{
			Class: firstBytes(o.Class, 64), Color: firstBytes(o.Color, 32), Confidence: math.Max(confidence, 1-confidence),
			Box: [4]float64{min(o.Box[0], o.Box[2]), min(o.Box[1], o.Box[3]), max(o.Box[0], o.Box[2]), max(o.Box[1], o.Box[3])},
		})
	}
	return kept
}

// firstBytes returns foreign text on one line, at most limit bytes, cut between runes.
func firstBytes(text string, limit int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
