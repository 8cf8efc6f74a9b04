package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/disk"
	"reflectionflow/internal/progress"
	"reflectionflow/verifier"
)

// calibrateOptions are the flags of verifiers calibrate.
type calibrateOptions struct {
	deployment, labels, out string
	composites              int
	verifiers               []string
	method                  string
	pairs                   int
	quiet                   bool
}

const calibrateHelp = `Run verifiers on labeled images and write for each a calibration: the curve from its value
to the probability of a right image, and the values themselves, which ensembles need.

The labeled set is a file with one JSON object per line:

  {"image": "images/0001.png", "prompt": "two clocks and a red cup", "right": true}

image is relative to the file; right is true if the image meets the whole prompt.
"requirements" may list what to check, in the form of a run's candidates.jsonl;
otherwise the configuration's parser reads them from the prompt. "met": [true, false] may
say of each requirement whether it is met. By these, and by images that are right in all
or have one requirement, the findings of each kind of requirement are calibrated too: how
far a "met" can be trusted, with a reliability diagram. A few dozen images of
both kinds are enough for --method platt, a few hundred for isotonic. Results of
GenEval's own scorer become such a set by
  jq -c '{image: .filename, prompt, right: .correct}' results.jsonl

Without a labeled set, --composites N makes one: photographs of objects, pasted into rooms,
with what they show. It is enough to fit thresholds of detectors and colors; it says nothing
about styles, texts and actions, and your generator's images are the better measure.

Thresholds of networks are fitted too: of owlv2 the confidence at which an object is there,
and of all that take them, met and not_met. They are in the calibration's file, and are used
where the configuration names that file and sets none itself.

Each verifier gets a file: the one that its key "calibration" names in the configuration,
or NAME.calibration.json in --out. Calibrate all members of an ensemble on the same set.
Replies of language models are cached: the same command resumes without paying twice.`

func (p *program) verifiersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verifiers",
		Short: "Calibrate verifiers on labeled images",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o calibrateOptions
	calibrate := &cobra.Command{
		Use:     "calibrate --labels FILE",
		Short:   "Measure verifiers on labeled images and fit their probabilities",
		Long:    calibrateHelp,
		Example: `  reflectionflow verifiers calibrate --config deployment.yaml --labels labels.jsonl`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.calibrate(cmd.Context(), o) },
	}
	f := calibrate.Flags()
	f.SortFlags = false
	f.StringVar(&o.labels, "labels", "", "file with the labeled set")
	f.IntVar(&o.composites, "composites", 0, "instead of --labels: so many composites of photographs of known content, which this program makes")
	f.StringVar(&o.deployment, "config", "", "configuration with the verifiers (default: the embedded verifier alone)")
	f.StringSliceVar(&o.verifiers, "verifier", nil, "verifiers to calibrate (default: the one in use, or its members)")
	f.StringVar(&o.method, "method", verifier.Platt, "curve to fit: platt or isotonic")
	f.StringVar(&o.out, "out", ".", "folder for calibrations whose path the configuration does not set")
	f.IntVar(&o.pairs, "pairs", 0, "pairs of a right and a wrong image that language models compare too, in both orders: two questions each")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress")
	cmd.AddCommand(calibrate)
	return cmd
}

// calibrated is a row of the table.
type calibrated struct {
	name, file string
	named      bool   // by the configuration
	pairs      string // what comparing pairs showed; empty for nothing
	diagram    string // file of the reliability diagram; empty for none
	result     verifier.Calibration
	cost       reflectionflow.Cost
}

