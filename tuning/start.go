package tuning

import (
	"fmt"
	"path/filepath"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// loadStart loads the weights under prefix from the model folder that the recipe starts from,
// if any, into the store, in float32. It leaves out the layers in reset, which depend on the
// world's classes.
func (r Recipe) loadStart(store *nn.Store, prefix, stem string, reset ...string) error {
	if r.Start == "" {
		return nil
	}
	trained := nn.NewStore()
	if err := flux.LoadWeights(trained, prefix, filepath.Join(r.Start, prefix), stem); err != nil {
		return fmt.Errorf("start from %s: %w", r.Start, err)
	}
	for _, layer := range reset {
		trained.Delete(prefix + "." + layer + ".")
	}
	for _, name := range trained.Names(prefix + ".") {
		values, err := trained.Values(name)
		if err != nil {
			return err
		}
		store.Set(name, values, trained.Dims(name)...)
	}
	return nil
}

// loadBaseStart calls loadStart for the transformer and both text encoders.
func (r Recipe) loadBaseStart(store *nn.Store) error {
	for prefix, stem := range map[string]string{
		flux1.TransformerPrefix: flux.DiffusersStem, flux1.CLIPPrefix: flux.TransformersStem, flux1.T5Prefix: flux.TransformersStem,
	} {
		if err := r.loadStart(store, prefix, stem); err != nil {
			return err
		}
	}
	return nil
}
