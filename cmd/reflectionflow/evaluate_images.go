package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/progress"
)

const evaluateImagesHelp = `Judge images that exist, of any generator, and report accuracy as evaluate does.

IMAGES is a folder in GenEval's layout (00000/samples/0000.png, ... in the order of the
prompts), or GenEval 2's file of images, a JSON object of prompt and path; its paths are
relative to the file, or to the working directory. A prompt without its image is an error. For GenEval 2 the folder
--out gets images-1/score_lists.json, which its scripts read.`

// evaluateImagesCommand judges images that exist.
func (p *program) evaluateImagesCommand() *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "images IMAGES --prompts FILE",
		Short: "Judge images that exist",
		Long:  evaluateImagesHelp,
		Example: `  reflectionflow evaluate images image_paths.json --prompts geneval2_data.jsonl --judge vlm --config judge.yaml
  reflectionflow evaluate images outputs --prompts evaluation_metadata.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.evaluateImages(cmd.Context(), &o, args[0]) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.prompts, "prompts", "", "file of GenEval, GenEval 2, DPG-Bench or T2I-CompBench (required)")
	o.registerJudge(f)
	f.StringVar(&o.search.deployment, "config", "", "configuration of the judge (see: reflectionflow config)")
	o.search.registerCompute(f)
	f.StringVar(&o.out, "out", "runs/images", "folder for the results; that of an interrupted command resumes it")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
	return cmd
}

func (p *program) evaluateImages(ctx context.Context, o *evaluateOptions, from string) error {
	if o.prompts == "" {
		return fmt.Errorf("%w: --prompts is missing: name the file of prompts that the images belong to", reflectionflow.ErrInvalid)
	}
	if err := o.search.checkCompute(); err != nil {
		return err
	}
	c := assemble.NewConfig("the command line")
	if o.search.deployment != "" {
		var err error
		if c, err = assemble.ReadConfig(o.search.deployment); err != nil {
			return err
		}
		o.search.backend, o.search.precision = c.Backend, c.Precision
	}
	b := p.builder(c)
	judge, err := chooseJudge(b, *o, false)
	if err != nil {
		return err
	}
	if judge.Open == nil {
		return fmt.Errorf("%w: images that exist need a judge of this program: coco or vlm", reflectionflow.ErrInvalid)
	}
	judge.by.Shared = "" // no search has chosen the images
	prompts, note, err := o.readFile()
	if err != nil {
		return err
	}
	p.note(*o, note)
	if err := judge.suits(prompts); err != nil {
		return err
	}
	files, err := findImages(from, prompts)
	if err != nil {
		return err
	}
	settings, err := json.Marshal(map[string]any{"images": files})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	s := &evaluationSession{program: p, options: *o, judge: judge}
	s.probe.ImageWidth, s.probe.ImageHeight = 512, 512
	s.evaluation = geneval.Evaluation{
		Prompts: prompts, Strategies: []geneval.Strategy{existing(prompts, files)}, Budgets: []int{1}, Samples: len(files),
		Settings: json.RawMessage(fmt.Sprintf(`{"images":%q}`, assemble.Sum(settings))), Dir: o.out, By: judge.by,
	}
	return s.judgeImages(ctx, b.Ledger)
}

// judgeImages judges the images of the evaluation and reports.
func (s *evaluationSession) judgeImages(ctx context.Context, ledger *endpoint.Ledger) error {
	opened, agreement, err := s.openJudge(ctx)
	if err != nil {
		return err
	}
	defer opened.Close()
	shown := progress.NewEvaluation(s.program.stderr, s.options.quiet)
	s.evaluation.Notify = s.notices(agreement, shown)
	err = s.search(ctx, &assemble.Engine{Ledger: ledger})
	shown.Close()
	if err != nil {
		return s.explain(ctx, err)
	}
	return s.publish()
}

// existing is the strategy that answers with the images of files, one path per sample and
// prompt.
func existing(prompts []geneval.Metadata, files [][]string) geneval.Strategy {
	index := make(map[string]int, len(prompts))
	for i, m := range prompts {
		index[m.Prompt] = i
	}
	return geneval.Strategy{Arm: geneval.Arm{Name: "images", Kind: "images", Nested: true}, Search: func(ctx context.Context, job geneval.Job) error {
		for i, task := range job.Tasks {
			if err := ctx.Err(); err != nil {
				return err
			}
			img, err := readImage(files[job.Sample][index[task.Prompt.Text]])
			if err != nil {
				return err
			}
			t := geneval.Trajectory{Candidates: []reflectionflow.Candidate{{Parent: -1}}, Images: []image.Image{img}}
			if err := job.Done(i, t); err != nil {
				return err
			}
		}
		return nil
	}}
}

// findImages lists the images of the prompts, by sample and prompt. A missing one is an
// error.
func findImages(from string, prompts []geneval.Metadata) ([][]string, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, fmt.Errorf("%w: images: %v", reflectionflow.ErrInvalid, err)
	}
	var files [][]string
	if info.IsDir() {
		for sample := 0; sample == 0 || exists(imageIn(from, 0, sample)); sample++ {
			paths := make([]string, len(prompts))
			for i := range prompts {
				paths[i] = imageIn(from, i, sample)
			}
			files = append(files, paths)
			if sample == maxSamplesRead {
				return nil, fmt.Errorf("%w: images: more than %d samples", reflectionflow.ErrInvalid, maxSamplesRead)
			}
		}
	} else {
		paths, err := readPaths(from, prompts)
		if err != nil {
			return nil, err
		}
		files = append(files, paths)
	}
	missing, first := 0, ""
	for _, paths := range files {
		for i, path := range paths {
			if !exists(path) {
				if missing++; missing == 1 {
					first = fmt.Sprintf("%.80q (%s)", prompts[i].Prompt, path)
				}
			}
		}
	}
	if missing > 0 {
		return nil, fmt.Errorf("%w: images: %d of %d are missing, the first for the prompt %s", reflectionflow.ErrInvalid, missing, len(files)*len(prompts), first)
	}
	return files, nil
}

// exists reports a file.
func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// maxSamplesRead bounds the images per prompt of a folder.
const maxSamplesRead = 64

func imageIn(folder string, index, sample int) string {
	return filepath.Join(folder, fmt.Sprintf("%05d", index), "samples", fmt.Sprintf("%04d.png", sample))
}

// readPaths reads GenEval 2's file of images: prompt to path. A prompt that it lacks has an
// empty path.
func readPaths(from string, prompts []geneval.Metadata) ([]string, error) {
	data, err := assemble.ReadFile(from)
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	var paths map[string]string
	if err := json.Unmarshal(data, &paths); err != nil {
		return nil, fmt.Errorf("%w: images: %s is no JSON object of prompts and paths: %v", reflectionflow.ErrInvalid, from, err)
	}
	list := make([]string, len(prompts))
	for i, m := range prompts {
		if list[i] = paths[m.Prompt]; list[i] == "" || filepath.IsAbs(list[i]) {
			continue
		}
		if beside := filepath.Join(filepath.Dir(from), list[i]); exists(beside) {
			list[i] = beside
		}
	}
	return list, nil
}
