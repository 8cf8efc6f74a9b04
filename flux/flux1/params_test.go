package flux1

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
)

func TestVariantsAreValid(t *testing.T) {
	for _, v := range Variants {
		if err := v.Params.Validate(); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	if h := Variants[0].Params.Hidden(); h != 3072 {
		t.Errorf("FLUX.1-dev has width %d", h)
	}
}

func TestVariantOfTheEmbeddedModel(t *testing.T) {
	embedded, err := OpenFolderFS(os.DirFS("../../models/clipart"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range Variants {
		if v.Name == "clipart" && v.Params != embedded.Transformer {
			t.Errorf("the embedded model has %+v, the row is %+v", embedded.Transformer, v.Params)
		}
	}
}

// The configuration as FLUX.1-dev's folder has it.
const devConfig = `{
  "_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30.0.dev0", "_name_or_path": "../x",
  "attention_head_dim": 128, "guidance_embeds": true, "in_channels": 64, "joint_attention_dim": 4096,
  "num_attention_heads": 24, "num_layers": 19, "num_single_layers": 38, "out_channels": null, "patch_size": 1, "pooled_projection_dim": 768
}`

func TestParamsJSON(t *testing.T) {
	var p Params
	if err := json.Unmarshal([]byte(devConfig), &p); err != nil {
		t.Fatal(err)
	}
	if p != Variants[0].Params {
		t.Errorf("FLUX.1-dev reads as %+v", p)
	}
	data, err := json.Marshal(tinyParams)
	if err != nil {
		t.Fatal(err)
	}
	var again Params
	if err := json.Unmarshal(data, &again); err != nil || again != tinyParams {
		t.Errorf("%s reads as %+v, %v", data, again, err)
	}
	if err := json.Unmarshal([]byte(`{"_class_name": "SD3Transformer2DModel"}`), &p); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("another class: %v", err)
	}
}

func TestParamsValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *Params)
		want   string
	}{
		"layers":   {func(p *Params) { p.NumLayers = 1 << 30 }, "num_layers is 1073741824, must be from 0 to 512"},
		"single":   {func(p *Params) { p.NumSingleLayers = -1 }, "num_single_layers is -1, must be from 0 to 512"},
		"heads":    {func(p *Params) { p.NumAttentionHeads = 0 }, "num_attention_heads is 0, must be from 1 to 65536"},
		"width":    {func(p *Params) { p.NumAttentionHeads, p.AttentionHeadDim = 65536, 65536 }, "65536 heads of 65536 are too wide"},
		"patch":    {func(p *Params) { p.PatchSize = 2 }, "patch_size is 2, only 1 is known"},
		"channels": {func(p *Params) { p.InChannels = 6 }, "in_channels is 6, must be a multiple of 4"},
		"out":      {func(p *Params) { p.OutChannels = 4 }, "out_channels is 4, must be in_channels, 8"},
		"axes":     {func(p *Params) { p.AxesDimsRope = [3]int{2, 2, 2} }, "axes_dims_rope [2 2 2] must add up to attention_head_dim, 8"},
		"odd":      {func(p *Params) { p.AxesDimsRope = [3]int{2, 3, 3} }, "axes_dims_rope [2 3 3] must be even"},
	} {
		t.Run(name, func(t *testing.T) {
			p := tinyParams
			c.change(&p)
			err := p.Validate()
			if !errors.Is(err, reflectionflow.ErrInvalid) || err.Error() != "invalid input: transformer: "+c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func TestSchedulerJSON(t *testing.T) {
	var c flux.SchedulerConfig
	const dev = `{"_class_name": "FlowMatchEulerDiscreteScheduler", "base_image_seq_len": 256, "base_shift": 0.5,
		"max_image_seq_len": 4096, "max_shift": 1.15, "num_train_timesteps": 1000, "shift": 3.0, "use_dynamic_shifting": true}`
	if err := json.Unmarshal([]byte(dev), &c); err != nil || c != flux.FluxScheduler {
		t.Errorf("read %+v, %v", c, err)
	}
	for _, bad := range []string{
		`{"_class_name": "DDIMScheduler"}`, `{"use_karras_sigmas": true}`, `{"shift_terminal": 0.1}`, `{"time_shift_type": "linear"}`,
	} {
		if err := json.Unmarshal([]byte(bad), &c); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []flux.SchedulerConfig{
		{Shift: 0}, {Shift: 1e9}, {UseDynamicShifting: true, BaseImageSeqLen: 5, MaxImageSeqLen: 5},
	} {
		if err := bad.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
