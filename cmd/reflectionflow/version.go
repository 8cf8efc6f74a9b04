package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
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
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			speed := "simd"
			if slowNotice != "" {
				speed = "no simd"
			}
			_, err := fmt.Fprintf(p.stdout, "reflectionflow %s (%s %s/%s, %s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, speed)
			return err
		},
	}
}
