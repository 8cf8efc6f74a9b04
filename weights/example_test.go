package weights_test

import (
	"fmt"

	"reflectionflow/weights"
)

// A file is opened by its content, and its rows are read as float32 whatever their
// type.
func ExampleOpen() {
	f, err := weights.Open("gguf/testdata/reference.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	info, err := f.Info("Q8_0")
	if err != nil {
		fmt.Println(err)
		return
	}
	row := make([]float32, info.RowLength())
	if err := f.ReadRows(row, info.Name, 0); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Format(), info.Type, info.Shape, len(row))
	// Output: GGUF Q8_0 [2 64] 64
}