func (p *program) calibrate(ctx context.Context, o calibrateOptions) error {
	switch {
	case o.labels == "" && o.composites == 0:
		return fmt.Errorf("%w: --labels is missing: name a labeled set, or let --composites N make one", reflectionflow.ErrInvalid)
	case o.labels != "" && o.composites != 0:
		return fmt.Errorf("%w: --labels and --composites: give one of them", reflectionflow.ErrInvalid)
	case o.composites < 0 || o.composites > maxComposites:
		return fmt.Errorf("%w: --composites %d: must be from 1 to %d", reflectionflow.ErrInvalid, o.composites, maxComposites)
	}
	if o.method != verifier.Platt && o.method != verifier.Isotonic {
		return fmt.Errorf("%w: --method %.40q: use %s or %s", reflectionflow.ErrInvalid, o.method, verifier.Platt, verifier.Isotonic)
	}
	c := assemble.NewConfig("the command line")
	if o.deployment != "" {
		var err error
		if c, err = assemble.ReadConfig(o.deployment); err != nil {
			return err
		}
	}
	if o.pairs < 0 {
		return fmt.Errorf("%w: --pairs %d must not be negative", reflectionflow.ErrInvalid, o.pairs)
	}
	names, err := calibratable(c, o.verifiers)
	if err != nil {
		return err
	}
	s := &calibration{program: p, options: o, config: c, builder: p.builder(c)}
	defer s.close()
	if o.composites > 0 {
		s.makeLabels()
	} else {
		if s.labels, err = readLabels(o.labels); err != nil {
			return err
		}
		if err := s.parse(ctx); err != nil {
			return err
		}
	}
	var rows []calibrated
	for _, name := range names {
		row, err := s.run(ctx, name)
		if err != nil {
			return s.explain(ctx, name, err)
		}
		rows = append(rows, row)
	}
	return p.printCalibrations(rows)
}

