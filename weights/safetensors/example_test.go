package safetensors_test

import (
	"bytes"
	"fmt"

	"reflectionflow/weights/safetensors"
)

func ExampleEncode() {
	var file bytes.Buffer
	err := safetensors.Encode(&file, []safetensors.Tensor{
		{Name: "norm.weight", Shape: []int{3}, DType: safetensors.BF16, Values: []float32{1, 0.5, -2}},
	}, map[string]string{"format": "pt"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := safetensors.FromBytes("norm.safetensors", file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	values, err := f.Float32Shape("norm.weight", 3)
	fmt.Println(f.Names(), values, err)
	// Output: [norm.weight] [1 0.5 -2] <nil>
}
