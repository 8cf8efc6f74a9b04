package assemble_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/visiontest"
)

// networkConfig is a configuration with one verifier of a network, and servers that are not asked.
func networkConfig(t *testing.T, verifier string) (*assemble.Builder, error) {
	t.Helper()
	text := `
endpoints: {e: {url: 'http://localhost:1/v1', cache: none}}
generators: {g: {type: remote, url: 'openai+http://localhost:1/v1?model=m'}}
reflectors: {r: {type: chat, endpoint: e}}
refiners: {r: {type: chat, endpoint: e}}
parsers: {p: {type: chat, endpoint: e}}
verifiers: {v: ` + verifier + "}\n"
	c, err := assemble.ParseConfig("f.yaml", []byte(text), "/")
	if err != nil {
		return nil, err
	}
	return assemble.NewBuilder(c, assemble.Environment{}), nil
}

// A network is described before it is loaded, loaded with the engine, and freed with it.
func TestNetworksAreLoadedWithTheEngine(t *testing.T) {
	b, err := networkConfig(t, fmt.Sprintf("{type: clip, path: %q}", visiontest.Folder(t, "clip", nil)))
	if err != nil {
		t.Fatal(err)
	}
	model, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(model.Abilities.Kinds, reflectionflow.Style) {
		t.Errorf("abilities %v", model.Abilities)
	}
	engine, err := model.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	samples := visiontest.PromptedImages(t)
	if _, err := engine.Verify(t.Context(), samples); err != nil {
		t.Error(err)
	}
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
	if _, err := engine.Verify(t.Context(), samples); err == nil {
		t.Error("the network is there after Close")
	}
}

// What a run would lack is found when it is configured or opened, in one line that names the part.
func TestNetworksThatCannotBeLoaded(t *testing.T) {
	damaged, siglip := visiontest.Folder(t, "clip", visiontest.NaN), visiontest.Folder(t, "siglip", nil)
	for _, c := range []struct{ verifier, want string }{
		{"{type: clip}", "verifiers.v: a verifier of type clip needs a path"},
		{"{type: clip, path: /nowhere}", "there is no folder /nowhere"},
		{fmt.Sprintf("{type: clip, path: %q}", siglip), `is a model of type "siglip"`},
		{fmt.Sprintf("{type: clip, path: %q}", damaged), "not finite"},
		{fmt.Sprintf("{type: clip, path: %q, met: 3}", damaged), "met 3"},
		{fmt.Sprintf("{type: clip, path: %q, head: x}", damaged), "no such key"},
		{fmt.Sprintf("{type: owlv2, path: %q}", siglip), `is a model of type "siglip"`},
		{fmt.Sprintf("{type: owlv2, path: %q, threshold: 7}", siglip), "threshold 7"},
		{fmt.Sprintf("{type: reward, path: %q}", damaged), "name the kind"},
		{fmt.Sprintf("{type: reward, path: %q, reward: hpsv2}", siglip), `is a model of type "siglip"`},
		{fmt.Sprintf("{type: reward, path: %q, head: /nowhere/head.safetensors}", visiontest.Folder(t, "clip", nil)), "head.safetensors"},
	} {
		b, err := networkConfig(t, c.verifier)
		if err == nil {
			var model assemble.Model
			if model, err = b.Model(); err == nil {
				_, err = model.Open(t.Context(), "")
			}
			if found := b.TryVerifier(t.Context(), "v"); found.Err == nil || !strings.Contains(found.Err.Error(), c.want) {
				t.Errorf("%s: tried: %v", c.verifier, found.Err)
			}
		}
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", c.verifier, err, c.want)
		}
	}
}

// The check of a configuration says what was assumed.
func TestTriesNetworks(t *testing.T) {
	detector, err := networkConfig(t, fmt.Sprintf("{type: owlv2, path: %q}", visiontest.Folder(t, "owlv2", nil)))
	if err != nil {
		t.Fatal(err)
	}
	if found := detector.TryVerifier(t.Context(), "v"); found.Err != nil || !slices.Equal(found.Supports, []string{"findings"}) {
		t.Errorf("%+v", found)
	}
	folder := visiontest.Folder(t, "clip", nil)
	b, err := networkConfig(t, fmt.Sprintf("{type: reward, path: %q, reward: pickscore}", folder))
	if err != nil {
		t.Fatal(err)
	}
	found := b.TryVerifier(t.Context(), "v")
	if found.Err != nil || found.At != folder || len(found.Supports) != 2 || found.Supports[0] != "no findings" || !strings.Contains(found.Supports[1], "preprocessor_config.json") {
		t.Errorf("%+v", found)
	}
}

// A run that is resumed with other weights is refused.
func TestWeightsOfNetworksAreRecorded(t *testing.T) {
	folder := visiontest.Folder(t, "clip", nil)
	text := fmt.Sprintf("generators: {g: {type: remote, url: 'openai+http://localhost:1/v1?model=m'}}\nverifiers: {v: {type: clip, path: %q}}\n", folder)
	c, err := assemble.ParseConfig("f.yaml", []byte(text), "/")
	if err != nil {
		t.Fatal(err)
	}
	record, err := assemble.Record(c, assemble.Library{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := assemble.FromRecord(record, assemble.Library{}); err != nil {
		t.Error(err)
	}
	visiontest.Rewrite(t, folder, visiontest.NaN)
	if _, err := assemble.FromRecord(record, assemble.Library{}); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "are not those that the run started with") {
		t.Errorf("other weights: %v", err)
	}
}
