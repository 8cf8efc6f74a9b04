package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// killed runs a command in a folder until it ends by itself, and kills it at random
// moments before. It returns how often.
func killed(t *testing.T, home string, whole time.Duration, random *rand.Rand, args ...string) (kills int) {
	t.Helper()
	for patience := whole / 2; !finished(t, home, time.Duration(random.Int64N(int64(patience))), args...); patience += whole / 4 {
		kills++ // patience grows, so that a sitting gets through in the end
	}
	return kills
}

// Killed at any moments, as often as it takes, and run again: a set, its annotations, an
// export and an evaluation come out as when they were left alone.
func TestSameCommandAfterKills(t *testing.T) {
	t.Setenv("FAKE_JUDGE", "good")
	from := func(source, count string) func(dir string) []string {
		return func(dir string) []string {
			return []string{"genref", "build", "--source", source, "--count", count, "--shard", "4", "--seed", "5", "--quiet", "--out", dir}
		}
	}
	build := from("reward", "40")
	annotate := func(dir string) []string { return []string{"genref", "annotate", dir, "--quiet"} }
	for name, test := range map[string]struct {
		before, args func(dir string) []string
		plain        func(files map[string]string)
	}{
		"build":       {nil, build, func(map[string]string) {}},
		"corrections": {nil, from("correction", "12"), func(map[string]string) {}},
		"annotate":    {build, annotate, func(map[string]string) {}},
		"export": {build, func(dir string) []string {
			return []string{"genref", "export", dir, "--format", "preferences", "--quiet", "--out", filepath.Join(dir, "export")}
		}, func(map[string]string) {}},
		"evaluate": {nil, func(dir string) []string {
			return []string{"evaluate", "--limit", "6", "--budgets", "1,2", "--difficulty", "1", "--quiet", "--out", dir}
		}, untimed},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			run := func(args []string) {
				if out, err := command(t, home, args...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			prepare := func(dir string) {
				if test.before != nil {
					run(test.before(dir))
				}
			}
			prepare("whole")
			begin := time.Now()
			run(test.args("whole"))
			whole := time.Since(begin) // starting the program included, however slow the machine is
			want := record(t, filepath.Join(home, "whole"))
			test.plain(want)
			random := rand.New(rand.NewPCG(3, 4))
			kills := 0
			// A machine that was busy at first makes whole too long to hit anything: then it
			// takes a few trials more.
			for trial := 0; trial < 2 || (kills < 2 && trial < 8); trial++ {
				dir := fmt.Sprint("killed", trial)
				prepare(dir)
				kills += killed(t, home, whole, random, test.args(dir)...)
				got := record(t, filepath.Join(home, dir))
				test.plain(got)
				sameFiles(t, got, want)
			}
			if kills == 0 {
				t.Error("nothing was killed: the test shows nothing")
			}
			t.Logf("%d kills", kills)
		})
	}
}

// untimed leaves of an evaluation what does not depend on time: of results.jsonl the
// lines without their seconds, in order of their text.
func untimed(files map[string]string) {
	lines := strings.Split(seconds.ReplaceAllString(files["results.jsonl"], ""), "\n")
	slices.Sort(lines)
	for _, timed := range []string{"summary.json", "report.md", "usage.jsonl", "report.html", "figures/score-seconds.svg", "figures/score-seconds.png"} {
		delete(files, timed)
	}
	files["results.jsonl"] = strings.Join(lines, "\n")
}

// Stats and exports go by what is whole, and say what is not.
func TestGenrefStatsAndExport(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "set")
	smallSet(t, dir)
	code, stdout, stderr := genrefRun(t.Context(), fake{}, "stats", dir)
	if code != 0 || !strings.Contains(stdout, "7 triplets in 3 shards") || !strings.Contains(stdout, "contact sheet: "+filepath.Join(dir, "stats")) {
		t.Errorf("stats: exit %d, %q, %q", code, stdout, stderr)
	}
	if code, stdout, _ := genrefRun(t.Context(), fake{}, "stats", dir, "--json", "--out", filepath.Join(home, "s")); code != 0 || !strings.HasPrefix(stdout, `{"triplets":7,"shards":3,`) {
		t.Errorf("stats --json: exit %d, %q", code, stdout)
	}
	for _, format := range []string{"sharegpt", "trl", "preferences"} {
		if code, stdout, stderr := genrefRun(t.Context(), fake{}, "export", dir, "--format", format, "--out", filepath.Join(home, format)); code != 0 || !strings.Contains(stdout, format+": 7 train, 0 validation, 0 test\n") {
			t.Errorf("export %s: exit %d, %q, %q", format, code, stdout, stderr)
		}
	}
	path := filepath.Join(dir, "genref_1.tar")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"stats", dir},
		{"annotate", dir},
		{"export", dir, "--format", "trl", "--out", filepath.Join(home, "trl")},
	} {
		code, stdout, stderr := genrefRun(t.Context(), fake{}, args...)
		if code != 0 || !strings.Contains(stdout, "damaged: 1 shards missing, truncated or changed\n  genref_1.tar has another checksum than the manifest says") {
			t.Errorf("%v: exit %d, %q, %q", args, code, stdout, stderr)
		}
		if code, stdout, stderr := genrefRun(t.Context(), fake{}, append(args, "--quiet")...); code != 0 || stdout != "" || !strings.Contains(stderr, "skipped: 1 shards missing, truncated or changed") {
			t.Errorf("%v, quiet: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
	// Building again repairs the set.
	smallSet(t, dir)
	if code, stdout, _ := genrefRun(t.Context(), fake{}, "check", dir); code != 0 {
		t.Errorf("check: exit %d, %q", code, stdout)
	}
	for _, args := range [][]string{
		{"stats"},
		{"stats", home},
		{"stats", dir, dir},
		{"stats", dir, home, "--out", filepath.Join(home, "both")},
		{"export", dir},
		{"export", "--out", home},
		{"export", dir, "--out", home},
		{"export", dir, "--out", filepath.Join(home, "trl"), "--format", "sharegpt"},
		{"export", dir, "--out", filepath.Join(home, "new"), "--format", "alpaca"},
		{"export", filepath.Join(home, "nowhere"), "--out", filepath.Join(home, "new")},
	} {
		if code, _, stderr := genrefRun(t.Context(), fake{}, args...); code != exitInvalid || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
}
