package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/genref"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
	"reflectionflow/reflector"
)

// coin finds every second image right, and scores red and long prompts higher.
type coin struct{}

func (coin) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var out []reflectionflow.Score
	for _, p := range images {
		r, _, b, _ := p.Image.At(0, 0).RGBA()
		s := reflectionflow.Score{Value: float64(r>>8) + float64(b>>8)/1000}
		verdict := reflectionflow.Met
		if r>>8%2 == 1 {
			verdict = reflectionflow.NotMet
			s.Value -= 256
		}
		for _, q := range p.Prompt.Requirements {
			s.Requirements = append(s.Requirements, reflectionflow.Finding{Requirement: q, Verdict: verdict})
		}
		out = append(out, s)
	}
	return out, nil
}

// ending cancels the context at the first image.
type ending struct {
	fake
	end context.CancelFunc
}

func (e ending) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	e.end()
	return e.fake.Generate(ctx, requests)
}

// genrefRun runs the command on a model that is right every second time.
func genrefRun(ctx context.Context, generator reflectionflow.Generator, args ...string) (code int, stdout, stderr string) {
	model := judged(fakeModel(0))
	model.Open = func(context.Context, string) (*assemble.Engine, error) {
		return &assemble.Engine{Generator: generator, Verifier: coin{}, Reflector: reflector.Embedded{}, Refiner: reflector.Refiner{}}, nil
	}
	var out, complaints bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &complaints, catalog: assemble.Catalog{model}}
	code = p.run(ctx, append([]string{"genref"}, args...))
	return code, out.String(), complaints.String()
}

func TestGenrefBuildAndCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	build := []string{"build", "--count", "7", "--shard", "3", "--seed", "5", "--out", dir}
	ended, end := context.WithCancel(context.Background())
	if code, _, stderr := genrefRun(ended, ending{end: end}, build...); code != exitInterrupted || !strings.Contains(stderr, "stopped; 0 triplets of 7 are kept; resume with the same command\n") {
		t.Fatalf("interrupted: exit %d, %q", code, stderr)
	}
	if code, stdout, stderr := genrefRun(context.Background(), fake{}, build...); code != 0 || !strings.Contains(stdout, "7 triplets in 3 shards") {
		t.Fatalf("build: exit %d, %q, %q", code, stdout, stderr)
	}
	if code, stdout, stderr := genrefRun(context.Background(), fake{}, "check", dir); code != 0 || !strings.Contains(stdout, "7 triplets in 3 shards, all intact\nsubsets: 7 rule") {
		t.Fatalf("check: exit %d, %q, %q", code, stdout, stderr)
	}
	for source, subset := range map[string]string{"correction": "rule", "mended": "rule", "reward": "general", "length": "length", "editing": "editing"} {
		dir := filepath.Join(t.TempDir(), "set")
		if code, stdout, stderr := genrefRun(context.Background(), fake{}, "build", "--source", source, "--count", "5", "--out", dir); code != 0 || !strings.Contains(stdout, "5 triplets in 1 shards") {
			t.Fatalf("build %s: exit %d, %q, %q", source, code, stdout, stderr)
		}
		if code, stdout, stderr := genrefRun(context.Background(), fake{}, "check", dir); code != 0 || !strings.Contains(stdout, "subsets: 5 "+subset) {
			t.Fatalf("check %s: exit %d, %q, %q", source, code, stdout, stderr)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "genref_1.tar"), 3000); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := genrefRun(context.Background(), fake{}, "check", dir); code != exitInvalid || !strings.Contains(stdout, "genref_1.tar") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("check of a cut shard: exit %d, %q, %q", code, stdout, stderr)
	}
}

// Only an image generated after a reflection can follow its plan.
func TestPlansAreForPicturesThatFollowThem(t *testing.T) {
	for source, planned := range map[string]bool{"correction": true, "mended": true, "rule": false} {
		dir := filepath.Join(t.TempDir(), "set")
		if code, _, stderr := genrefRun(t.Context(), fake{}, "build", "--source", source, "--count", "5", "--out", dir); code != 0 {
			t.Fatalf("build %s: exit %d, %q", source, code, stderr)
		}
		set, err := genref.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for sample, err := range set.All() {
			if err != nil {
				t.Fatal(err)
			}
			if outlined := strings.Contains(sample.Reflection, ". "); outlined != planned {
				t.Errorf("%s: %q", source, sample.Reflection)
			}
		}
	}
}

// A generator named by its URL generates the images of a set; the model's verifier judges.
func TestGenrefBuildByGeneratorURL(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	dir := filepath.Join(t.TempDir(), "set")
	// The server's stripes are no photographs: the verifier that knows stripes judges them.
	config := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, config, "generators: {sd: {type: remote, url: sdcpp+"+sd.URL+"}}\nuse: {verifier: embedded, reflector: embedded, refiner: embedded, parser: embedded}\n")
	build := []string{"build", "--count", "3", "--batch", "2", "--size", "64", "--steps", "2", "--out", dir, "--config", config}
	if code, stdout, stderr := genrefRun(context.Background(), fake{}, build...); code != 0 || !strings.Contains(stdout, "3 triplets in 1 shards") || len(sd.Generated()) == 0 {
		t.Fatalf("build: exit %d, %q, %q, %d images", code, stdout, stderr, len(sd.Generated()))
	}
	for _, args := range [][]string{
		{"build", "--out", dir + "2", "--generator", "http://localhost:1"},
		{"build", "--out", dir + "2", "--generator", "sdcpp+" + sd.URL, "--source", "editing"},
		{"build", "--out", dir + "2", "--generator", "sdcpp+" + sd.URL, "--source", "mended"},
		{"build", "--out", dir}, // it was begun with the server
	} {
		if code, _, stderr := genrefRun(context.Background(), fake{}, args...); code != exitInvalid || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
}

func TestGenrefRefuses(t *testing.T) {
	out := filepath.Join(t.TempDir(), "set")
	for _, args := range [][]string{
		{"build"},
		{"build", "--out", out, "--source", "dreams"},
		{"build", "--out", out, "--max-pairs", "3", "--source", "reward"},
		{"build", "--out", out, "--combine", "dice", "--source", "reward"},
		{"build", "--out", out, "--rewards", "clip", "--source", "reward"},
		{"build", "--out", out, "--from", "no/where", "--source", "editing"},
		{"build", "--out", out, "--from", out, "--source", "rule"},
		{"build", "--out", out, "--split", "all"},
		{"build", "--out", out, "--split", "dev"},
		{"build", "--out", out, "--prompts", "no/where"},
		{"build", "--out", out, "--count", "0"},
		{"build", "--out", out, "--images", "1"},
		{"build", "--out", out, "--corrections", "2"},
		{"build", "--out", out, "--corrections", "0", "--source", "correction"},
		{"build", "--out", out, "--size", "17"},
		{"build", "--out", out, "--model", "nobody"},
		{"build", "--out", out, "--model", "no/where"},
		{"check"},
		{"check", out},
	} {
		if code, _, stderr := genrefRun(context.Background(), fake{}, args...); code != exitInvalid || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused build left a folder")
	}
}
