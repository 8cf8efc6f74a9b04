// Command reflectionflow generates images from prompts, verifies them, reflects on what
// is wrong, and corrects them. Every run is recorded in a folder with a report.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/terminal"
	"reflectionflow/nn"
)

func main() {
	if err := checkMemory(neededMemory(os.Args[1:])); err != nil {
		endAtOnce(fmt.Sprintf("reflectionflow: %v\n", err), exitFailure)
	}
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, catalog: assemble.Embedded(), slow: slowNotice}
	if dir, err := cacheDir("xla"); err == nil {
		nn.KeepCompiled(dir, p.complain)
	}
	os.Exit(p.run(untilSignal(context.Background()), os.Args[1:]))
}

// program is the command with its streams and models.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	catalog        assemble.Catalog
	clusters       clusters
	slow           string // the notice of a build whose networks are slow; empty for a fast one
}

// builder builds the parts of a configuration.
func (p *program) builder(c *config.Config) *assemble.Builder {
	return assemble.NewBuilder(c, assemble.Environment{Models: p.catalog, Library: library(), LookupEnv: os.LookupEnv, CacheDir: cacheDir, Warn: p.complain, Fleet: p.fleet, Version: programVersion()})
}

// cacheDir is the folder that keeps what can be computed or asked again, of one kind.
func cacheDir(kind string) (string, error) {
	home, err := os.UserCacheDir()
	return filepath.Join(home, "reflectionflow", kind), err
}

// library is where models are: in the folders of REFLECTIONFLOW_MODELS, and in the cache
// of Hugging Face, by the variables of its own programs.
func library() assemble.Library {
	var l assemble.Library
	for _, dir := range filepath.SplitList(os.Getenv("REFLECTIONFLOW_MODELS")) {
		if dir != "" {
			l.Folders = append(l.Folders, dir)
		}
	}
	hub := cmp.Or(os.Getenv("HF_HUB_CACHE"), os.Getenv("HUGGINGFACE_HUB_CACHE"))
	if home := os.Getenv("HF_HOME"); hub == "" && home != "" {
		hub = filepath.Join(home, "hub")
	}
	if hub == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if home, err := os.UserHomeDir(); cache == "" && err == nil {
			cache = filepath.Join(home, ".cache")
		}
		hub = filepath.Join(cache, "huggingface", "hub")
	}
	l.Caches = []string{hub}
	return l
}

// Exit codes.
const (
	exitOK          = 0
	exitFailure     = 1   // a failure while running
	exitInvalid     = 2   // invalid input
	exitInterrupted = 130 // Ctrl-C, SIGTERM or SIGHUP
)

// run executes one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			p.complain(fmt.Errorf("internal error: %v", r))
			code = exitFailure
		}
	}()
	p.stdout, p.stderr = terminal.NewWriter(p.stdout), terminal.NewWriter(p.stderr)
	started := false
	root := p.rootCommand(&started)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !started { // invalid flags or arguments
		hint := ""
		if name := suggestion(cmd, err); name != "" {
			hint = ": did you mean " + name + "?"
		}
		err = fmt.Errorf("%w: %w%s (see: %s --help)", reflectionflow.ErrInvalid, err, hint, cmd.CommandPath())
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
	return exitFailure
}

// complain prints the error as one line.
func (p *program) complain(err error) {
	text := strings.ReplaceAll(err.Error(), reflectionflow.ErrInvalid.Error()+": ", "")
	text = strings.ReplaceAll(text, ": "+context.Canceled.Error(), "")
	text = strings.Join(strings.Fields(text), " ")
	_, _ = fmt.Fprintf(p.stderr, "reflectionflow: %s\n", text)
}

func (p *program) rootCommand(started *bool) *cobra.Command {
	showVersion := false
	root := &cobra.Command{
		Use:   "reflectionflow",
		Short: "Text-to-image with inference-time search: generate, verify, reflect, correct",
		Long: `reflectionflow generates images from prompts and checks its own work: it verifies each
image, says what is wrong, rewrites the prompt, corrects the image, and keeps the best.
Each run leaves a folder with all images, the record of the search and a report.

  reflectionflow generate "a photo of two clocks and a red cup"`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { *started = true },
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				return p.printVersion(cmd.Context())
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&showVersion, "version", false, "print the version, how it was built, and the models' fingerprints")
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddCommand(p.generateCommand(), p.evaluateCommand(), p.modelsCommand(), p.trainCommand(), p.genrefCommand(), p.configCommand(), p.verifiersCommand(), p.benchCommand(), p.serveCommand(), p.workerCommand(), p.keysCommand(), p.versionCommand())
	p.completeFlags(root)
	return root
}
