package remote_test

import (
	"fmt"

	"reflectionflow/remote"
)

// A URL configures everything. Opening a generator sends nothing.
func ExampleOpen() {
	_, err := remote.Open("sdcpp+http://localhost:1234?sampler=euler&concurrency=1", remote.Options{})
	fmt.Println(err)
	_, err = remote.Open("sdcpp+http://localhost:1234?smapler=euler", remote.Options{})
	fmt.Println(err)
	// Output:
	// <nil>
	// invalid input: parameter "smapler": this protocol has no such parameter
}
