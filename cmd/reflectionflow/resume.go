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
	if err := only(cmd.Flags(), args, "resume", "json", "quiet"); err != nil {
		return err
	}
	folders, err := run.OpenAll(o.resume)
	if err != nil {
		return err
	}
	s := &session{program: p, json: o.json, quiet: o.quiet}
	if err = s.adoptFolders(cmd.Context(), folders); err == nil && s.shares() && folders[0].Path() == o.resume {
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
	if err := only(cmd.Flags(), args, "replay", "out", "json", "quiet"); err != nil {
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
	switch {
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
		if n := f.Manifest(); n.Model != m.Model || n.Backend != m.Backend || !sameJSON(n.Search, m.Search) || !sameJSON(n.Deployment, m.Deployment) {
			return fmt.Errorf("%w: %s has other settings than the other runs of the batch: resume each run by itself", reflectionflow.ErrInvalid, f.Path())
		}
	}
	if err := s.adopt(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", folders[0].Path(), err)
	}
	return nil
}

// adopt takes model and settings from the record of a run.
func (s *session) adopt(ctx context.Context, m run.Manifest) error {
	var err error
	if s.model, err = s.program.recordedModel(m); err != nil {
		return err
	}
	s.backend = m.Backend
	if s.cfg, err = decodeConfig(m.Search); err != nil {
		return fmt.Errorf("run.json: %w", err)
	}
	fingerprint, err := s.model.Check(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", s.model.Name, err)
	}
	if fingerprint != m.Model.Fingerprint {
		return fmt.Errorf("%w: the run used another model %s (fingerprint %.12s, this program has %.12s): use the program that made it (%s)",
			reflectionflow.ErrInvalid, s.model.Name, m.Model.Fingerprint, fingerprint, m.Program)
	}
	return nil
}
