package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v4"

	"reflectionflow/internal/assemble"
)

const deploy = "../../deploy/"

// The files under deploy can be read, the commands in them are commands of this program,
// and the configurations are valid.
func TestDeployFiles(t *testing.T) {
	commands, configs := 0, 0
	var walk func(node any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			for _, key := range []string{"command", "args"} {
				if list, ok := n[key].([]any); ok && n["image"] == "reflectionflow" {
					checkCommand(t, list)
					commands++
				}
			}
			if text, ok := n["nats.conf"].(string); ok {
				file := filepath.Join(t.TempDir(), "nats.conf")
				writeFile(t, file, text)
				checkNATSConf(t, file)
				configs++
			}
			if text, ok := n["fleet.yaml"].(string); ok {
				checkFleetConfig(t, text)
				configs++
			}
			for _, inner := range n {
				walk(inner)
			}
		case []any:
			for _, inner := range n {
				walk(inner)
			}
		}
	}
	for _, name := range []string{"compose.yaml", "kubernetes.yaml"} {
		decoder := yaml.NewDecoder(bytes.NewReader([]byte(read(t, deploy+name))))
		for {
			var document map[string]any
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			walk(document)
		}
	}
	checkFleetConfig(t, read(t, deploy+"fleet.yaml"))
	checkNATSConf(t, deploy+"nats.conf")
	if commands != 4 || configs != 2 {
		t.Errorf("%d commands and %d configurations were checked, want 4 and 2", commands, configs)
	}
}

// checkNATSConf reads a configuration of a NATS server as the server does.
func checkNATSConf(t *testing.T, file string) {
	t.Helper()
	t.Setenv("NAME", "nats-0")
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if o.ServerName != "nats-0" || !o.JetStream || !o.SyncAlways || len(o.Routes) != 3 || o.HTTPPort != 8222 {
		t.Errorf("%s: %s, JetStream %v, synced %v, %d routes, monitor %d", file, o.ServerName, o.JetStream, o.SyncAlways, len(o.Routes), o.HTTPPort)
	}
}

func checkCommand(t *testing.T, list []any) {
	t.Helper()
	var args []string
	for _, arg := range list {
		args = append(args, arg.(string))
	}
	p := &program{stdout: io.Discard, stderr: io.Discard, catalog: assemble.Embedded()}
	started := false
	cmd, rest, err := p.rootCommand(&started).Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil || cmd.Name() != args[0] || cmd.Flags().NArg() > 0 {
		t.Errorf("%s: %v", strings.Join(args, " "), err)
	}
}

func checkFleetConfig(t *testing.T, text string) {
	t.Helper()
	c, err := assemble.ParseConfig("fleet.yaml", []byte(text), "/etc")
	if err != nil {
		t.Fatal(err)
	}
	if u := c.Use; c.NATS.Replicas != 3 || u.Verifier != "fleet" || u.Reflector != "fleet" || u.Refiner != "fleet" || u.Parser != "embedded" {
		t.Errorf("it uses %+v at %+v", u, c.NATS)
	}
}
