package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// embedded is the command with its own models, in the folder.
func embedded(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("reflectionflow-embedded", args...)
	cmd.Dir = dir
	cmd.Env = withKey()
	return cmd
}

// The embedded networks generate the same bytes on one processor as on four, in
// batches of one as of four, and after being killed.
func TestEmbeddedModelIsReproducible(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	generate := []string{"generate", "two clocks and a red cup", "--budget", "4", "--steps", "3", "--early-stop=false", "--seed", "5"}
	whole := embedded(home, append(generate, "--out", "whole")...)
	whole.Env = append(whole.Env, "GOMAXPROCS=1")
	begin := time.Now()
	if out, err := whole.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	calm := time.Since(begin)
	want := record(t, filepath.Join(home, "whole"))

	random := rand.New(rand.NewPCG(3, 4))
	kills := 0
	patience := calm / 4 // the first sitting does not get through
	args := append(generate, "--out", "killed")
	for ; ; patience += calm / 4 { // and in the end one does
		cmd := embedded(home, args...)
		cmd.Env = append(cmd.Env, "GOMAXPROCS=4")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fuse := time.AfterFunc(patience/2+time.Duration(random.Int64N(int64(patience))), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		fuse.Stop()
		if err == nil {
			break
		}
		if exitOf(t, err) != -1 {
			t.Fatal(err)
		}
		kills++
		if _, err := os.Stat(filepath.Join(home, "killed", "run.json")); err == nil {
			args = []string{"generate", "--resume", "killed"}
		}
	}
	if kills == 0 {
		t.Error("the run was over before it was killed")
	}
	sameFiles(t, record(t, filepath.Join(home, "killed")), want)
}

func TestEmbeddedModelRefusesWhatItDoesNotKnow(t *testing.T) {
	out, err := embedded(t.TempDir(), "generate", "a photo of a unicorn").CombinedOutput()
	if exitOf(t, err) != exitInvalid {
		t.Errorf("%v\n%s", err, out)
	}
}
