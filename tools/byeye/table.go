package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart/template"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/models/clipart"
	"reflectionflow/nn"
	"reflectionflow/verifier"
	"reflectionflow/verifier/detect"
)

// labelled is an image with what the person said.
type labelled struct {
	picked
	number int
	right  bool
}

// read pairs the labels with the images of the folders, by their pixels.
func read(labels string, dirs []string) (list []labelled, undecidable int, err error) {
	data, err := os.ReadFile(labels)
	if err != nil {
		return nil, 0, err
	}
	known := make(map[string]picked)
	for _, dir := range dirs {
		all, err := images(dir)
		if err != nil {
			return nil, 0, err
		}
		for _, p := range all {
			known[p.record.Prompt+p.sum] = p
		}
	}
	for i, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n")[1:] {
		f := strings.Split(line, "\t") // number, set, image, pixels, prompt, label, note
		if len(f) < 7 {
			return nil, 0, fmt.Errorf("%s, line %d: %d columns, want 7", labels, i+2, len(f))
		}
		p, ok := known[f[4]+f[3]]
		switch {
		case !ok:
			fmt.Fprintf(os.Stderr, "image %s (%s) is not in the folders\n", f[0], f[4])
		case f[5] == "undecidable":
			undecidable++
		case f[5] == "right" || f[5] == "wrong":
			list = append(list, labelled{p, i + 1, f[5] == "right"})
		default:
			return nil, 0, fmt.Errorf("%s, line %d: label %q: use right, wrong or undecidable", labels, i+2, f[5])
		}
	}
	return list, undecidable, nil
}

// reader decides whether an image is right.
type reader struct {
	name   string
	decide func(ctx context.Context, p picked) (bool, error)
}

func table(ctx context.Context, labels string, dirs []string) error {
	list, undecidable, err := read(labels, dirs)
	if err != nil {
		return err
	}
	all, err := readers(ctx)
	if err != nil {
		return err
	}
	right := 0
	for _, l := range list {
		if l.right {
			right++
		}
	}
	fmt.Printf("%d decidable images, %d right and %d wrong by eye; %d undecidable.\n\n", len(list), right, len(list)-right, undecidable)
	fmt.Print("| reader | agrees | kappa (95%) | passes a wrong one | rejects a right one | differs on |\n| --- | --: | --: | --: | --: | --- |\n")
	for _, r := range all {
		said := make([]bool, len(list))
		for i, l := range list {
			if said[i], err = r.decide(ctx, l.picked); err != nil {
				return fmt.Errorf("%s on image %d: %w", r.name, l.number, err)
			}
		}
		fmt.Println(row(r.name, list, said, right))
	}
	return nil
}

// row is the line of a reader.
func row(name string, list []labelled, said []bool, right int) string {
	passed, rejected := 0, 0
	var differs []string
	for i, l := range list {
		switch {
		case said[i] == l.right:
			continue
		case said[i]:
			passed++
			differs = append(differs, fmt.Sprintf("**%d**", l.number))
		default:
			rejected++
			differs = append(differs, fmt.Sprint(l.number))
		}
	}
	n := len(list)
	low, high := kappaBounds(list, said)
	return fmt.Sprintf("| %s | %d of %d (%.1f%%) | %.2f (%.2f–%.2f) | %s | %s | %s |", name, n-passed-rejected, n, 100*float64(n-passed-rejected)/float64(n),
		kappa(list, said, nil), low, high, share(passed, n-right), share(rejected, right), strings.Join(differs, ", "))
}

// share is a count with the exact (Clopper–Pearson) interval of its share.
func share(k, n int) string {
	low, high := 0.0, 1.0
	if k > 0 {
		low = solve(func(p float64) bool { return 1-atMost(k-1, n, p) < 0.025 })
	}
	if k < n {
		high = solve(func(p float64) bool { return atMost(k, n, p) > 0.025 })
	}
	return fmt.Sprintf("%d of %d (%.1f–%.1f%%)", k, n, 100*low, 100*high)
}

