package jobs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"reflectionflow"
)

// State says where a job stands.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether a job in this state changes no more.
func (s State) Ended() bool { return s == Done || s == Failed || s == Cancelled }

// Priority is the class of a job: interactive jobs start before batch jobs.
type Priority string

// The priorities.
const (
	Interactive Priority = "interactive"
	Batch       Priority = "batch"
)

// Spec is what a client asks for. Settings, Image and Extra are not interpreted here.
type Spec struct {
	Prompt string `json:"prompt"`
	// Model names the model or generator; empty for the server's default.
	Model string `json:"model,omitempty"`
	// Settings holds the settings of the search as JSON.
	Settings json.RawMessage `json:"settings,omitempty"`
	// Image is the name of a stored image that the search begins with, see
	// [Queue.PutImage], and Reflection says what to correct in it.
	Image string `json:"image,omitempty"`
	// Others are the names of further images that the search takes from, which are stored
	// like Image.
	Others     []string `json:"others,omitempty"`
	Reflection string   `json:"reflection,omitempty"`
	// Owner is who pays: limits and fairness are by owner.
	Owner    string   `json:"owner,omitempty"`
	Priority Priority `json:"priority,omitempty"` // empty for Interactive
	// Extra holds what the server that submitted the job wants to know later, as JSON.
	Extra json.RawMessage `json:"extra,omitempty"`
}

// Bounds of a job, in bytes. A document must fit a message of JetStream (1 MiB).
const (
	maxName  = 256
	maxExtra = 64 << 10
)

// Validate reports a job that cannot be stored, as an error wrapping
// [reflectionflow.ErrInvalid].
func (s Spec) Validate() error {
	if err := (reflectionflow.Prompt{Text: s.Prompt}).Validate(); err != nil {
		return err
	}
	switch {
	case s.Priority != "" && s.Priority != Interactive && s.Priority != Batch:
		return fmt.Errorf("%w: unknown priority %.40q: use %s or %s", reflectionflow.ErrInvalid, s.Priority, Interactive, Batch)
	case len(s.Reflection) > reflectionflow.MaxPromptBytes:
		return fmt.Errorf("%w: the reflection has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, len(s.Reflection), reflectionflow.MaxPromptBytes)
	case len(s.Others) > 0 && s.Image == "", len(s.Others) >= reflectionflow.MaxReferences:
		return fmt.Errorf("%w: %d further images, at most %d beside the first one are allowed", reflectionflow.ErrInvalid, len(s.Others), reflectionflow.MaxReferences-1)
	case slices.ContainsFunc(s.Others, func(name string) bool { return name == "" || len(name) > maxName }):
		return fmt.Errorf("%w: an image without a name, or with one of more than %d bytes", reflectionflow.ErrInvalid, maxName)
	case len(s.Model) > maxName || len(s.Owner) > maxName || len(s.Image) > maxName:
		return fmt.Errorf("%w: a name of more than %d bytes", reflectionflow.ErrInvalid, maxName)
	case len(s.Settings) > maxExtra || len(s.Extra) > maxExtra:
		return fmt.Errorf("%w: settings of more than %d bytes", reflectionflow.ErrInvalid, maxExtra)
	}
	return nil
}

// Job is a search and where it stands.
type Job struct {
	ID string `json:"id"`
	Spec
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Server is where the job runs or ran last, and Attempts how often it was started since
	// Progress candidates and comparisons were recorded.
	Server   string `json:"server,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
	Progress int    `json:"progress,omitempty"`
	// Stopping is set when a running job was cancelled and its search has not stopped yet.
	Stopping bool `json:"stopping,omitempty"`
	// Outcome is set when the job is done; it says how far the search came when the job
	// failed or was cancelled.
	Outcome *Outcome `json:"outcome,omitempty"`
	Error   string   `json:"error,omitempty"` // of a failed job
	// Invalid is set when the job failed since what it asks for cannot be done.
	Invalid bool `json:"invalid,omitempty"`
}

// Outcome is the result of a search.
type Outcome struct {
	Best    int                       `json:"best"` // ID of the best candidate, -1 where there is none
	Stopped reflectionflow.StopReason `json:"stopped,omitempty"`
	Score   reflectionflow.Score      `json:"score"` // of the best candidate
	Cost    reflectionflow.Cost       `json:"cost"`
	Images  int                       `json:"images"` // candidates recorded
	// Tiebreak is set where a comparer chose among candidates of one score.
	Tiebreak *reflectionflow.Tiebreak `json:"tiebreak,omitempty"`
}

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID returns an ID that sorts by time. With an idempotency key it depends on owner and
// key alone.
func newID(now time.Time, owner, key string) string {
	if key != "" {
		sum := sha256.Sum256([]byte(owner + "\x00" + key))
		return "k" + encoding.EncodeToString(sum[:15])
	}
	var b [15]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<16)
	if _, err := rand.Read(b[6:]); err != nil {
		panic(err) // never: crypto/rand ends the program first
	}
	return "j" + encoding.EncodeToString(b[:])
}

// ValidID reports whether a text has the form of a job's ID, which is safe in a path and
// in a subject.
func ValidID(id string) bool {
	return len(id) == 25 && (id[0] == 'j' || id[0] == 'k') && strings.Trim(id[1:], "0123456789abcdefghjkmnpqrstvwxyz") == ""
}
