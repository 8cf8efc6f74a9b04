package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// schema makes the tables. The number of a job is the sequence of its first event, so that
// jobs are ordered by when they were submitted, and the same after a rebuild.
const schema = `
CREATE TABLE position (epoch TEXT NOT NULL, last INTEGER NOT NULL);
INSERT INTO position VALUES ('', 0);
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  state TEXT NOT NULL,
  model TEXT NOT NULL,
  strategy TEXT NOT NULL,
  score REAL,               -- of the best image
  ended INTEGER,            -- seconds since 1970
  seconds REAL NOT NULL DEFAULT 0,
  images INTEGER NOT NULL DEFAULT 0,
  verdicts INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  usd REAL NOT NULL DEFAULT 0,
  corrects TEXT             -- the job whose candidate it corrects
);
CREATE INDEX by_owner ON jobs (owner);
CREATE INDEX by_state ON jobs (state);
CREATE INDEX by_model ON jobs (model);
CREATE INDEX by_end ON jobs (ended);
CREATE INDEX by_origin ON jobs (corrects);
CREATE TABLE favourites (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE documents (number INTEGER PRIMARY KEY, document BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(prompt, reflection, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2', prefix='1 2 3');
CREATE TABLE minutes (owner TEXT NOT NULL, minute INTEGER NOT NULL, images INTEGER NOT NULL, PRIMARY KEY (owner, minute)) WITHOUT ROWID;
PRAGMA user_version = 2;
`

const version = 2 // of the schema; a file of another version is built again

// Describe says what the index holds of a job beside its document.
type Describe func(jobs.Job) Description

// Description is what a server knows of a job.
type Description struct {
	Model, Strategy string // with the server's defaults filled in
	Corrects        string // the job whose candidate it corrects, empty for none
}

// Store is the index of a file. Its methods may be called from several goroutines.
type Store struct {
	db       *sql.DB
	describe Describe

	mutex    sync.Mutex
	last     uint64        // sequence of the last event that is indexed
	advanced chan struct{} // closed and replaced when last changes
}

// Open opens the index of a file. One that is missing, damaged or of another version is
// made again, empty. A folder that cannot be written is an error wrapping
// [reflectionflow.ErrInvalid].
func Open(ctx context.Context, path string, describe Describe) (*Store, error) {
	db, err := open(ctx, path)
	if err != nil {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("%w: history: %v", reflectionflow.ErrInvalid, err)
			}
		}
		if db, err = open(ctx, path); err != nil {
			return nil, fmt.Errorf("%w: history %s: %v", reflectionflow.ErrInvalid, path, err)
		}
	}
	return &Store{db: db, describe: describe, advanced: make(chan struct{})}, nil
}

// open opens a file and makes the tables if it is new.
func open(ctx context.Context, path string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(10000)&_txlock=immediate"}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4) // each has a cache of its own
	found := 0
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found)
	if err == nil && found == 0 {
		_, err = db.ExecContext(ctx, "BEGIN IMMEDIATE;"+schema+"COMMIT;")
	} else if err == nil && found != version {
		err = fmt.Errorf("version %d", found)
	}
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Remove drops a job.
func (s *Store) Remove(ctx context.Context, id string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		"DELETE FROM words WHERE rowid = (SELECT number FROM jobs WHERE id = ?)",
		"DELETE FROM documents WHERE number = (SELECT number FROM jobs WHERE id = ?)",
		"DELETE FROM favourites WHERE id = ?",
		"DELETE FROM jobs WHERE id = ?",
	} {
		if _, err := tx.ExecContext(ctx, statement, id); err != nil {
			return fmt.Errorf("history: drop job %s: %w", id, err)
		}
	}
	return tx.Commit()
}

// reset drops all jobs and begins with the events of another stream.
func (s *Store) reset(ctx context.Context, epoch string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{"DELETE FROM jobs", "DELETE FROM documents", "DELETE FROM words", "DELETE FROM minutes"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE position SET epoch = ?, last = 0", epoch); err != nil {
		return err
	}
	return tx.Commit()
}
