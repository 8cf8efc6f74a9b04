package requirements_test

import (
	"fmt"

	"reflectionflow/requirements"
)

func ExampleParse() {
	prompt, err := requirements.Parse(`two dogs on a red sofa, watercolor, supercalifragilistic`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, r := range prompt.Requirements {
		fmt.Println(r.Kind, "|", r, "|", prompt.Needs(i))
	}
	// Output:
	// exactly | exactly 2 dog | []
	// at_least | at least 1 couch | []
	// color | at least 1 couch that is red | [1]
	// position | at least 2 dog on couch | [0 1]
	// style | the style: watercolor | []
	// free | supercalifragilistic | []
}
