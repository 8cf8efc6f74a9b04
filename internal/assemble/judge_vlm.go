package assemble

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"reflectionflow/geneval"
	"reflectionflow/internal/config"
)

func vlmJudge() partType[config.Judge, JudgePlan] {
	return partType[config.Judge, JudgePlan]{
		Type: config.Type{
			Kind: config.Judges, Name: "vlm", Keys: []string{"endpoint"},
			Summary: "a vision-language model, by the probability of its answers (Soft-TIFA); its server must return log-probabilities",
		},
		build: (*Builder).vlmJudge,
	}
}

// vlmJudge is the judge that asks the endpoint of the entry, or the only endpoint where
// there is no entry.
func (b *Builder) vlmJudge(_ string, j config.Judge) (JudgePlan, error) {
	if j.Endpoint == "" {
		names := slices.Sorted(maps.Keys(b.config.Endpoints))
		if len(names) != 1 {
			return JudgePlan{}, b.config.Errorf("judges", "the judge vlm asks an endpoint: write endpoints and judges: {mine: {type: vlm, endpoint: NAME}} into a configuration (it has %s)", cmp.Or(strings.Join(names, ", "), "no endpoint"))
		}
		j.Endpoint = names[0]
	}
	client, err := b.client(j.Endpoint)
	if err != nil {
		return JudgePlan{}, err
	}
	return JudgePlan{
		Networks: []string{b.networkOf(j.Endpoint)},
		Suits: func(m geneval.Metadata) error {
			_, err := m.Asked()
			return err
		},
		Open: func(context.Context, string) (*Judge, error) {
			return &Judge{Judge: geneval.NewAsking(client), Known: knownPhotographs}, nil
		},
	}, nil
}

// judgeOf names a judge that needs the probabilities of an endpoint's answers; empty for
// none.
func (b *Builder) judgeOf(endpoint string) string {
	for _, name := range slices.Sorted(maps.Keys(b.config.Judges)) {
		if b.config.Judges[name].Endpoint == endpoint {
			return name
		}
	}
	return ""
}
