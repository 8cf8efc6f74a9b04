package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"reflectionflow/internal/service"
)

func (p *program) keysCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Manage the API keys of serve",
		Long:  "Manages the API keys of serve. The file holds a hash of each key; a running server reads it again when it changes.",
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
	cmd.AddCommand(
		&cobra.Command{
			Use: "add NAME", Short: "Make a key and print it, this once", Args: cobra.ExactArgs(1),
			RunE: with(func(keys *service.Keys, args []string) error {
				key, err := keys.Add(args[0], time.Now())
				if err == nil {
					_, _ = fmt.Fprintln(p.stdout, key)
				}
				return err
			}),
		},
		&cobra.Command{
			Use: "list", Short: "List whose keys there are", Args: cobra.NoArgs,
			RunE: with(func(keys *service.Keys, _ []string) error {
				for _, key := range keys.List() {
					_, _ = fmt.Fprintf(p.stdout, "%s\t%s\n", key.Made, key.Owner)
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
