// Command release builds the program for all platforms into a folder:
//
//	go run ./tools/release -version v1.2.3 -out dist
//
// For each platform it writes an archive (tar.gz, zip on Windows) with the static
// binary, the licence and the documents, and a software bill of materials
// (CycloneDX 1.6, JSON) made from the binary. SHA256SUMS lists all of them. The same
// source, version and Go make the same bytes: nothing holds the time of the build.
package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	program = "reflectionflow"
	sbomGo  = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
)

// documents are in every archive.
var documents = []string{"LICENSE", "NOTICE", "README.md", "CHANGELOG.md"}

// platform is an operating system and a processor, by Go's names.
type platform struct{ os, arch string }

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

// experiment is the value of GOEXPERIMENT: package simd/archsimd is for amd64 alone.
func (p platform) experiment() string {
	if p.arch == "amd64" {
		return "simd"
	}
	return ""
}

func (p platform) binary() string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	r := release{}
	flags.StringVar(&r.version, "version", "", "version, such as v1.2.3 (default: git describe)")
	flags.StringVar(&r.out, "out", "dist", "folder for the results; must be empty or absent")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for _, p := range platforms {
		if err := r.build(ctx, p); err != nil {
			return fmt.Errorf("%s/%s: %w", p.os, p.arch, err)
		}
	}
	return writeSums(r.out)
}

// release is one release under way.
type release struct {
	version string
	out     string
	commit  time.Time // of the source: the time of all files in archives
}

// versionForm matches versions that file names can hold.
var versionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// prepare creates the folder and finds out the version and the commit's time.
func (r *release) prepare(ctx context.Context) error {
	if r.version == "" {
		described, err := output(ctx, nil, "git", "describe", "--tags", "--always", "--dirty")
		if err != nil {
			return err
		}
		r.version = strings.TrimSpace(described)
	}
	if !versionForm.MatchString(r.version) {
		return fmt.Errorf("version %q: use letters, digits and . _ + -, such as v1.2.3", r.version)
	}
	if entries, err := os.ReadDir(r.out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or name another folder with -out", r.out)
	}
	seconds, err := output(ctx, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	unix, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
	if err != nil {
		return err
	}
	r.commit = time.Unix(unix, 0).UTC()
	return os.MkdirAll(r.out, 0o755)
}

// build writes the archive and the bill of materials of one platform.
func (r *release) build(ctx context.Context, p platform) error {
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	binary := filepath.Join(work, p.binary())
	env := []string{"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0", "GOEXPERIMENT=" + p.experiment(), "GOFLAGS="}
	if _, err := output(ctx, env, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w -X main.version="+r.version, "-o", binary, "./cmd/"+program); err != nil {
		return err
	}
	if err := r.check(ctx, p, binary); err != nil {
		return err
	}
	name := filepath.Join(r.out, strings.Join([]string{program, r.version, p.os, p.arch}, "_"))
	if _, err := output(ctx, []string{"GOEXPERIMENT=", "GOFLAGS="}, "go", "run", sbomGo, "bin", "-json", "-std", "-noserial", "-notimestamp",
		"-version", r.version, "-output", name+".cdx.json", binary); err != nil {
		return err
	}
	archive, err := pack(p, r.commit, append([]string{binary}, documents...))
	if err != nil {
		return err
	}
	extension := ".tar.gz"
	if p.os == "windows" {
		extension = ".zip"
	}
	fmt.Printf("%s%s  %.1f MB\n", name, extension, float64(len(archive))/1e6)
	return os.WriteFile(name+extension, archive, 0o644)
}

// check compares what the binary says about itself with what was asked for, and
// starts it where it is of this machine.
func (r *release) check(ctx context.Context, p platform, binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	for key, want := range map[string]string{"GOOS": p.os, "GOARCH": p.arch, "CGO_ENABLED": "0", "GOEXPERIMENT": p.experiment(), "-trimpath": "true"} {
		if settings[key] != want {
			return fmt.Errorf("the binary is built with %s=%q, want %q", key, settings[key], want)
		}
	}
	if settings["vcs.revision"] == "" {
		return errors.New("the binary does not record its source's revision: build in a clone, since Go reads none from a git worktree")
	}
	if p.os != runtime.GOOS || p.arch != runtime.GOARCH {
		return nil
	}
	said, err := output(ctx, nil, binary, "version")
	if err == nil && !strings.Contains(said, r.version) {
		err = fmt.Errorf("the binary says %q, which lacks the version %s", said, r.version)
	}
	return err
}

// output runs a command and returns its standard output. The error holds what it
// wrote to its standard error.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // commands are constants or what this program built
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}
