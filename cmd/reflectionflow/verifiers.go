package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
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
	"reflectionflow/internal/endpoint"
	"reflectionflow/verifier"
)

// calibrateOptions are the flags of verifiers calibrate.
type calibrateOptions struct {
	deployment, labels, out string
	verifiers               []string
	method                  string
	quiet                   bool
}

const calibrateHelp = `Verify pictures of which is known whether they are right, and keep for each verifier
how its values relate to that: a curve from value to probability, and the values
themselves, which ensembles compare with.

The labelled set is a file with one JSON object a line:

  {"image": "pictures/0001.png", "prompt": "two clocks and a red cup", "right": true}

image is relative to the file; right says that the picture shows all of what was
asked for. "requirements" may give what is to be checked, in the form of a run's
candidates.jsonl; else the configuration's parser reads it out of the prompt. Some
dozens of pictures of both kinds will do for --method platt, some hundreds for
isotonic. Results of GenEval's own scorer become such a set by
  jq -c '{image: .filename, prompt, right: .correct}' results.jsonl

Each verifier gets a file, named by its key "calibration" in the configuration, or
NAME.calibration.json in --out. All members of an ensemble are to be calibrated on
the same set. Replies of language models are kept in the cache: stopped in whatever
way, the same command goes on without paying for a verdict twice.`

func (p *program) verifiersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verifiers",
		Short: "Calibrate verifiers on labelled pictures",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o calibrateOptions
	calibrate := &cobra.Command{
		Use:     "calibrate --labels FILE",
		Short:   "Measure verifiers on labelled pictures, and turn their values into probabilities",
		Long:    calibrateHelp,
		Example: `  reflectionflow verifiers calibrate --config deployment.yaml --labels labels.jsonl`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.calibrate(cmd.Context(), o) },
	}
	f := calibrate.Flags()
	f.SortFlags = false
	f.StringVar(&o.labels, "labels", "", "the labelled set (required)")
	f.StringVar(&o.deployment, "config", "", "configuration with the verifiers; without one, the embedded verifier is calibrated")
	f.StringSliceVar(&o.verifiers, "verifier", nil, "verifiers to calibrate (default the one in use, or its members)")
	f.StringVar(&o.method, "method", verifier.Platt, "platt or isotonic")
	f.StringVar(&o.out, "out", ".", "folder for the calibrations that the configuration does not name")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress")
	cmd.AddCommand(calibrate)
	return cmd
}

// calibrated is a row of the table.
type calibrated struct {
	name, file string
	named      bool // by the configuration
	result     verifier.Calibration
	cost       reflectionflow.Cost
}

func (p *program) calibrate(ctx context.Context, o calibrateOptions) error {
	if o.labels == "" {
		return fmt.Errorf("%w: --labels is missing: name a labelled set", reflectionflow.ErrInvalid)
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
	names, err := calibratable(c, o.verifiers)
	if err != nil {
		return err
	}
	labels, err := readLabels(o.labels)
	if err != nil {
		return err
	}
	s := &calibration{program: p, options: o, config: c, builder: p.builder(c), labels: labels}
	defer s.close()
	if err := s.parse(ctx); err != nil {
		return err
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
// use; for an ensemble its members.
func calibratable(c *config.Config, asked []string) ([]string, error) {
	if len(asked) == 0 {
		asked = []string{c.Use.Verifier}
	}
	var names []string
	for _, name := range asked {
		v, ok := c.Verifiers[name]
		switch {
		case !ok && name != config.Embedded:
			return nil, fmt.Errorf("%w: there is no verifier %.64q", reflectionflow.ErrInvalid, name)
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

// calibration is one sitting at a labelled set.
type calibration struct {
	program *program
	options calibrateOptions
	config  *config.Config
	builder *assemble.Builder
	labels  []verifier.Label
	prompts []reflectionflow.Prompt // of the labels
	engine  *assemble.Engine        // once it was needed
}

func (s *calibration) close() {
	if s.engine != nil && s.engine.Closer != nil {
		_ = s.engine.Close() // it was only read
	}
}

// parse reads the requirements of every label; equal prompts are read once.
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
	row.result, row.cost, err = verifier.Calibrate(ctx, name, v, s.examples(name), s.options.method)
	if err != nil {
		return row, err
	}
	var text bytes.Buffer
	if err := row.result.Write(&text); err != nil {
		return row, err
	}
	if err := os.MkdirAll(filepath.Dir(row.file), 0o755); err != nil {
		return row, fmt.Errorf("write %s: %w", row.file, err)
	}
	return row, disk.WriteFile(row.file, text.Bytes())
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
		if s.engine, err = model.Open(ctx, c.Backend); err != nil {
			return nil, fmt.Errorf("open model %s: %w", model.Name, err)
		}
	}
	return made(s.engine.Verifier)
}

// maxLabelledImage bounds a file of a labelled set.
const maxLabelledImage = 64 << 20

// examples reads the labelled pictures one by one.
func (s *calibration) examples(name string) iter.Seq2[verifier.Example, error] {
	return func(yield func(verifier.Example, error) bool) {
		for i, l := range s.labels {
			path := l.Image
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(s.options.labels), path)
			}
			e := verifier.Example{Image: reflectionflow.PromptedImage{Prompt: s.prompts[i]}, Right: *l.Right}
			data, err := assemble.ReadFile(path)
			if err == nil {
				e.Image.Image, err = endpoint.DecodeImage(data, endpoint.ImageLimits{Bytes: maxLabelledImage, Side: reflectionflow.MaxSide})
			}
			if errors.Is(err, endpoint.ErrImage) {
				err = fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, path, err)
			}
			if err != nil {
				err = fmt.Errorf("label %d: %w", i+1, err)
			}
			if !s.options.quiet && i%32 == 0 {
				_, _ = fmt.Fprintf(s.program.stderr, "%s: picture %d of %d\n", name, i+1, len(s.labels))
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// explain says how to go on after the calibration was stopped or has failed.
func (s *calibration) explain(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("stopped at verifier %s; the same command goes on with the replies that are kept: %w", name, context.Canceled)
	}
	return fmt.Errorf("verifier %s: %w", name, err)
}

// printCalibrations prints what was measured, and what is left to write into the
// configuration.
func (p *program) printCalibrations(rows []calibrated) error {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "VERIFIER\tPICTURES\tRIGHT\tAUC\tBRIER\tCOST\tFILE") // a tabwriter reports at Flush
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
	out.WriteString("AUC: how often a right picture has the higher value than a wrong one; 0.5 is chance. Brier: mean squared error of the probabilities.\n")
	for _, r := range rows {
		if !r.named {
			_, _ = fmt.Fprintf(&out, "To use it, write into the configuration: verifiers: {%s: {…, calibration: %s}}\n", r.name, r.file)
		}
	}
	return printTo(p.stdout, out.String())
}
