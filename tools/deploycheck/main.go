// Command deploycheck checks the files under deploy against the schemas of those who read
// them: compose.yaml with the loader of Docker Compose, and kubernetes.yaml with the types
// of Kubernetes, where an unknown field or a value of another type is an error. It is a
// module of its own, so that the program does not depend on either.
//
//	go run . ../../deploy
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: deploycheck FOLDER")
		os.Exit(2)
	}
	dir := os.Args[1]
	if err := errors.Join(compose(filepath.Join(dir, "compose.yaml")), kubernetes(filepath.Join(dir, "kubernetes.yaml"))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// compose loads a file as Docker Compose does: against its schema, with what services refer to.
func compose(file string) error {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("reflectionflow"))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				if _, err := os.Stat(v.Source); err != nil {
					return fmt.Errorf("%s: service %s: %w", file, s.Name, err)
				}
			}
		}
	}
	fmt.Printf("%s: %d services, %d volumes\n", file, len(project.Services), len(project.Volumes))
	return nil
}

// kubernetes reads each document into the type of its kind, and checks what objects refer to.
func kubernetes(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	reader, n := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))), 0
	var templates []core.PodTemplateSpec
	var services []core.Service
	config := map[string]map[string]string{}
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		var kind meta.TypeMeta
		if err := strict.Unmarshal(document, &kind); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		n++
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 ConfigMap":
			var c core.ConfigMap
			err = strict.UnmarshalStrict(document, &c)
			config[c.Name] = c.Data
		case "v1 Service":
			var s core.Service
			err = strict.UnmarshalStrict(document, &s)
			services = append(services, s)
		case "apps/v1 Deployment":
			var d apps.Deployment
			err = errors.Join(strict.UnmarshalStrict(document, &d), selects(d.Name, d.Spec.Selector, d.Spec.Template))
			templates = append(templates, d.Spec.Template)
		case "apps/v1 StatefulSet":
			var s apps.StatefulSet
			err = errors.Join(strict.UnmarshalStrict(document, &s), selects(s.Name, s.Spec.Selector, s.Spec.Template))
			for _, claim := range s.Spec.VolumeClaimTemplates {
				s.Spec.Template.Spec.Volumes = append(s.Spec.Template.Spec.Volumes, core.Volume{Name: claim.Name})
			}
			templates = append(templates, s.Spec.Template)
		default:
			err = fmt.Errorf("unknown kind %s %s", kind.APIVersion, kind.Kind)
		}
		if err != nil {
			return fmt.Errorf("%s: document %d: %w", file, n, err)
		}
	}
	for _, t := range templates {
		err = errors.Join(err, mounts(t, config))
	}
	for _, s := range services {
		err = errors.Join(err, serves(s, templates))
	}
	if err == nil {
		fmt.Printf("%s: %d objects\n", file, n)
	}
	return err
}

// selects reports a selector that does not select its own pods.
func selects(name string, selector *meta.LabelSelector, t core.PodTemplateSpec) error {
	if selector == nil {
		return fmt.Errorf("%s has no selector", name)
	}
	for key, value := range selector.MatchLabels {
		if t.Labels[key] != value {
			return fmt.Errorf("%s does not select its own pods: %s", name, key)
		}
	}
	return nil
}

// mounts reports mounts without a volume, and files that their configuration does not have.
func mounts(t core.PodTemplateSpec, config map[string]map[string]string) error {
	volumes := map[string]bool{}
	for _, v := range t.Spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap == nil {
			continue
		}
		for _, item := range v.ConfigMap.Items {
			if _, ok := config[v.ConfigMap.Name][item.Key]; !ok {
				return fmt.Errorf("volume %s: configuration %s has no %s", v.Name, v.ConfigMap.Name, item.Key)
			}
		}
	}
	for _, c := range t.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				return fmt.Errorf("container %s mounts %s, which is no volume", c.Name, m.Name)
			}
		}
	}
	return nil
}

// serves reports a service that no container answers for.
func serves(s core.Service, templates []core.PodTemplateSpec) error {
	for _, t := range templates {
		if t.Labels["app"] != s.Spec.Selector["app"] {
			continue
		}
		open := map[int32]bool{}
		for _, c := range t.Spec.Containers {
			for _, p := range c.Ports {
				open[p.ContainerPort] = true
			}
		}
		for _, p := range s.Spec.Ports {
			if target := p.TargetPort.IntVal; target == 0 && !open[p.Port] {
				return fmt.Errorf("service %s: no container listens on port %d", s.Name, p.Port)
			}
		}
		return nil
	}
	return fmt.Errorf("service %s selects no pods", s.Name)
}
