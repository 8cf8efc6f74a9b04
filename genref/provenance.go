package genref

import (
	"bytes"
	"encoding/json"
)

// Provenance is the origin of a triplet, the member provenance.json.
//
// All samples of a set have the same fields of the same types, so that readers that
// infer a schema from the first samples, such as Hugging Face datasets, can read the set.
type Provenance struct {
	Source  string `json:"source"`
	Model   string `json:"model,omitempty"`
	Licence string `json:"licence,omitempty"` // SPDX identifier
	// Origin names the row of the imported set.
	Origin string `json:"origin,omitempty"`
	// Prompt is the enhanced image's prompt, if it is not that of the triplet.
	Prompt string `json:"prompt,omitempty"`
	// Enhanced and Flawed record how the images were generated.
	Enhanced ImageRecord `json:"enhanced"`
	Flawed   ImageRecord `json:"flawed"`
	// PassRate is the share of right images among the judged images of the prompt, in
	// [0, 1]; 0 for sources that do not judge.
	PassRate float64 `json:"pass_rate"`
	// Distance is the mean absolute difference of the images' pixels, in [0, 1]; 0 for
	// sources that do not compare.
	Distance float64 `json:"distance"`
}

// ImageRecord is the request of an image, except for its prompt, and its score.
type ImageRecord struct {
	Seed     uint64  `json:"seed"` // at most [reflectionflow.MaxSeed]
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Guidance float64 `json:"guidance"`
	// ReferenceCaption is that of the request: what the reflector saw in the flawed image.
	ReferenceCaption string  `json:"reference_caption"`
	Score            float64 `json:"score"`
	// Rewards are the scores that Score combines, by name.
	Rewards        map[string]float64 `json:"rewards,omitempty"`
	PerceptualHash *PerceptualHash    `json:"look,omitempty"`
}

// decimal is a float that is encoded with a decimal point or an exponent. Readers such as
// Arrow take 1 for an integer and refuse a column that also has 0.5.
type decimal float64

// MarshalJSON implements [json.Marshaler].
func (d decimal) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(float64(d))
	if err == nil && !bytes.ContainsAny(data, ".e") {
		data = append(data, ".0"...)
	}
	return data, err
}

// MarshalJSON implements [json.Marshaler].
func (p Provenance) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Source   string      `json:"source"`
		Model    string      `json:"model,omitempty"`
		Licence  string      `json:"licence,omitempty"`
		Origin   string      `json:"origin,omitempty"`
		Prompt   string      `json:"prompt,omitempty"`
		Enhanced ImageRecord `json:"enhanced"`
		Flawed   ImageRecord `json:"flawed"`
		PassRate decimal     `json:"pass_rate"`
		Distance decimal     `json:"distance"`
	}{p.Source, p.Model, p.Licence, p.Origin, p.Prompt, p.Enhanced, p.Flawed, decimal(p.PassRate), decimal(p.Distance)})
}

// MarshalJSON implements [json.Marshaler].
func (r ImageRecord) MarshalJSON() ([]byte, error) {
	var rewards map[string]decimal
	for name, score := range r.Rewards {
		if rewards == nil {
			rewards = make(map[string]decimal, len(r.Rewards))
		}
		rewards[name] = decimal(score)
	}
	return json.Marshal(struct {
		Seed             uint64             `json:"seed"`
		Width            int                `json:"width"`
		Height           int                `json:"height"`
		Steps            int                `json:"steps"`
		Guidance         decimal            `json:"guidance"`
		ReferenceCaption string             `json:"reference_caption"`
		Score            decimal            `json:"score"`
		Rewards          map[string]decimal `json:"rewards,omitempty"`
		PerceptualHash   *PerceptualHash    `json:"look,omitempty"`
	}{r.Seed, r.Width, r.Height, r.Steps, decimal(r.Guidance), r.ReferenceCaption, decimal(r.Score), rewards, r.PerceptualHash})
}
