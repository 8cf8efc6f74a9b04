package flux2

import "reflectionflow/flux/lora"

// Networks lists what LoRAs can adapt: the transformer and the text encoder.
func (f *Folder) Networks() ([]lora.Network, error) {
	transformer, err := f.Transformer.Variables()
	if err != nil {
		return nil, err
	}
	text, err := f.Text.Variables(f.Settings.TextLayers)
	if err != nil {
		return nil, err
	}
	return []lora.Network{lora.FLUX2(TransformerPrefix, transformer), lora.Qwen3(TextPrefix, text)}, nil
}
