package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow/genref"
	"reflectionflow/internal/config"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

// completeModels completes the names of models, those on this machine included, and paths.
func (p *program) completeModels(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, m := range p.catalog {
		names = append(names, cobra.CompletionWithDesc(m.Name, m.Summary))
	}
	for _, found := range library().List() {
		if found.Err == nil {
			names = append(names, cobra.CompletionWithDesc(found.Name, found.What))
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}

// completeFlags registers the completion of flag values in a command and those below it.
func (p *program) completeFlags(cmd *cobra.Command) {
	values := map[string]cobra.CompletionFunc{
		"model":      p.completeModels,
		"strategy":   cobra.FixedCompletions(search.Strategies(), cobra.ShellCompDirectiveNoFileComp),
		"strategies": cobra.FixedCompletions(search.Strategies(), cobra.ShellCompDirectiveNoFileComp),
		"axes":       cobra.FixedCompletions([]string{"noise", "prompt", "reflection"}, cobra.ShellCompDirectiveNoFileComp),
		"backend":    cobra.FixedCompletions([]string{"cpu", "xla:"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
		"precision":  cobra.FixedCompletions(config.Precisions(), cobra.ShellCompDirectiveNoFileComp),
		"generator":  cobra.FixedCompletions([]string{"openai+http://", "sdcpp+http://", "a1111+http://", "comfyui+http://"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
		"source":     cobra.FixedCompletions(setSources, cobra.ShellCompDirectiveNoFileComp),
		"split":      cobra.FixedCompletions([]string{"train", "validation", "test", "all"}, cobra.ShellCompDirectiveNoFileComp),
		"format":     cobra.FixedCompletions([]string{string(genref.ShareGPT), string(genref.TRL), string(genref.Preferences)}, cobra.ShellCompDirectiveNoFileComp),
		"combine":    cobra.FixedCompletions([]string{string(genref.ByRank), string(genref.ByZScore)}, cobra.ShellCompDirectiveNoFileComp),
		"method":     cobra.FixedCompletions([]string{verifier.Platt, verifier.Isotonic}, cobra.ShellCompDirectiveNoFileComp),
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if complete := values[f.Name]; complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // it fails only for a flag that is not there
		}
	})
	for _, sub := range cmd.Commands() {
		p.completeFlags(sub)
	}
}

var unknownFlag = regexp.MustCompile(`^unknown flag: --(\S+)`)

// suggestion is a name near to the one that the command line has, or empty.
func suggestion(cmd *cobra.Command, err error) string {
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		best, distance := "", 2+len(m[1])/3
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			d := editDistance(m[1], f.Name)
			if strings.HasPrefix(f.Name, m[1]) {
				d = 1
			}
			if !f.Hidden && d < distance {
				best, distance = "--"+f.Name, d
			}
		})
		return best
	}
	if rest, ok := strings.CutPrefix(err.Error(), `unknown command "`); ok {
		name, _, _ := strings.Cut(rest, `"`)
		cmd.SuggestionsMinimumDistance = 2
		if names := cmd.SuggestionsFor(name); len(names) > 0 {
			return strings.Join(slices.Sorted(slices.Values(names)), " or ")
		}
	}
	return ""
}

// editDistance is the number of insertions, deletions and replacements between two names.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
