package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow/internal/run"
)

// version is set by the linker in releases (-X main.version=v1.2.3).
var version string

// programVersion is the release, the module version, or the commit.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	if revision := thisBuild().Revision; revision != "" {
		return "devel-" + revision[:min(12, len(revision))]
	}
	return "devel"
}

// thisBuild says how this program was built.
func thisBuild() run.Build {
	b := run.Build{Go: runtime.Version(), SIMD: slowNotice == ""}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// versionText is what version and --version print: a line of the program, then what it
// is made of.
func (p *program) versionText(ctx context.Context) (string, error) {
	b := thisBuild()
	revision, simd := b.Revision, "on"
	if revision == "" {
		revision = "unknown"
	}
	if b.Modified {
		revision += ", modified"
	}
	if !b.SIMD {
		simd = "off (build with GOEXPERIMENT=simd)"
	}
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "reflectionflow %s\n", programVersion())
	_, _ = fmt.Fprintf(&out, "  revision  %s\n  go        %s %s/%s\n  simd      %s\n", revision, b.Go, runtime.GOOS, runtime.GOARCH, simd)
	for _, m := range p.catalog {
		if m.Fingerprint == nil {
			continue
		}
		sum, err := m.Fingerprint(ctx)
		if err != nil {
			return "", fmt.Errorf("model %s: %w", m.Name, err)
		}
		_, _ = fmt.Fprintf(&out, "  model     %s sha256 %s\n", m.Name, sum)
	}
	return out.String(), nil
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, how it was built, and the models' fingerprints",
		Long: `Print the version, the revision that it was built from, the Go version, whether its
networks use vector instructions (SIMD), and the fingerprint of every model. The run.json
of a run records the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.printVersion(cmd.Context()) },
	}
}

func (p *program) printVersion(ctx context.Context) error {
	text, err := p.versionText(ctx)
	if err != nil {
		return err
	}
	return printTo(p.stdout, text)
}
