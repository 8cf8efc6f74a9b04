package run

import (
	"errors"
	"strings"
	"testing"

	"reflectionflow"
)

func TestReadManifestOfFolder(t *testing.T) {
	_, err := ReadManifest(t.TempDir())
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "name the run.json in it") {
		t.Errorf("got %v", err)
	}
}
