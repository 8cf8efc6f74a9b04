package flux1

import "reflectionflow/flux/lora"

// Networks lists what LoRAs can adapt: the transformer and both text encoders.
func (f *Folder) Networks() ([]lora.Network, error) {
	transformer, err := f.Transformer.variables()
	if err != nil {
		return nil, err
	}
	clip, err := f.CLIP.variables()
	if err != nil {
		return nil, err
	}
	t5, err := f.T5.variables()
	if err != nil {
		return nil, err
	}
	return []lora.Network{lora.FLUX1(TransformerPrefix, transformer), lora.CLIP(CLIPPrefix, clip), lora.T5(T5Prefix, t5)}, nil
}