// calibratable lists the verifiers to calibrate: those asked for, else the one in
// use; for an ensemble its members. A name without an entry is a type.
func calibratable(c *config.Config, asked []string) ([]string, error) {
	if len(asked) == 0 {
		asked = []string{c.Use.Verifier}
	}
	var names []string
	for _, name := range asked {
		v, ok := c.Verifiers[name]
		switch {
		case !ok && name != config.Embedded && !assemble.HasType(config.Verifiers, name):
			known := slices.AppendSeq([]string{config.Embedded, "coco"}, maps.Keys(c.Verifiers))
			slices.Sort(known)
			return nil, fmt.Errorf("%w: unknown verifier %.64q: use one of %s, or one that a configuration names", reflectionflow.ErrInvalid, name, strings.Join(slices.Compact(known), ", "))
		case v.Type != config.Ensemble:
			names = append(names, name)
		}
		for _, m := range v.Members {
			names = append(names, m.Verifier)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func readLabels(path string) ([]verifier.Label, error) {
	f, err := openInput("labels", path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	labels, err := verifier.ReadLabels(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return labels, nil
}

// calibration is one invocation on a labeled set.
type calibration struct {
	program *program
	options calibrateOptions
	config  *config.Config
	builder *assemble.Builder
	labels  []verifier.Label
	prompts []reflectionflow.Prompt // of the labels
	engine  *assemble.Engine        // opened when first needed
}

func (s *calibration) close() {
	if s.engine != nil && s.engine.Closer != nil {
		_ = s.engine.Close() // it was only read
	}
}

// parse finds the requirements of every label; equal prompts are parsed once.
func (s *calibration) parse(ctx context.Context) error {
	own, err := s.program.catalog.Find(s.config.Model)
	if err != nil {
		return err
	}
	parse, err := s.builder.Parser(own)
	if err != nil {
		return err
	}
	known := map[string]reflectionflow.Prompt{}
	for i, l := range s.labels {
		prompt := reflectionflow.Prompt{Text: l.Prompt, Requirements: l.Requirements}
		if len(l.Requirements) == 0 {
			var ok bool
			if prompt, ok = known[l.Prompt]; !ok {
				if prompt, _, err = parse(ctx, l.Prompt); err != nil {
					return fmt.Errorf("%s: label %d: %w", s.options.labels, i+1, err)
				}
				known[l.Prompt] = prompt
			}
		}
		if n := len(l.Met); n > 0 && n != len(prompt.Requirements) {
			return fmt.Errorf("%w: %s: label %d: \"met\" has %d verdicts, and %q has %s", reflectionflow.ErrInvalid, s.options.labels, i+1, n, l.Prompt, progress.Plural(len(prompt.Requirements), "requirement"))
		}
		s.prompts = append(s.prompts, prompt)
	}
	return nil
}

// run calibrates one verifier and writes its file.
func (s *calibration) run(ctx context.Context, name string) (calibrated, error) {
	c := s.config
	row := calibrated{name: name, file: c.Verifiers[name].Calibration, named: c.Verifiers[name].Calibration != ""}
	if !row.named {
		row.file = filepath.Join(s.options.out, name+".calibration.json")
	}
	v, err := s.verifier(ctx, name)
	if err != nil {
		return row, err
	}
	if network, ok := v.(assemble.Loadable); ok {
		if err := network.Load(ctx, config.Compute(c.Backend, c.Precision)); err != nil {
			return row, err
		}
		defer func() { _ = network.Close() }() // it was only read
	}
	tuned, err := s.tune(ctx, name, v)
	if err != nil {
		return row, err
	}
	row.result, row.cost, err = verifier.Calibrate(ctx, name, v, s.examples(name), s.options.method)
	if err != nil {
		return row, err
	}
	s.thresholds(name, tuned, &row.result)
	var text bytes.Buffer
	if err := row.result.Write(&text); err != nil {
		return row, err
	}
	if err := os.MkdirAll(filepath.Dir(row.file), 0o755); err != nil {
		return row, fmt.Errorf("write %s: %w", row.file, err)
	}
	if err := disk.WriteFile(row.file, text.Bytes()); err != nil {
		return row, err
	}
	if row.diagram, err = writeDiagram(row.file, row.result); err != nil {
		return row, err
	}
	row.pairs, err = s.pairs(ctx, name)
	return row, err
}

// verifier builds a verifier without its calibration; the embedded one is loaded
// when the first needs it.
func (s *calibration) verifier(ctx context.Context, name string) (reflectionflow.Verifier, error) {
	c := s.config
	made, err := s.builder.RawVerifier(name)
	if err != nil {
		return nil, err
	}
	if name != config.Embedded && c.Verifiers[name].Type != config.Embedded {
		return made(nil)
	}
	if s.engine == nil {
		model, err := s.program.catalog.Find(c.Model)
		if err != nil {
			return nil, err
		}
		if err := s.program.beginComputing(); err != nil {
			return nil, err
		}
		if s.engine, err = model.Open(ctx, config.Compute(c.Backend, c.Precision)); err != nil {
			return nil, fmt.Errorf("open model %s: %w", model.Name, err)
		}
	}
	return made(s.engine.Verifier)
}

// examples reads the labeled images one by one.
func (s *calibration) examples(name string) iter.Seq2[verifier.Example, error] {
	return func(yield func(verifier.Example, error) bool) {
		for i, l := range s.labels {
			e := verifier.Example{Image: reflectionflow.PromptedImage{Prompt: s.prompts[i]}, Right: *l.Right, Met: l.Met}
			var err error
			e.Image.Image, err = s.image(i)
			if !s.options.quiet && i%32 == 0 {
				_, _ = fmt.Fprintf(s.program.stderr, "%s: image %d of %d\n", name, i+1, len(s.labels))
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// explain says that the same command resumes an interrupted calibration.
func (s *calibration) explain(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("stopped at verifier %s; the same command resumes with the cached replies: %w", name, context.Canceled)
	}
	return fmt.Errorf("verifier %s: %w", name, err)
}

// printCalibrations prints the measurements, and the lines to add to the configuration.
func (p *program) printCalibrations(rows []calibrated) error {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "VERIFIER\tIMAGES\tRIGHT\tAUC\tBRIER\tCOST\tFILE") // a tabwriter reports at Flush
	for _, r := range rows {
		cost := costOf(r.cost)
		if cost == "" {
			cost = "-"
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%.3f\t%.3f\t%s\t%s\n", r.name, r.result.Examples, r.result.Right, r.result.AUC, r.result.Brier, cost, r.file)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errPrint, err)
	}
	out.WriteString("AUC: how often a right image has a higher value than a wrong one; 0.5 is chance. Brier: mean squared error of the probabilities.\n")
	kinds, err := kindTable(rows)
	if err != nil {
		return err
	}
	out.WriteString(kinds)
	for _, r := range rows {
		if text := thresholdsText(r.name, r.result.Thresholds); text != "" {
			out.WriteString(text + "\n")
		}
		if r.pairs != "" {
			out.WriteString(r.pairs + "\n")
		}
		if r.diagram != "" {
			_, _ = fmt.Fprintf(&out, "Reliability diagram of %s: %s\n", r.name, r.diagram)
		}
		if !r.named {
			_, _ = fmt.Fprintf(&out, "To use it, add to the configuration: verifiers: {%s: {…, calibration: %s}}\n", r.name, r.file)
		}
	}
	return printTo(p.stdout, out.String())
}
