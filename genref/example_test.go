package genref_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow/clipart"
	"reflectionflow/genref"
)

// buildExample builds a set of three triplets in a temporary folder.
func buildExample(ctx context.Context) (dir string, err error) {
	sampler, err := clipart.NewSampler("dog", "cup", "clock")
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "genref"); err != nil {
		return "", err
	}
	source := &genref.Edits{Sampler: sampler, Split: clipart.Train, Config: genref.EditConfig{Width: 64, Height: 64}}
	plan := genref.Plan{Source: "editing", Seed: 1, Count: 3, ShardSize: 2, Split: string(clipart.Train)}
	_, err = genref.Build(ctx, dir, plan, source, nil)
	return dir, err
}

// Build a set of rendered edits; Edits needs no model.
func ExampleBuild() {
	ctx := context.Background()
	sampler, err := clipart.NewSampler("dog", "cup", "clock")
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "genref")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	source := &genref.Edits{Sampler: sampler, Split: clipart.Train, Config: genref.EditConfig{Width: 64, Height: 64}}
	plan := genref.Plan{Source: "editing", Seed: 1, Count: 3, ShardSize: 2, Split: string(clipart.Train)}
	manifest, err := genref.Build(ctx, dir, plan, source, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(manifest.Triplets(), "triplets in", len(manifest.Shards), "shards")
	// Output: 3 triplets in 2 shards
}

// Read the samples of a set one at a time.
func ExampleSet_All() {
	dir, err := buildExample(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	set, err := genref.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	for sample, err := range set.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(sample.Key, sample.Subset, len(sample.Flawed) > 0, sample.Reflection != "")
	}
	// Output:
	// editing_0_000000 editing true true
	// editing_0_000001 editing true true
	// editing_1_000000 editing true true
}

// Check a set whose second shard is truncated.
func ExampleCheck() {
	ctx := context.Background()
	dir, err := buildExample(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := os.Truncate(filepath.Join(dir, genref.ShardName(1)), 1024); err != nil {
		fmt.Println(err)
		return
	}
	report, err := genref.Check(ctx, dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Triplets, "whole triplets,", report.Problems.Counts)
	// Output: 2 whole triplets, map[shards missing, truncated or changed:1]
}

// Export a set for the tuning of a reflector with LLaMA-Factory.
func ExampleExport() {
	ctx := context.Background()
	dir, err := buildExample(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	set, err := genref.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := filepath.Join(dir, "export")
	report, err := genref.Export(ctx, genref.ExportOptions{Sets: []*genref.Set{set}, Out: out, Format: genref.ShareGPT}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		fmt.Println(err)
		return
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	fmt.Println(report.Rows[clipart.Train], "rows", slices.Contains(names, "train.jsonl"), slices.Contains(names, "dataset_info.json"))
	// Output: 3 rows true true
}
