package main

import (
	"testing"

	"reflectionflow/internal/service"
)

// Workers that compute differently share no tasks: their images differ.
func TestWorkerSum(t *testing.T) {
	seen := map[string]service.Served{}
	for _, m := range []service.Served{{}, {Precision: "bf16"}, {Precision: "int8"}, {Backend: "xla:cuda"}} {
		sum := workerSum(m, "weights")
		if other, ok := seen[sum]; ok {
			t.Errorf("%+v and %+v have one fingerprint", m, other)
		}
		seen[sum] = m
	}
	if workerSum(service.Served{}, "weights") != workerSum(service.Served{Backend: "cpu", Precision: "f32"}, "weights") {
		t.Error("the defaults by name have another fingerprint")
	}
	if workerSum(service.Served{}, "weights") == workerSum(service.Served{}, "others") {
		t.Error("other weights have the same fingerprint")
	}
}
