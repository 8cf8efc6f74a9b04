package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// paying returns a client of a server that answers as model, at a price of 1 per call, for the
// run in a folder whose record has charged the calls.
func paying(t *testing.T, folder string, model *string, charged ...string) (ask func(question string) (*endpoint.Response, error), ledger *endpoint.Ledger, asked func() int) {
	t.Helper()
	ledger = &endpoint.Ledger{}
	if err := ledger.Open(folder, charged); err != nil {
		t.Fatal(err)
	}
	handler, n := replies(good)
	c, _ := client(t, handler, func(c *endpoint.Config) {
		c.BaseURL = "http://double.invalid/v1" // the same in every session
		c.Ledger, c.Prices = ledger, endpoint.PriceTable{"m": {PerCall: 1}}
		c.Transport = handlerTransport{handler}
	})
	return func(question string) (*endpoint.Response, error) {
		return c.Do(t.Context(), endpoint.Request{
			Method: "POST", Path: "/ask", Body: []byte(question), Cacheable: true, Asked: "m",
			Read: func() endpoint.Reading {
				return endpoint.Reading{Model: *model, Usage: endpoint.Usage{Calls: 1, TokensIn: 10}}
			},
		})
	}, ledger, func() int { return int(n.Load()) }
}

// handlerTransport serves requests without a network.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func lines(t *testing.T, folder string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// In a shared ledger everyone who takes an answer is charged, in every session, and the server
// is asked once.
func TestSharedLedgerChargesEach(t *testing.T) {
	folder, model := t.TempDir(), "a"
	for session := range 2 {
		ask, ledger, asked := paying(t, folder, &model)
		ledger.Shared = true
		for range 2 {
			if got, err := ask("1"); err != nil || got.Cost.USD != 1 || len(got.Cost.Calls) != 1 {
				t.Errorf("session %d: %+v, %v", session, got, err)
			}
		}
		if asked() != 1-session {
			t.Errorf("session %d: %d requests", session, asked())
		}
		if err := ledger.Close(false); err != nil {
			t.Fatal(err)
		}
	}
}

// A call is charged to whoever takes its answer first, in any session, and not again once the
// record names it.
func TestLedgerChargesOnce(t *testing.T) {
	folder, model := t.TempDir(), "a"
	ask, ledger, asked := paying(t, folder, &model)
	first, err := ask("1")
	if err != nil || first.Cost.USD != 1 || first.Cost.TokensIn != 10 || len(first.Cost.Calls) != 1 {
		t.Fatalf("got %+v, %v", first, err)
	}
	if again, err := ask("1"); err != nil || !again.Cached || again.Cost.USD != 0 || again.Cost.Calls != nil {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if _, err := ask("2"); err != nil {
		t.Fatal(err)
	}
	if asked() != 2 || len(lines(t, folder)) != 2 {
		t.Errorf("%d requests, lines %q", asked(), lines(t, folder))
	}
	if err := ledger.Close(false); err != nil {
		t.Fatal(err)
	}

	// The first is in the record, the second is not: the run was killed.
	ask, ledger, asked = paying(t, folder, &model, first.Cost.Calls...)
	for question, money := range map[string]float64{"1": 0, "2": 1} {
		r, err := ask(question)
		if err != nil || r.Cost.USD != money || r.Cached != (money == 0) || string(r.Body) != string(first.Body) {
			t.Errorf("question %s: %+v, %v, want %v charged", question, r, err, money)
		}
	}
	if asked() != 0 {
		t.Errorf("%d requests for what was answered", asked())
	}
	if n, _ := ledger.Unused(); n != 0 {
		t.Errorf("%d answers are not used", n)
	}
	if err := ledger.Close(true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "answers")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the answers of a finished run are left: %v", err)
	}
	if len(lines(t, folder)) != 2 {
		t.Errorf("lines %q", lines(t, folder))
	}
}

