package service

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/run"
)

// archive serves GET /api/v1/jobs/{id}/archive: the run folder that generate would have
// left, as a zip file.
func (s *Server) archive(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	if job.State != jobs.Done {
		return &apiError{status: http.StatusConflict, Message: "the job is " + string(job.State) + ": only a finished search has an archive", Type: "invalid_request_error"}
	}
	dir, err := os.MkdirTemp("", "reflectionflow-archive-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder := filepath.Join(dir, job.ID)
	if err := s.writeFolder(r, job, folder); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", job.ID+".zip"))
	return zipFolder(w, folder)
}

// writeFolder writes the run folder of a finished job.
func (s *Server) writeFolder(r *http.Request, job jobs.Job, dir string) (err error) {
	journal, err := s.queue.Journal(r.Context(), job)
	if err != nil {
		return err
	}
	manifest, err := s.manifest(r.Context(), journal)
	if err != nil {
		return err
	}
	folder, err := run.Create(dir, manifest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	for id := range journal.Images() {
		c, img, ok := journal.Recall(id)
		if !ok {
			return fmt.Errorf("candidate %d of job %s cannot be read", id, job.ID)
		}
		if err := folder.Record(c, img); err != nil {
			return err
		}
	}
	if t := job.Outcome.Tiebreak; t != nil {
		for _, d := range t.Duels {
			if err := folder.RecordDuel(d); err != nil {
				return err
			}
		}
	}
	return folder.Finish(job.Outcome.Best, job.Outcome.Stopped)
}

// manifest is the manifest that generate would have written.
func (s *Server) manifest(ctx context.Context, journal *jobs.Run) (run.Manifest, error) {
	settings, err := readSettings(journal.Settings)
	if err != nil {
		return run.Manifest{}, err
	}
	cfg, err := s.models.plan(journal.Model, settings)
	if err != nil {
		return run.Manifest{}, err
	}
	search, err := json.Marshal(cfg)
	if err != nil {
		return run.Manifest{}, err
	}
	i, _, err := s.models.split(journal.Model)
	if err != nil {
		return run.Manifest{}, err
	}
	served := s.models.list[i]
	fingerprint, err := s.models.fingerprints[i](ctx)
	if err != nil {
		return run.Manifest{}, err
	}
	if journal.Prompt == nil {
		return run.Manifest{}, fmt.Errorf("job %s has no parsed prompt", journal.ID)
	}
	m := served.Model
	return run.Manifest{
		Program: s.options.Version, Build: s.options.Build, Prompt: *journal.Prompt, UserPrompt: journal.Spec.Prompt, Parsing: journal.Parsing, Search: search,
		Model: run.Model{Name: cmp.Or(m.Shown, m.Name), Fingerprint: fingerprint}, Backend: served.Backend, Precision: served.Precision, Deployment: served.Deployment,
		AnySize: m.CheckSize != nil && m.CheckSize(cfg.ImageWidth, cfg.ImageHeight) != nil,
	}, nil
}

// zipFolder writes the files of a folder, without what differs from run to run.
func zipFolder(w io.Writer, dir string) error {
	out := zip.NewWriter(w)
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "timing.jsonl" || d.Name() == "timing.js" || d.Name() == ".lock" {
			return err
		}
		file, err := out.CreateHeader(&zip.FileHeader{Name: filepath.Base(dir) + "/" + name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err == nil {
			_, err = file.Write(data)
		}
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}
