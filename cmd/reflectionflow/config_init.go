package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
)

// starters are the configurations that config init writes, by engine.
//
//go:embed starters/*.yaml
var starters embed.FS

// starterEngines lists the engines that config init knows.
func starterEngines() []string {
	entries, err := fs.ReadDir(starters, "starters")
	if err != nil {
		panic(err) // embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

func (p *program) configInitCommand() *cobra.Command {
	var out string
	engines := strings.Join(starterEngines(), ", ")
	cmd := &cobra.Command{
		Use:   "init ENGINE",
		Short: "Write a commented configuration to start from",
		Long: `Write a commented configuration for an engine: ` + engines + `.
Edit its addresses and models, then try it with "reflectionflow config check FILE".`,
		Example: `  reflectionflow config init sdcpp
  reflectionflow config init openai --out openai.yaml`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: starterEngines(),
		RunE:      func(_ *cobra.Command, args []string) error { return p.initConfig(args[0], out) },
	}
	cmd.Flags().StringVar(&out, "out", "reflectionflow.yaml", "file to write, which must not exist; - is the standard output")
	return cmd
}

func (p *program) initConfig(engine, out string) error {
	if !slices.Contains(starterEngines(), engine) {
		return fmt.Errorf("%w: unknown engine %.40q: use %s", reflectionflow.ErrInvalid, engine, strings.Join(starterEngines(), ", "))
	}
	text, err := fs.ReadFile(starters, "starters/"+engine+".yaml")
	if err != nil {
		return err
	}
	if out == "-" {
		return printTo(p.stdout, string(text))
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s exists: remove it, or choose another file with --out", reflectionflow.ErrInvalid, out)
	}
	if err != nil {
		return fmt.Errorf("%w: write the configuration: %v", reflectionflow.ErrInvalid, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return printTo(p.stdout, fmt.Sprintf("%s: edit it, then try it with: reflectionflow config check %s\n", out, quoted(out)))
}