// Killed between the answer and its line, within the line, or within the answer.
func TestLedgerReconciles(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(t *testing.T, folder string)
		asks   int
	}{
		"no line": {func(t *testing.T, folder string) { writeFile(t, filepath.Join(folder, "calls.jsonl"), "") }, 0},
		"half a line": {func(t *testing.T, folder string) {
			writeFile(t, filepath.Join(folder, "calls.jsonl"), lines(t, folder)[0][:40])
		}, 0},
		"half an answer": {func(t *testing.T, folder string) {
			answer := onlyAnswer(t, folder)
			writeFile(t, filepath.Join(folder, "calls.jsonl"), "")
			writeFile(t, filepath.Join(filepath.Dir(answer), ".0123-1.tmp"), "{")
			if err := os.Remove(answer); err != nil {
				t.Fatal(err)
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			folder, model := t.TempDir(), "a"
			ask, ledger, _ := paying(t, folder, &model)
			if _, err := ask("1"); err != nil {
				t.Fatal(err)
			}
			if err := ledger.Close(false); err != nil {
				t.Fatal(err)
			}
			tt.damage(t, folder)
			ask, _, asked := paying(t, folder, &model)
			r, err := ask("1")
			if err != nil || r.Cost.USD != 1 || asked() != tt.asks {
				t.Errorf("got %+v, %v after %d requests", r, err, asked())
			}
			if got := lines(t, folder); len(got) != 1 || !strings.Contains(got[0], `"money":1`) {
				t.Errorf("lines %q", got)
			}
			if onlyAnswer(t, folder) == "" {
				t.Error("what was cut off is left")
			}
		})
	}
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "calls.jsonl"), "mine\n")
	if err := (&endpoint.Ledger{}).Open(folder, nil); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "line 1 is damaged") {
		t.Errorf("got %v", err)
	}
}

// A run folder may have a name with pattern characters.
func TestLedgerInAFolderNamedLikeAPattern(t *testing.T) {
	folder, model := filepath.Join(t.TempDir(), "a run [*"), "a"
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	ask, ledger, _ := paying(t, folder, &model)
	if _, err := ask("1"); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Close(false); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "calls.jsonl"), "")
	ask, _, asked := paying(t, folder, &model)
	if r, err := ask("1"); err != nil || r.Cost.USD != 1 || asked() != 0 || len(lines(t, folder)) != 1 {
		t.Errorf("got %+v, %v after %d requests, lines %q", r, err, asked(), lines(t, folder))
	}
}

func onlyAnswer(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "answers", "*", "*"))
	hidden, _ := filepath.Glob(filepath.Join(folder, "answers", "*", ".*"))
	if err != nil || len(files)+len(hidden) != 1 {
		t.Fatalf("answers %v %v, %v", files, hidden, err)
	}
	return files[0]
}

// The model that the run began with is known in later sessions. Another model is an error; its
// answer is paid for and not used, and the run resumes when the old model is back.
func TestLedgerPinsTheModel(t *testing.T) {
	folder, model := t.TempDir(), "a"
	ask, ledger, _ := paying(t, folder, &model)
	if _, err := ask("1"); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Close(false); err != nil {
		t.Fatal(err)
	}
	model = "b"
	ask, ledger, _ = paying(t, folder, &model)
	r, err := ask("2")
	if !endpoint.IsKind(err, endpoint.Changed) || r == nil || r.Cost.USD != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, part := range []string{"endpoint double", `"a"`, `"b"`, "bring back"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
	if err := ledger.Close(false); err != nil {
		t.Fatal(err)
	}
	model = "a"
	ask, ledger, asked := paying(t, folder, &model)
	if r, err := ask("2"); err != nil || asked() != 1 || r.Cost.USD != 1 {
		t.Errorf("the old model is back: %+v, %v, %d requests", r, err, asked())
	}
	n, cost := ledger.Unused()
	if fmt.Sprint(n, cost.USD) != "2 2" { // the one of "b", and "1", which nobody has recorded
		t.Errorf("%d answers for %v are not used", n, cost.USD)
	}
}

// A failed call is charged although no answer has created the folder.
func TestLedgerCreatesItsFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "unfinished", "0")
	l := &endpoint.Ledger{}
	if err := l.Open(folder, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Charge(endpoint.Call{Key: endpoint.Key([]byte("image 1")), Cost: reflectionflow.Cost{USD: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "calls.jsonl")); err != nil {
		t.Error(err)
	}
}

// Paid work is completed when another part has failed, and not when the user cancels.
func TestUserContext(t *testing.T) {
	open := &endpoint.Ledger{}
	if err := open.Open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		ledger *endpoint.Ledger
		cause  error
		ends   bool
	}{"user": {open, nil, true}, "another part": {open, errors.New("another part has failed"), false}, "closed": {&endpoint.Ledger{}, errors.New("failed"), true}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		patient, done := tt.ledger.UserContext(ctx)
		cancel(tt.cause)
		if tt.ends {
			<-patient.Done()
		} else if patient.Err() != nil {
			t.Errorf("%s: %v", name, patient.Err())
		}
		done()
	}
}
