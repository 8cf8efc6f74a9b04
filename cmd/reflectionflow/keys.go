package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reflectionflow/internal/service"
)

func (p *program) keysCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Manage the API keys of serve",
		Long:  "Manages the API keys of serve. The file holds a hash of each key and its limits, a line each, such as running=2; a running server reads it again when it changes.",
	}
	cmd.PersistentFlags().StringVar(&file, "file", "keys.txt", "file of the keys")
	with := func(do func(*service.Keys, []string) error) func(*cobra.Command, []string) error {
		return func(_ *cobra.Command, args []string) error {
			keys, err := service.OpenKeys(file)
			if err != nil {
				return err
			}
			return do(keys, args)
		}
	}
	var limits service.Limits
	add := &cobra.Command{
		Use: "add NAME", Short: "Make a key and print it, this once", Args: cobra.ExactArgs(1),
		Example: `  reflectionflow keys add ann
  reflectionflow keys add ben --queued 100 --running 2 --images-per-hour 500`,
		RunE: with(func(keys *service.Keys, args []string) error {
			key, err := keys.Add(args[0], limits, time.Now())
			if err == nil {
				_, _ = fmt.Fprintln(p.stdout, key)
			}
			return err
		}),
	}
	add.Flags().IntVar(&limits.Queued, "queued", 0, "searches that may wait; 0 is no bound")
	add.Flags().IntVar(&limits.Running, "running", 0, "searches that run at once, more wait; 0 is no bound")
	add.Flags().IntVar(&limits.ImagesPerHour, "images-per-hour", 0, "images in an hour, then searches are refused; 0 is no bound")
	cmd.AddCommand(
		add,
		&cobra.Command{
			Use: "list", Short: "List whose keys there are", Args: cobra.NoArgs,
			RunE: with(func(keys *service.Keys, _ []string) error {
				for _, key := range keys.List() {
					_, _ = fmt.Fprintf(p.stdout, "%s\n", strings.TrimSpace(fmt.Sprintf("%s\t%s\t%s", key.Made, key.Owner, key.Limits)))
				}
				return nil
			}),
		},
		&cobra.Command{
			Use: "revoke NAME", Short: "Revoke a key", Args: cobra.ExactArgs(1),
			RunE: with(func(keys *service.Keys, args []string) error { return keys.Revoke(args[0]) }),
		},
	)
	return cmd
}
