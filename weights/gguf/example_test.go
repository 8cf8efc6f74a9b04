package gguf_test

import (
	"fmt"

	"reflectionflow/weights/gguf"
)

// The rows of a matrix are decoded into a buffer of the caller, a few at a time.
func ExampleFile_ReadRows() {
	f, err := gguf.Open("testdata/reference.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	info, err := f.Info("Q4_K")
	if err != nil {
		fmt.Println(err)
		return
	}
	row := make([]float32, info.RowLength())
	for i := range info.Rows() {
		if err := f.ReadRows(row, info.Name, i); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(info.Type, info.Shape, row[:2])
	}
	// Output:
	// Q4_K [2 512] [-9.164734 -18.692322]
	// Q4_K [2 512] [-1.3903122 -0.37000275]
}
