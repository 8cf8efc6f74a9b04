package bench

// Report holds all measurements. Its JSON keys are documented in
// docs/reference/bench-engine.md.
type Report struct {
	Version  string            `json:"version"`            // of this program
	Versions map[string]string `json:"versions,omitempty"` // of the modules that compute
	Quick    bool              `json:"quick"`              // one round of everything: too imprecise to quote
	Seconds  float64           `json:"seconds"`            // of the whole run
	Machine  Machine           `json:"machine"`
	Backends Both[string]      `json:"backends"`
	Summary  Summary           `json:"summary"`
	Matmul   []Matmul          `json:"matmul"`
	Forward  Workload          `json:"forward"`
	Decode   Workload          `json:"vae_decode"`
	Train    Workload          `json:"train"`
	// Fallbacks counts the operations that package cpu delegated to the Go backend, by
	// type: none on the model's graphs.
	Fallbacks map[string]int64 `json:"fallbacks"`
	// ProcessPeak is the peak of the run's resident memory in bytes, 0 if unknown.
	ProcessPeak int64 `json:"process_peak_bytes"`
}

// Both holds one value per backend.
type Both[T any] struct {
	CPU T `json:"cpu"`
	Go  T `json:"go"`
}

// Summary holds the medians for which targets are set; their spreads are in the workloads.
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
	Ratio Spread `json:"ratio"` // go's time divided by cpu's
	// Allocation is cpu's, from the second execution on.
	Allocation Allocation `json:"allocation"`
	// Batches and Threads are cpu's speeds by batch and by number of threads.
	Batches []Growth `json:"by_batch"`
	Threads []Growth `json:"by_threads"`
}

// Speed is that of one backend on a workload.
type Speed struct {
	Seconds     Spread  `json:"seconds"` // of one execution
	GFLOPS      float64 `json:"gflops"`
	ShareOfPeak Spread  `json:"share_of_peak"`
	// PeakMemory is the peak in bytes of loading the model, compiling and two executions,
	// 0 if unknown.
	PeakMemory int64 `json:"peak_memory_bytes"`
}

// Growth is cpu's speed at one batch or number of threads.
type Growth struct {
	Batch   int     `json:"batch"`
	Threads int     `json:"threads"`
	Seconds float64 `json:"seconds"` // of one execution
	GFLOPS  float64 `json:"gflops"`
	// Speedup is the throughput divided by that of the first row.
	Speedup float64 `json:"speedup"`
}
