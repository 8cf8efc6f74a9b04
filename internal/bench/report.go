package bench

// Report is all that was measured. Its JSON keys are documented in
// docs/reference/bench-engine.md.
type Report struct {
	Version  string            `json:"version"`            // of this program
	Versions map[string]string `json:"versions,omitempty"` // of the modules that compute
	Quick    bool              `json:"quick"`              // one round of everything: not to be quoted
	Seconds  float64           `json:"seconds"`            // that it took
	Machine  Machine           `json:"machine"`
	Backends Both[string]      `json:"backends"`
	Summary  Summary           `json:"summary"`
	Matmul   []Matmul          `json:"matmul"`
	Forward  Workload          `json:"forward"`
	Decode   Workload          `json:"vae_decode"`
	Train    Workload          `json:"train"`
	// Fallbacks counts the operations that package cpu left to the Go backend, by
	// type: none on the model's graphs.
	Fallbacks map[string]int64 `json:"fallbacks"`
	// ProcessPeak is the most memory the whole run took, 0 if unknown.
	ProcessPeak int64 `json:"process_peak_bytes"`
}

// Both holds something of either backend.
type Both[T any] struct {
	CPU T `json:"cpu"`
	Go  T `json:"go"`
}

// Summary is what targets are set for: medians that stand with their spreads below.
type Summary struct {
	ForwardRatio float64 `json:"forward_ratio"`
	DecodeRatio  float64 `json:"vae_decode_ratio"`
	TrainRatio   float64 `json:"train_ratio"`
	ForwardShare float64 `json:"forward_share_of_peak"`
	DecodeShare  float64 `json:"vae_decode_share_of_peak"`
	TrainShare   float64 `json:"train_share_of_peak"`
}

// Workload is one graph of the model on both backends.
type Workload struct {
	What  string  `json:"what"`
	Batch int     `json:"batch"`
	FLOP  float64 `json:"flop"` // of one execution
	Both[Speed]
	Ratio Spread `json:"ratio"` // go's time by cpu's
	// Allocation is cpu's, from the second execution on.
	Allocation Allocation `json:"allocation"`
	// Batches and Threads are how cpu's speed grows.
	Batches []Growth `json:"by_batch"`
	Threads []Growth `json:"by_threads"`
}

// Speed is one backend's on a workload.
type Speed struct {
	Seconds     Spread  `json:"seconds"` // of one execution
	GFLOPS      float64 `json:"gflops"`
	ShareOfPeak Spread  `json:"share_of_peak"`
	// PeakMemory is what loading the model, compiling and two executions take at
	// most, 0 if unknown.
	PeakMemory int64 `json:"peak_memory_bytes"`
}

// Growth is cpu's speed at one batch or number of threads.
type Growth struct {
	Batch   int     `json:"batch"`
	Threads int     `json:"threads"`
	Seconds float64 `json:"seconds"` // of one execution
	GFLOPS  float64 `json:"gflops"`
	// Speedup is the throughput by that of the first row.
	Speedup float64 `json:"speedup"`
}
