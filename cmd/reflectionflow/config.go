package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/run"
)

// generateWith returns the model that generate uses, and the record of the
// configuration where one is given. The configuration's settings of the search go
// where no flag says otherwise.
func (p *program) generateWith(cmd *cobra.Command, o *generateOptions) (assemble.Model, json.RawMessage, error) {
	c, err := o.searching(cmd.Flags())
	if err != nil {
		return assemble.Model{}, nil, err
	}
	if c == nil {
		model, err := p.catalog.Find(o.model)
		return model, nil, err
	}
	c = c.Used()
	model, err := p.builder(c).Model()
	if err != nil {
		return assemble.Model{}, nil, err
	}
	deployed, err := assemble.Record(c)
	return model, deployed, err
}

// engineOptions are the flags that choose generator and verifier.
type engineOptions struct {
	deployment     string // file of the configuration
	generator      string // URL
	model, backend string
	anySize        bool // generate sizes that the model was not made for
}

// registerAnySize adds the flag of sizes that a model was not made for.
func (o *engineOptions) registerAnySize(f *pflag.FlagSet) {
	f.BoolVar(&o.anySize, "any-size", false, "generate sizes that the model was not made for: slow, large and mostly wrong")
}

// searching is [engineOptions.configuration]; its settings of the search are in the
// flags then.
func (o *engineOptions) searching(flags *pflag.FlagSet) (*config.Config, error) {
	c, err := o.configuration(flags)
	if err != nil || c == nil {
		return nil, err
	}
	return c, applySearch(c, flags)
}

// configuration is what --config and --generator say, nil where neither is given. Its
// backend is in o then.
func (o *engineOptions) configuration(flags *pflag.FlagSet) (*config.Config, error) {
	if o.deployment == "" && o.generator == "" {
		return nil, nil
	}
	c := assemble.NewConfig("the command line")
	if o.deployment == "" {
		c.Model, c.Backend = o.model, o.backend
	} else {
		for _, name := range []string{"model", "backend"} {
			if flags.Changed(name) {
				return nil, fmt.Errorf("%w: --%s and --config: write the %s into the configuration", reflectionflow.ErrInvalid, name, name)
			}
		}
		var err error
		if c, err = assemble.ReadConfig(o.deployment); err != nil {
			return nil, err
		}
	}
	if o.generator != "" {
		here, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find the working directory: %w", err)
		}
		if err := c.UseGenerator(o.generator, here); err != nil {
			return nil, err
		}
	}
	o.backend = c.Backend
	return c, nil
}

// recordedModel returns the model of a recorded run.
func (p *program) recordedModel(m run.Manifest) (assemble.Model, error) {
	if len(m.Deployment) == 0 {
		return p.catalog.Find(m.Model.Name)
	}
	c, err := assemble.FromRecord(m.Deployment)
	if err != nil {
		return assemble.Model{}, err
	}
	return p.builder(c).Model()
}

// applySearch sets the flags that were not given. Where a command takes several
// strategies and budgets, it takes the one that the configuration names.
func applySearch(c *config.Config, flags *pflag.FlagSet) error {
	s := c.Search
	if flags.Lookup("axes") == nil && s.Axes != nil {
		return c.Errorf("search.axes", "strategies are compared with all the axes that they have: leave it out")
	}
	several := map[string]string{"strategy": "strategies", "budget": "budgets"}
	for _, setting := range []struct {
		key, value string
		set        bool
	}{
		{"strategy", s.Strategy, s.Strategy != ""},
		{"budget", s.Budget, s.Budget != ""},
		{"width", number(s.Width), s.Width != nil},
		{"depth", number(s.Depth), s.Depth != nil},
		{"axes", strings.Join(s.Axes, ","), s.Axes != nil},
		{"steps", number(s.Steps), s.Steps != nil},
		{"guidance", number(s.Guidance), s.Guidance != nil},
		{"size", s.Size, s.Size != ""},
		{"any_size", number(s.AnySize), s.AnySize != nil},
		{"seed", number(s.Seed), s.Seed != nil},
		{"early_stop", number(s.EarlyStop), s.EarlyStop != nil},
		{"batch", number(s.Batch), s.Batch != nil},
	} {
		flag := strings.ReplaceAll(setting.key, "_", "-")
		if list, ok := several[flag]; ok && flags.Lookup(list) != nil {
			flag = list
		}
		if !setting.set || flags.Changed(flag) {
			continue
		}
		if _, err := strconv.Atoi(setting.value); flag == "budgets" && err != nil {
			return c.Errorf("search.budget", "%q: strategies are compared at budgets of images: use a number, or --budgets", setting.value)
		}
		if err := flags.Set(flag, setting.value); err != nil {
			return c.Errorf("search."+setting.key, "%v", err)
		}
	}
	return nil
}

// number writes a setting as a flag takes it; nil is nothing.
func number[N int | uint64 | float64 | bool](n *N) string {
	if n == nil {
		return ""
	}
	if f, ok := any(*n).(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(*n)
}
