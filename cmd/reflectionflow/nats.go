package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/jobs"
)

// registerNATS adds the flags of a NATS cluster.
func registerNATS(f *pflag.FlagSet, n *config.NATS) {
	f.StringVar(&n.URL, "nats", "", "NATS servers with JetStream, such as tls://n1:4222,tls://n2:4222; default nats.url of --config")
	f.StringVar(&n.Creds, "nats-creds", "", "file of credentials for --nats")
	f.StringVar(&n.CA, "nats-ca", "", "file of the certificates that check the servers of --nats")
	f.IntVar(&n.Replicas, "nats-replicas", 1, "servers that keep each stream: 1, or 3 in a cluster of three or more")
}

// useNATS puts the cluster of the flags into the configuration, where they are given.
func useNATS(c *config.Config, n config.NATS) error {
	if n.URL == "" {
		if n.Creds != "" || n.CA != "" {
			return fmt.Errorf("%w: --nats-creds and --nats-ca need --nats", reflectionflow.ErrInvalid)
		}
		return nil
	}
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	return c.UseNATS(n, here)
}

// clusters are the connections of the program, by what they connect to.
type clusters struct {
	mutex  sync.Mutex
	buses  map[config.NATS]*jobs.Bus
	fleets map[config.NATS]*fleet.Fleet
}

// report prints an error that ends nothing, or that it has passed.
func (p *program) report(err error) { _, _ = fmt.Fprintf(p.stderr, "nats: %v\n", err) }

// bus connects to a cluster, once. The connection lasts as long as the program.
func (p *program) bus(n config.NATS) (*jobs.Bus, error) {
	p.clusters.mutex.Lock()
	defer p.clusters.mutex.Unlock()
	if bus := p.clusters.buses[n]; bus != nil {
		return bus, nil
	}
	options := []nats.Option{
		nats.Timeout(10 * time.Second), nats.ReconnectWait(time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				p.report(fmt.Errorf("the connection is lost (%w): waiting for a server", err))
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { p.report(fmt.Errorf("connected again, to %s", c.ConnectedAddr())) }),
	}
	for _, file := range []struct {
		path   string
		option func(string) nats.Option
	}{
		{n.Creds, func(path string) nats.Option { return nats.UserCredentials(path) }},
		{n.CA, func(path string) nats.Option { return nats.RootCAs(path) }},
	} {
		if file.path == "" {
			continue
		}
		if _, err := os.Stat(file.path); err != nil {
			return nil, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
		}
		options = append(options, file.option(file.path))
	}
	bus, err := jobs.Connect(n.URL, max(1, n.Replicas), options...)
	if err != nil {
		return nil, err
	}
	if p.clusters.buses == nil {
		p.clusters.buses = map[config.NATS]*jobs.Bus{}
	}
	p.clusters.buses[n] = bus
	return bus, nil
}

// fleet opens the workers of a cluster, once.
func (p *program) fleet(ctx context.Context, n config.NATS) (*fleet.Fleet, error) {
	bus, err := p.bus(n)
	if err != nil {
		return nil, err
	}
	p.clusters.mutex.Lock()
	defer p.clusters.mutex.Unlock()
	if f := p.clusters.fleets[n]; f != nil {
		return f, nil
	}
	f, err := fleet.Open(ctx, bus, fleet.Options{Report: p.report})
	if err != nil {
		return nil, err
	}
	if p.clusters.fleets == nil {
		p.clusters.fleets = map[config.NATS]*fleet.Fleet{}
	}
	p.clusters.fleets[n] = f
	return f, nil
}

// close closes all connections.
func (c *clusters) close() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, bus := range c.buses {
		bus.Close()
	}
	c.buses, c.fleets = nil, nil
}

// processName names this process among those of a cluster.
func processName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name this process: %w", errors.Join(err, errors.New("give --name")))
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid()), nil
}
