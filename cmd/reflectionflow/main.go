// Command reflectionflow draws what was asked: it generates pictures, verifies
// them, reflects on what is wrong and corrects them, and keeps the record.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, catalog: assemble.Embedded(), slow: slowNotice}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is the command with the world it runs in.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	catalog        assemble.Catalog
	slow           string // why its networks are slow in this build; empty where they are not
}

// builder builds the parts of a configuration.
func (p *program) builder(c *config.Config) *assemble.Builder {
	return assemble.NewBuilder(c, assemble.Environment{Models: p.catalog, LookupEnv: os.LookupEnv, CacheDir: cacheDir})
}

// cacheDir is the folder of the replies of language models.
func cacheDir() (string, error) {
	home, err := os.UserCacheDir()
	return filepath.Join(home, "reflectionflow", "replies"), err
}

// Exit codes.
const (
	exitOK          = 0
	exitMachine     = 1   // the machine failed
	exitInvalid     = 2   // the input is the user's to mend
	exitInterrupted = 130 // Ctrl-C
)

// run executes one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			p.complain(fmt.Errorf("internal error: %v", r))
			code = exitMachine
		}
	}()
	p.stdout, p.stderr = terminal.NewWriter(p.stdout), terminal.NewWriter(p.stderr)
	started := false
	root := p.rootCommand(&started)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !started { // flags and arguments, refused before anything ran
		err = fmt.Errorf("%w: %w (see: %s --help)", reflectionflow.ErrInvalid, err, cmd.CommandPath())
	}
	if err != nil {
		p.complain(err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, reflectionflow.ErrInvalid):
		return exitInvalid
	}
	return exitMachine
}

// complain prints the error as one line.
func (p *program) complain(err error) {
	text := strings.ReplaceAll(err.Error(), reflectionflow.ErrInvalid.Error()+": ", "")
	text = strings.ReplaceAll(text, ": "+context.Canceled.Error(), "")
	text = strings.Join(strings.Fields(text), " ")
	_, _ = fmt.Fprintf(p.stderr, "reflectionflow: %s\n", text)
}

// noteSlow says once, before a command computes, that this binary is slow, if it is.
func (p *program) noteSlow() {
	if p.slow != "" {
		_, _ = fmt.Fprintf(p.stderr, "reflectionflow: %s\n", p.slow)
	}
}

func (p *program) rootCommand(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "reflectionflow",
		Short: "Draw what was asked: generate, verify, reflect, correct",
		Long: `reflectionflow draws pictures from prompts and looks at its own work: it verifies
each picture, says what is wrong, rewrites the prompt, corrects the picture, and
keeps the best. The whole record stays in a run folder with a report to look at.

  reflectionflow generate "a photo of two clocks and a red cup"`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { *started = true },
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddCommand(p.generateCommand(), p.evaluateCommand(), p.modelsCommand(), p.trainCommand(), p.genrefCommand(), p.configCommand(), p.verifiersCommand(), p.benchCommand(), p.versionCommand())
	return root
}
