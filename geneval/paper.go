package geneval

// The paper's own figures (arXiv 2504.16080, ICCV 2025, FLUX.1-dev, GenEval's 553
// prompts): the table and the text of its project page, and what was read off its
// figures to about ±0.3 points. All in per cent.

// paperRow is a line of the paper's table.
type paperRow struct {
	method  string
	images  int
	overall float64
	tags    []float64 // in the order of Tags
}

var paperTable = []paperRow{
	{"base", 1, 67, []float64{99, 81, 75, 80, 21, 48}},
	{"noise", 32, 85, []float64{100, 96, 91, 91, 52, 78}},
	{"noise-prompt", 32, 87, []float64{99, 94, 85, 91, 80, 71}},
	{"reflection", 32, 91, []float64{100, 98, 90, 96, 93, 72}},
}

// paperBudgets are those of the paper's curves.
var paperBudgets = []int{1, 2, 4, 8, 16, 32}

// paperCurve is a line of one of the paper's figures.
type paperCurve struct {
	name   string
	values []float64 // in the order of paperBudgets
}

var paperCurves = []paperCurve{
	{"noise", []float64{66.7, 74.0, 78.4, 81.6, 83.3, 84.8}},
	{"noise-prompt", []float64{69.1, 72.1, 80.3, 84.1, 84.7, 86.7}},
	{"reflection", []float64{76.5, 84.7, 87.3, 88.8, 89.1, 91.4}},
}

var paperVerifiers = []paperCurve{
	{"GPT-4o", []float64{72.5, 74.8, 76.8, 76.9, 77.6, 77.9}},
	{"Qwen2.5-VL, tuned", []float64{70.2, 78.7, 82.3, 83.6, 86.1, 87.4}},
	{"NVILA-2B", []float64{76.5, 84.7, 87.3, 88.8, 89.2, 91.4}},
	{"oracle (the judge itself)", []float64{76.5, 86.3, 90.5, 94.1, 96.3, 98.4}},
}

// paperLevels are base and reflection at 32 by difficulty.
var paperLevels = map[Level][2]float64{Easy: {95, 97}, Medium: {55, 85}, Hard: {10, 81}}
