package flux2

import (
	"fmt"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/weights"
)

// ErrUnsupported says that a model is one of FLUX.2 that this package does not run. It
// wraps [reflectionflow.ErrInvalid].
var ErrUnsupported = fmt.Errorf("%w: the model is not supported", reflectionflow.ErrInvalid)

// Why relatives of FLUX.2 [klein] are not run, by diffusers' class of their pipeline.
var unsupported = map[string]string{
	"Flux2Pipeline":        "FLUX.2 [dev] needs the text encoder Mistral Small 3, which this program does not read",
	"Flux2KleinKVPipeline": "FLUX.2 [klein] 9B-KV is trained to keep the keys and values of references, which this program does not do: as klein 9B it would give other images",
}

// instead is what to do about an unsupported model.
const instead = "use FLUX.2 [klein] 4B or 9B"

func refuse(class string) error {
	return fmt.Errorf("%w: %s: %s", ErrUnsupported, unsupported[class], instead)
}

// CheckFile reports the transformer of a model that is not run, as an error wrapping
// [ErrUnsupported]: dev by its guidance embedding, and klein 9B-KV, whose tensors are
// those of 9B, by the name of the file.
func CheckFile(path string, source weights.Source) error {
	p, err := ReadTransformer(source)
	switch name := strings.ToLower(filepath.Base(path)); {
	case err != nil:
		return nil //nolint:nilerr // who loads it says what is wrong
	case p.GuidanceEmbeds:
		return refuse("Flux2Pipeline")
	case strings.Contains(name, "9b-kv") || strings.Contains(name, "9b_kv"):
		return refuse("Flux2KleinKVPipeline")
	}
	return nil
}
