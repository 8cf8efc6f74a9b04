package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"reflectionflow"
)

// seedValue is a flag that takes a seed from 0 to [reflectionflow.MaxSeed].
type seedValue uint64

// seedFlag adds --seed with the default 1.
func seedFlag(f *pflag.FlagSet, seed *uint64, usage string) {
	*seed = 1
	f.Var((*seedValue)(seed), "seed", usage)
}

// Set implements [pflag.Value].
func (s *seedValue) Set(text string) error {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil || n > reflectionflow.MaxSeed {
		return fmt.Errorf("a seed is a whole number from 0 to %d", uint64(reflectionflow.MaxSeed))
	}
	*s = seedValue(n)
	return nil
}

// String implements [pflag.Value].
func (s *seedValue) String() string { return strconv.FormatUint(uint64(*s), 10) }

// Type implements [pflag.Value].
func (*seedValue) Type() string { return "uint" }
