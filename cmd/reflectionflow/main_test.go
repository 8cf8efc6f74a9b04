package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"reflectionflow/internal/assemble"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"reflectionflow": runFake, "reflectionflow-embedded": main, "nats-node": natsNode})
}

// runFake is the command with the fake model in place of the real ones.
func runFake() {
	delay, _ := time.ParseDuration(os.Getenv("FAKE_DELAY"))
	model := fakeModel(delay)
	if os.Getenv("FAKE_JUDGE") != "" {
		model = judged(model)
	}
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, catalog: assemble.Catalog{model}}
	os.Exit(p.run(untilSignal(context.Background()), os.Args[1:]))
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"oneline":  oneLine,
			"longword": longWord,
			"textfile": textFile,
		},
	})
}

// exits CODE ARGS... runs the command and demands the exit code. The error of a
// refusal is one line without a trace.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("reflectionflow", args[1:]...)
	code := "0"
	if e, ok := err.(interface{ ExitCode() int }); ok {
		code = []string{"0", "1", "2"}[min(e.ExitCode(), 2)]
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
	if code == "2" {
		oneLine(ts, false, nil)
	}
}

// oneline demands that the standard error is one line of the program.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	text := strings.TrimSuffix(ts.ReadFile("stderr"), "\n")
	if slowNotice != "" {
		text = strings.TrimPrefix(text, "reflectionflow: "+slowNotice+"\n")
	}
	if !strings.HasPrefix(text, "reflectionflow: ") || strings.Contains(text, "\n") || strings.Contains(text, "goroutine") {
		ts.Fatalf("not one line: %q", text)
	}
}

// textfile NAME TEXT writes a file; TEXT may have Go's escapes.
func textFile(ts *testscript.TestScript, _ bool, args []string) {
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// longword NAME N sets a variable to a prompt of N characters.
func longWord(ts *testscript.TestScript, _ bool, args []string) {
	n := map[string]int{"10000": 10000}[args[1]]
	ts.Setenv(args[0], strings.Repeat("clock ", n/6+1)[:n])
}
