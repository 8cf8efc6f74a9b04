package flux

import (
	"encoding/json"
	"fmt"
	"math"

	"reflectionflow"
)

// SchedulerConfig is diffusers' scheduler_config.json of a
// FlowMatchEulerDiscreteScheduler.
type SchedulerConfig struct {
	NumTrainTimesteps  int     `json:"num_train_timesteps"`
	Shift              float64 `json:"shift"` // used when UseDynamicShifting is false
	UseDynamicShifting bool    `json:"use_dynamic_shifting"`
	BaseShift          float64 `json:"base_shift"`
	MaxShift           float64 `json:"max_shift"`
	BaseImageSeqLen    int     `json:"base_image_seq_len"`
	MaxImageSeqLen     int     `json:"max_image_seq_len"`
}

// FluxScheduler is the schedule of FLUX.1-dev.
var FluxScheduler = SchedulerConfig{
	NumTrainTimesteps: 1000, Shift: 3, UseDynamicShifting: true,
	BaseShift: 0.5, MaxShift: 1.15, BaseImageSeqLen: 256, MaxImageSeqLen: 4096,
}

const schedulerClass = "FlowMatchEulerDiscreteScheduler"

// UnmarshalJSON reads a scheduler_config.json; a field that is absent takes
// diffusers' default. A schedule of another kind is refused.
func (c *SchedulerConfig) UnmarshalJSON(data []byte) error {
	type plain SchedulerConfig
	file := struct {
		ClassName   string   `json:"_class_name"`
		TimeShift   string   `json:"time_shift_type"`
		Terminal    *float64 `json:"shift_terminal"`
		Karras      bool     `json:"use_karras_sigmas"`
		Exponential bool     `json:"use_exponential_sigmas"`
		Beta        bool     `json:"use_beta_sigmas"`
		Invert      bool     `json:"invert_sigmas"`
		Stochastic  bool     `json:"stochastic_sampling"`
		plain
	}{ClassName: schedulerClass, TimeShift: "exponential", plain: plain{
		NumTrainTimesteps: 1000, Shift: 1, BaseShift: 0.5, MaxShift: 1.15, BaseImageSeqLen: 256, MaxImageSeqLen: 4096,
	}}
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	if file.ClassName != schedulerClass {
		return fmt.Errorf("%w: scheduler_config.json describes a %q, not a %s", reflectionflow.ErrInvalid, file.ClassName, schedulerClass)
	}
	if file.TimeShift != "exponential" || file.Terminal != nil || file.Karras || file.Exponential || file.Beta || file.Invert || file.Stochastic {
		return fmt.Errorf("%w: scheduler_config.json asks for sigmas other than FLUX's (karras, exponential, beta, inverted, stochastic, a terminal shift)", reflectionflow.ErrInvalid)
	}
	*c = SchedulerConfig(file.plain)
	return nil
}

// MarshalJSON writes a scheduler_config.json that diffusers reads.
func (c SchedulerConfig) MarshalJSON() ([]byte, error) {
	type plain SchedulerConfig
	return json.Marshal(struct {
		ClassName string `json:"_class_name"`
		plain
	}{schedulerClass, plain(c)})
}

// Validate reports a schedule that cannot be computed, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c SchedulerConfig) Validate() error {
	for _, v := range []float64{c.Shift, c.BaseShift, c.MaxShift} {
		if !(v >= -20 && v <= 20) { // e^20 leaves no step outside pure noise
			return fmt.Errorf("%w: scheduler: a shift of %v is out of range", reflectionflow.ErrInvalid, v)
		}
	}
	if !c.UseDynamicShifting && c.Shift <= 0 {
		return fmt.Errorf("%w: scheduler: shift is %v, must be above 0", reflectionflow.ErrInvalid, c.Shift)
	}
	if c.UseDynamicShifting && c.MaxImageSeqLen <= c.BaseImageSeqLen {
		return fmt.Errorf("%w: scheduler: max_image_seq_len %d must be above base_image_seq_len %d", reflectionflow.ErrInvalid, c.MaxImageSeqLen, c.BaseImageSeqLen)
	}
	return nil
}

// Sigmas returns the steps+1 noise levels for an image of the given number of tokens,
// from 1 down to 0, as diffusers' FluxPipeline: the shift is e^mu for mu linear in the
// number of tokens. See [SchedulerConfig.Shifted].
func (c SchedulerConfig) Sigmas(steps, tokens int) []float64 {
	slope := (c.MaxShift - c.BaseShift) / float64(c.MaxImageSeqLen-c.BaseImageSeqLen)
	return c.Shifted(steps, c.BaseShift+slope*float64(tokens-c.BaseImageSeqLen))
}

// Shifted returns the steps+1 noise levels from 1 down to 0: N levels from 1 to 1/N and
// then 0. The odds sigma/(1−sigma) of each level are multiplied by e^mu, or by the
// constant Shift of a schedule without dynamic shifting.
func (c SchedulerConfig) Shifted(steps int, mu float64) []float64 {
	shift := c.Shift
	if c.UseDynamicShifting {
		shift = math.Exp(mu)
	}
	sigmas := make([]float64, steps+1)
	for i := range steps {
		sigma := 1.0
		if steps > 1 {
			sigma = 1 + (1/float64(steps)-1)*float64(i)/float64(steps-1)
		}
		sigmas[i] = shift * sigma / (1 + (shift-1)*sigma)
	}
	return sigmas
}