// atMost is the probability of at most k successes in n trials.
func atMost(k, n int, p float64) (sum float64) {
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// solve finds the share below which a condition holds.
func solve(below func(p float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 50 {
		if mid := (low + high) / 2; below(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// kappa is Cohen's kappa of the labels and what a reader said, of the images with these
// indices, or of all.
func kappa(list []labelled, said []bool, indices []int) float64 {
	if indices == nil {
		for i := range list {
			indices = append(indices, i)
		}
	}
	agreed, one, two := 0.0, 0.0, 0.0
	for _, i := range indices {
		if said[i] == list[i].right {
			agreed++
		}
		if list[i].right {
			one++
		}
		if said[i] {
			two++
		}
	}
	n := float64(len(indices))
	chance := (one*two + (n-one)*(n-two)) / (n * n)
	if chance == 1 {
		return 1
	}
	return (agreed/n - chance) / (1 - chance)
}

// kappaBounds is the bootstrap interval of kappa.
func kappaBounds(list []labelled, said []bool) (low, high float64) {
	const times = 2000
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible on purpose
	values := make([]float64, times)
	for t := range values {
		indices := make([]int, len(list))
		for i := range indices {
			indices[i] = rng.IntN(len(list))
		}
		values[t] = kappa(list, said, indices)
	}
	slices.Sort(values)
	return values[int(math.Round(0.025*times))], values[int(math.Round(0.975*times))-1]
}

// readers are detector and judge, each as it is and with what nobody can see, and the template.
func readers(ctx context.Context) ([]reader, error) {
	model, err := assemble.Embedded().Find("")
	if err != nil {
		return nil, err
	}
	backend, err := nn.OpenBackend("")
	if err != nil {
		return nil, err
	}
	verify, err := model.OpenVerifier(ctx, "", "detector")
	if err != nil {
		return nil, err
	}
	judge, err := model.OpenJudge(ctx, "")
	if err != nil {
		return nil, err
	}
	bare := make(map[string]*detect.Detector)
	for _, name := range []string{"detector", "judge"} {
		if bare[name], err = detect.Load(backend, clipart.Files, name); err != nil {
			return nil, err
		}
	}
	return []reader{
		{"detector", byVerifier(verify)},
		{"detector without the floor", byVerifier(verifier.New(bare["detector"], nil, verifier.Options{RewardWeight: -1}))},
		{"judge", byRules(judge, geneval.ThresholdsOf(judge))},
		{"judge without the floor", byRules(bare["judge"], geneval.ThresholdsOf(judge))},
		{"template", byRules(template.New(), geneval.Thresholds{Score: math.Nextafter(template.MinLikeness, 0), Counting: math.Nextafter(template.MinLikeness, 0)})},
	}, nil
}

func byVerifier(v reflectionflow.Verifier) func(context.Context, picked) (bool, error) {
	return func(ctx context.Context, p picked) (bool, error) {
		prompt, err := p.prompt.AsPrompt()
		if err != nil {
			return false, err
		}
		scores, err := v.Verify(ctx, []reflectionflow.PromptedImage{{Prompt: prompt, Image: p.image}})
		return err == nil && scores[0].Right(), err
	}
}

// at is a detector with thresholds.
type at struct {
	geneval.Detector
	thresholds geneval.Thresholds
}

// Thresholds implements [geneval.Calibrated].
func (a at) Thresholds() geneval.Thresholds { return a.thresholds }

func byRules(d geneval.Detector, t geneval.Thresholds) func(context.Context, picked) (bool, error) {
	judge := geneval.ByRules(at{d, t})
	return func(ctx context.Context, p picked) (bool, error) {
		judgments, err := judge.Judge(ctx, []geneval.Case{{Metadata: p.prompt, Image: p.image}})
		return err == nil && judgments[0].Correct, err
	}
}
