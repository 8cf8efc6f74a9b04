package main

import clipartmodel "reflectionflow/models/clipart"

// catalog lists the models of this binary, the default first.
func catalog() []modelEntry {
	clipart, err := worldModel("clipart", clipartmodel.Files)
	if err != nil {
		panic(err) // its files are part of this binary
	}
	return []modelEntry{clipart}
}
