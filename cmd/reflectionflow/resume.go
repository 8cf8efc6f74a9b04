package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/run"
)

// only refuses arguments, and flags other than those named: --what takes all else from
// the record.
func only(flags *pflag.FlagSet, args []string, what string, allowed ...string) error {
	var refused []string
	if len(args) > 0 {
		refused = append(refused, "a prompt")
	}
	flags.Visit(func(f *pflag.Flag) {
		if f.Name != what && !slices.Contains(allowed, f.Name) {
			refused = append(refused, "--"+f.Name)
		}
	})
	if len(refused) > 0 {
		return fmt.Errorf("%w: --%s takes everything from the run folder: leave out %s", reflectionflow.ErrInvalid, what, strings.Join(refused, ", "))
	}
	return nil
}

// resume resumes the runs of a folder.
func (p *program) resume(cmd *cobra.Command, o generateOptions, args []string) error {
	if err := only(cmd.Flags(), args, "resume", "json", "quiet", "any-size"); err != nil {
		return err
	}
	folders, err := run.OpenAll(o.resume)
	if err != nil {
		return err
	}
	s := &session{program: p, json: o.json, quiet: o.quiet}
	err = s.adoptFolders(cmd.Context(), folders)
	if err == nil && !slices.ContainsFunc(folders, s.hasSize) {
		err = s.checkSize(folders[0].Manifest(), o, folders[0].Path())
	}
	if err == nil && s.shares() && folders[0].Path() == o.resume {
		err = fmt.Errorf("%w: %s shares its budget with other runs: resume the folder that holds them all", reflectionflow.ErrInvalid, o.resume)
	}
	if err != nil {
		closeFolders(folders)
		return err
	}
	return s.run(cmd.Context(), func() (string, []*run.Folder, error) { return o.resume, folders, nil })
}

// replay repeats a run from its run.json alone, in a new folder. Its prompt was read
// already.
func (p *program) replay(cmd *cobra.Command, o generateOptions, args []string) error {
	if err := only(cmd.Flags(), args, "replay", "out", "json", "quiet", "any-size"); err != nil {
		return err
	}
	m, err := run.ReadManifest(o.replay)
	if err != nil {
		return err
	}
	s := &session{program: p, json: o.json, quiet: o.quiet}
	if err := s.adopt(cmd.Context(), m); err != nil {
		return fmt.Errorf("%s: %w", o.replay, err)
	}
	if err := s.checkSize(m, o, o.replay); err != nil {
		return err
	}
	m.AnySize = m.AnySize || o.anySize
	switch {
	case s.cfg.Seed > reflectionflow.MaxSeed:
		return fmt.Errorf("%w: %s: seed %d: a seed is a whole number from 0 to %d", reflectionflow.ErrInvalid, o.replay, s.cfg.Seed, uint64(reflectionflow.MaxSeed))
	case s.shares():
		return fmt.Errorf("%w: %s: the run shared its budget with other prompts, and a run.json names one: generate with all of them again", reflectionflow.ErrInvalid, o.replay)
	case m.NotReproducible && !o.quiet:
		_, _ = fmt.Fprintf(p.stderr, "the generator of %s took no seeds: the images will differ\n", o.replay)
	}
	build := thisBuild()
	m.Program, m.Build, m.NotReproducible, m.Parsing = programVersion(), &build, false, reflectionflow.Cost{}
	return s.run(cmd.Context(), func() (string, []*run.Folder, error) {
		return createFolders(o.out, s.cfg.Seed, []run.Manifest{m})
	})
}

// sameJSON reports whether two values differ in white space at most: a record that was
// written again, as part of a batch that a kill interrupted, is indented differently.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return bytes.Equal(a, b) || json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// adoptFolders takes model and settings from the folders, which must agree.
func (s *session) adoptFolders(ctx context.Context, folders []*run.Folder) error {
	m := folders[0].Manifest()
	for _, f := range folders[1:] {
		if n := f.Manifest(); n.Model != m.Model || n.Backend != m.Backend || n.Precision != m.Precision || !sameJSON(n.Search, m.Search) || !sameJSON(n.Deployment, m.Deployment) {
			return fmt.Errorf("%w: %s has other settings than the other runs of the batch: resume each run by itself", reflectionflow.ErrInvalid, f.Path())
		}
	}
	if err := s.adopt(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", folders[0].Path(), err)
	}
	return nil
}

// hasSize reports whether a run has an image of the size that its settings ask for.
func (s *session) hasSize(f *run.Folder) bool {
	return slices.ContainsFunc(f.Candidates(), func(c reflectionflow.Candidate) bool {
		return c.Request.Width == s.cfg.ImageWidth && c.Request.Height == s.cfg.ImageHeight
	})
}

// checkSize refuses a recorded size that the model was not made for, unless the user
// insists now or insisted when the record was made.
func (s *session) checkSize(m run.Manifest, o generateOptions, path string) error {
	o.anySize = o.anySize || m.AnySize
	if err := o.checkSize(s.model, s.cfg.ImageWidth, s.cfg.ImageHeight); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// adopt takes model and settings from the record of a run.
func (s *session) adopt(ctx context.Context, m run.Manifest) error {
	var err error
	if s.model, err = s.program.recordedModel(m); err != nil {
		return err
	}
	s.backend = config.Compute(m.Backend, m.Precision)
	if s.cfg, err = decodeConfig(m.Search); err != nil {
		return fmt.Errorf("run.json: %w", err)
	}
	fingerprint, err := s.model.Verify(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", s.model.Name, err)
	}
	if fingerprint != m.Model.Fingerprint {
		return fmt.Errorf("%w: the run used another model %s (fingerprint %.12s, this program has %.12s): use the program that made it (%s)",
			reflectionflow.ErrInvalid, s.model.Name, m.Model.Fingerprint, fingerprint, m.Program)
	}
	return nil
}
